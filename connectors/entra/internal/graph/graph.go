// Package graph sends requests to Microsoft Graph v1.0 through Microsoft's SDK
// for Go and returns the bytes of the answers. It is the only package of this
// program that imports the SDK, whose models take minutes to compile: nothing
// that is edited often is to be put here.
//
// It is not a place for decoding, paging, retries or status codes. The SDK's
// request builders know paths and query options, its adapter sends; its typed
// models are passed by, because they cost seven to eleven times the time, and
// cannot tell a property that is null from one that is absent.
package graph

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	abstractions "github.com/microsoft/kiota-abstractions-go"
	"github.com/microsoft/kiota-abstractions-go/authentication"
	kiota "github.com/microsoft/kiota-http-go"
	"github.com/microsoftgraph/msgraph-sdk-go/applicationswithappid"
	"github.com/microsoftgraph/msgraph-sdk-go/groups"
	"github.com/microsoftgraph/msgraph-sdk-go/serviceprincipals"
	"github.com/microsoftgraph/msgraph-sdk-go/serviceprincipalswithappid"
	"github.com/microsoftgraph/msgraph-sdk-go/users"
)

// Client sends requests to one Graph endpoint. It is safe for concurrent use.
type Client struct {
	base    string // with the version, without a slash at the end
	adapter *kiota.NetHttpRequestAdapter
}

// New returns a client for the endpoint at base, version included. The client
// given adds the credential, paces, retries and turns failed answers into
// errors; none of the SDK's own middleware is in between, and no global registry
// of the SDK is touched.
func New(base *url.URL, client *http.Client) (*Client, error) {
	adapter, err := kiota.NewNetHttpRequestAdapterWithParseNodeFactoryAndSerializationWriterFactoryAndHttpClient(
		&authentication.AnonymousAuthenticationProvider{}, nil, nil, client)
	if err != nil {
		return nil, err
	}
	return &Client{base: strings.TrimRight(base.String(), "/"), adapter: adapter}, nil
}

// Options are the query options of a request; zero values are left out.
type Options struct {
	Select []string
	Filter string
	Top    int
}

// options is what the SDK's templates take, under the names they use.
type options struct {
	Select []string `uriparametername:"%24select"`
	Filter *string  `uriparametername:"%24filter"`
	Top    *int32   `uriparametername:"%24top"`
	Count  *bool    `uriparametername:"%24count"`
}

// Request is one GET, or the first page of a listing.
type Request struct {
	URL string
	// eventual asks for the advanced query capabilities, which a cast of
	// members needs on every page (learn.microsoft.com/graph/aad-advanced-queries).
	eventual bool
}

// At returns the request for a link that Graph gave in an answer to r.
func (r Request) At(link string) Request { return Request{URL: link, eventual: r.eventual} }

// Link returns the request for a link that was kept.
func Link(link string) Request { return Request{URL: link} }

// UsersDelta asks for all users, with a token for what changes afterwards.
func (c *Client) UsersDelta(ctx context.Context, o Options) (Request, error) {
	info, err := users.NewUsersRequestBuilderInternal(c.path(), c.adapter).Delta().ToGetRequestInformation(ctx, nil)
	return build(info, err, o)
}

// GroupsDelta asks for all groups, with a token for what changes afterwards.
func (c *Client) GroupsDelta(ctx context.Context, o Options) (Request, error) {
	info, err := groups.NewGroupsRequestBuilderInternal(c.path(), c.adapter).Delta().ToGetRequestInformation(ctx, nil)
	return build(info, err, o)
}

// Latest turns a delta request into one for a token alone, from now on
// (learn.microsoft.com/graph/delta-query-overview, "sync from now").
func Latest(r Request) (Request, error) {
	u, err := url.Parse(r.URL)
	if err != nil {
		return Request{}, errors.New("the address of the delta request cannot be read")
	}
	if u.RawQuery != "" {
		u.RawQuery += "&"
	}
	u.RawQuery += "%24deltatoken=latest"
	return r.At(u.String()), nil
}

// Users lists users.
func (c *Client) Users(ctx context.Context, o Options) (Request, error) {
	info, err := users.NewUsersRequestBuilderInternal(c.path(), c.adapter).ToGetRequestInformation(ctx, nil)
	return build(info, err, o)
}

// User asks for one user.
func (c *Client) User(ctx context.Context, id string, o Options) (Request, error) {
	info, err := users.NewUsersRequestBuilderInternal(c.path(), c.adapter).ByUserId(id).ToGetRequestInformation(ctx, nil)
	return build(info, err, o)
}

// MemberOf lists what a user is a direct member of.
func (c *Client) MemberOf(ctx context.Context, id string, o Options) (Request, error) {
	info, err := users.NewUsersRequestBuilderInternal(c.path(), c.adapter).ByUserId(id).MemberOf().ToGetRequestInformation(ctx, nil)
	return build(info, err, o)
}

// TransitiveMemberOf lists what a user is a member of, however deep.
func (c *Client) TransitiveMemberOf(ctx context.Context, id string, o Options) (Request, error) {
	info, err := users.NewUsersRequestBuilderInternal(c.path(), c.adapter).ByUserId(id).TransitiveMemberOf().ToGetRequestInformation(ctx, nil)
	return build(info, err, o)
}

// Groups lists groups.
func (c *Client) Groups(ctx context.Context, o Options) (Request, error) {
	info, err := groups.NewGroupsRequestBuilderInternal(c.path(), c.adapter).ToGetRequestInformation(ctx, nil)
	return build(info, err, o)
}

// Group asks for one group.
func (c *Client) Group(ctx context.Context, id string, o Options) (Request, error) {
	info, err := c.group(id).ToGetRequestInformation(ctx, nil)
	return build(info, err, o)
}

// Members lists the direct members of a group, of every type.
func (c *Client) Members(ctx context.Context, id string, o Options) (Request, error) {
	info, err := c.group(id).Members().ToGetRequestInformation(ctx, nil)
	return build(info, err, o)
}

// MemberUsers lists the users among the direct members of a group.
func (c *Client) MemberUsers(ctx context.Context, id string, o Options) (Request, error) {
	info, err := c.group(id).Members().GraphUser().ToGetRequestInformation(ctx, nil)
	return buildCast(info, err, o)
}

// TransitiveUsers lists the users in a group, however deep.
func (c *Client) TransitiveUsers(ctx context.Context, id string, o Options) (Request, error) {
	info, err := c.group(id).TransitiveMembers().GraphUser().ToGetRequestInformation(ctx, nil)
	return buildCast(info, err, o)
}

// TransitiveGroups lists the groups in a group, however deep.
func (c *Client) TransitiveGroups(ctx context.Context, id string, o Options) (Request, error) {
	info, err := c.group(id).TransitiveMembers().GraphGroup().ToGetRequestInformation(ctx, nil)
	return buildCast(info, err, o)
}

// ServicePrincipal asks for the enterprise application with that appId.
func (c *Client) ServicePrincipal(ctx context.Context, appID string, o Options) (Request, error) {
	info, err := serviceprincipalswithappid.NewServicePrincipalsWithAppIdRequestBuilderInternal(c.path(), c.adapter, &appID).
		ToGetRequestInformation(ctx, nil)
	return build(info, err, o)
}

// Application asks for the app registration with that appId.
func (c *Client) Application(ctx context.Context, appID string, o Options) (Request, error) {
	info, err := applicationswithappid.NewApplicationsWithAppIdRequestBuilderInternal(c.path(), c.adapter, &appID).
		ToGetRequestInformation(ctx, nil)
	return build(info, err, o)
}

// AssignedTo lists what is assigned to a service principal, by its object id.
func (c *Client) AssignedTo(ctx context.Context, id string, o Options) (Request, error) {
	info, err := serviceprincipals.NewServicePrincipalsRequestBuilderInternal(c.path(), c.adapter).
		ByServicePrincipalId(id).AppRoleAssignedTo().ToGetRequestInformation(ctx, nil)
	return build(info, err, o)
}

func (c *Client) group(id string) *groups.GroupItemRequestBuilder {
	return groups.NewGroupsRequestBuilderInternal(c.path(), c.adapter).ByGroupId(id)
}

// path is new for every request: the SDK's builders write into it.
func (c *Client) path() map[string]string { return map[string]string{"baseurl": c.base} }

func build(info *abstractions.RequestInformation, err error, o Options) (Request, error) {
	return expand(info, err, o.parameters())
}

func buildCast(info *abstractions.RequestInformation, err error, o Options) (Request, error) {
	p, count := o.parameters(), true
	p.Count = &count
	r, err := expand(info, err, p)
	r.eventual = true
	return r, err
}

func (o Options) parameters() options {
	p := options{Select: o.Select}
	if o.Filter != "" {
		p.Filter = &o.Filter
	}
	if o.Top > 0 {
		top := int32(min(o.Top, 999))
		p.Top = &top
	}
	return p
}

func expand(info *abstractions.RequestInformation, err error, p options) (Request, error) {
	if err != nil {
		return Request{}, fmt.Errorf("build the request: %w", err)
	}
	info.AddQueryParameters(p)
	u, err := info.GetUri()
	if err != nil {
		return Request{}, fmt.Errorf("build the address: %w", err)
	}
	return Request{URL: u.String()}, nil
}

// Get sends the request and returns the body of the answer. Errors are those of
// the http.Client, however the SDK wraps them.
func (c *Client) Get(ctx context.Context, r Request) ([]byte, error) {
	u, err := url.Parse(r.URL)
	if err != nil {
		return nil, errors.New("the address of the request cannot be read")
	}
	info := abstractions.NewRequestInformation()
	info.Method = abstractions.GET
	info.SetUri(*u)
	info.Headers.TryAdd("Accept", "application/json")
	if r.eventual {
		info.Headers.TryAdd("ConsistencyLevel", "eventual")
	}
	body, err := c.adapter.SendPrimitive(ctx, info, "[]byte", nil)
	if err != nil {
		return nil, err
	}
	data, _ := body.([]byte) // nil where the answer had no body
	return data, nil
}
