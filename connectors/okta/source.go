package okta

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"net/url"
	"slices"
	"strings"

	"github.com/scimsync/scimsync/connectors"
	"github.com/scimsync/scimsync/connectors/internal/rest"
	"github.com/scimsync/scimsync/identity"
)

// Source reads one Okta org. It is safe for concurrent use.
type Source struct {
	settings Settings
	base     *url.URL
	client   *client
}

var _ connectors.Source = (*Source)(nil)

// Open returns a source for settings that Validate finds nothing wrong with. It
// reads no secret and does not connect. Pacing, retries and the one fresh
// credential after a 401 happen below it.
func Open(s Settings, rt connectors.Runtime) (*Source, error) {
	if mistakes := s.Validate(); len(mistakes) > 0 {
		return nil, fmt.Errorf("okta: %w", mistakes[0])
	}
	base, err := url.Parse(s.URL)
	if err != nil {
		return nil, fmt.Errorf("okta: url: %w", err)
	}
	base = &url.URL{Scheme: base.Scheme, Host: base.Host}
	var auth rest.Auth
	if s.PrivateKey == nil {
		auth = rest.Header("SSWS", s.Token)
	} else {
		endpoint := rest.JoinPath(base, "oauth2", "v1", "token")
		tokens, err := rest.NewTokenClient(endpoint, s.HTTP)
		if err != nil {
			return nil, fmt.Errorf("okta: %w", err)
		}
		auth = newServiceApp(base, *s.PrivateKey, tokens)
	}
	transport, err := rest.NewClient(rest.Config{
		Base: base, Auth: auth, HTTP: s.HTTP, Decode: decodeFailure, Reset: rateReset, MaxBody: maxBody, UTF8: true, Runtime: rt,
		Limits: connectors.Limits{RequestsPerSecond: s.Limits.RequestsPerSecond, Concurrency: s.Limits.Concurrency},
	})
	if err != nil {
		return nil, fmt.Errorf("okta: %w", err)
	}
	return &Source{settings: s, base: base, client: newClient(base, transport, rt.UserAgent)}, nil
}

// Read yields what q asks for, with a request in flight ahead of the caller. An
// error has class Unauthorized where the credential is refused, Expired where the
// cursor no longer serves or a full read is the cheaper one, and Incomplete
// otherwise. A full read returns no cursor where the System Log cannot be read.
func (s *Source) Read(ctx context.Context, q connectors.Query) iter.Seq2[connectors.Event, error] {
	return func(yield func(connectors.Event, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		r := &reading{Source: s, query: q}
		r.emit = func(e connectors.Event) error {
			if !yield(e, nil) {
				r.stopped = true
				return errStopped
			}
			if _, ok := e.(connectors.Upsert); ok {
				r.found++
			}
			return nil
		}
		err := r.run(ctx)
		if r.stopped {
			return
		}
		var end connectors.Checkpoint
		if err == nil {
			end, err = r.checkpoint()
		}
		if err != nil {
			yield(nil, whole(err))
			return
		}
		yield(end, nil)
	}
}

// whole classes an error that ends a read: whatever became of one request, the
// read is incomplete, unless nobody will get further with this credential.
func whole(err error) error {
	switch class := connectors.ClassOf(err); class {
	case connectors.Unauthorized, connectors.Expired, connectors.Incomplete:
		return err
	default:
		out := &connectors.Error{Class: connectors.Incomplete, Err: err}
		if inner := asError(err); inner != nil {
			out.Code, out.RetryAfter = inner.Code, inner.RetryAfter
		}
		return out
	}
}

// Info asks Okta who we are and tries what a read will need.
func (s *Source) Info(ctx context.Context) (connectors.SourceInfo, error) {
	var info connectors.SourceInfo
	who, err := s.whoami(ctx)
	if err != nil {
		return connectors.SourceInfo{}, err
	}
	info.Identity = "Okta org " + s.base.Host + " as " + who
	var probes []probe
	if s.settings.App == "" {
		probes = []probe{
			{"/api/v1/users?limit=1", "users cannot be listed", "okta.users.read"},
			{"/api/v1/groups?limit=1", "groups cannot be listed", "okta.groups.read"},
		}
	} else {
		label, err := s.app(ctx)
		if err != nil {
			return connectors.SourceInfo{}, err
		}
		info.Notes = append(info.Notes, label)
		app := "/api/v1/apps/" + segment(s.settings.App)
		probes = []probe{
			{app + "/users?limit=1", "users of app " + s.settings.App + " cannot be listed", "okta.apps.read"},
			{app + "/groups?limit=20", "groups of app " + s.settings.App + " cannot be listed", "okta.apps.read"},
			{"/api/v1/groups?limit=1", "members of groups cannot be read", "okta.groups.read"},
			{"/api/v1/users?limit=1", "people who left the app cannot be told from deleted ones", "okta.users.read"},
		}
	}
	for _, p := range probes {
		note, err := s.try(ctx, p)
		if err != nil {
			return connectors.SourceInfo{}, err
		}
		if note != "" {
			info.Notes = append(info.Notes, note)
		}
	}
	if _, info.DeltaReason, err = s.mark(ctx); err != nil {
		return connectors.SourceInfo{}, err
	}
	info.Delta = info.DeltaReason == ""
	return info, nil
}

// whoami names the credential and proves that it is accepted.
func (s *Source) whoami(ctx context.Context) (string, error) {
	if key := s.settings.PrivateKey; key != nil {
		return "service app " + key.ClientID, nil // proved by what is tried next
	}
	var me wireUser
	_, err := s.client.object(ctx, "/api/v1/users/me", &me)
	switch connectors.ClassOf(err) {
	case connectors.Forbidden, connectors.Missing:
		return "API token", nil
	}
	if err != nil {
		return "", rest.Wrap("check the credential", identity.Ref{}, err)
	}
	profile, _ := me.Profile.(map[string]any)
	return "API token of " + cmp.Or(text(profile["login"]), "user "+userID(me)), nil
}

// probe is a request whose refusal is worth a note.
type probe struct{ target, lost, scope string }

func (s *Source) try(ctx context.Context, p probe) (string, error) {
	_, err := s.client.get(ctx, p.target)
	if connectors.ClassOf(err) == connectors.Forbidden {
		return p.lost + ": " + s.grant(p.scope), nil
	}
	return "", rest.Wrap("check permissions", identity.Ref{}, err)
}

// grant says how to permit what a scope permits.
func (s *Source) grant(scope string) string {
	key := s.settings.PrivateKey
	if key == nil {
		return "give the administrator who owns the API token a role that may read them"
	}
	list := "list it in scopes if scopes is set"
	if usual := defaultScopes(); len(key.Scopes) == 0 && !slices.Contains(usual, scope) {
		list = "set private_key.scopes to [" + strings.Join(append(usual, scope), ", ") + "]"
	}
	return "grant scope " + scope + " to the service app, " + list + ", and give the app an admin role"
}

// app proves that the app of the settings exists and describes it.
func (s *Source) app(ctx context.Context) (string, error) {
	var a struct {
		Label  any `json:"label"`
		Status any `json:"status"`
	}
	_, err := s.client.object(ctx, "/api/v1/apps/"+segment(s.settings.App), &a)
	switch connectors.ClassOf(err) {
	case connectors.Missing:
		return "", &connectors.Error{Class: connectors.Rejected, Op: "find app " + s.settings.App, Err: fmt.Errorf("there is no such app in this org: set app to the id of one (%w)", err)}
	case connectors.Forbidden:
		return "app " + s.settings.App + " cannot be read: grant scope okta.apps.read, or a role that may read apps", nil
	}
	if err != nil {
		return "", rest.Wrap("find app "+s.settings.App, identity.Ref{}, err)
	}
	note := fmt.Sprintf("only users and groups assigned to app %q are read", text(a.Label))
	if status := text(a.Status); status != "" && status != "ACTIVE" {
		note += "; the app is " + strings.ToLower(status) + ", so that deactivated people stay assigned to it"
	}
	return note, nil
}
