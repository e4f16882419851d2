package main

import (
	"fmt"
	"net/http"

	"github.com/scimsync/scimsync/connectors/entra/entratest"
	"github.com/scimsync/scimsync/connectors/okta/oktatest"
	"github.com/scimsync/scimsync/connectors/sailpoint/sailpointtest"
)

// provider is the kind of source that is read.
type provider struct {
	name string
	// settings are its keys in the configuration, below type; URL stands for
	// its address and source.secret is the file with secret in it.
	settings, secret string
	// title is the expression that a person's title comes from.
	title string
	// scope is a key of groups, or "".
	scope string
	// pages and groupPages are the sizes of its pages; members says that it
	// is asked once for the members of each group, and extra counts the
	// requests that have to be made besides.
	pages, groupPages int
	members           bool
	extra             int
	// follows says that it tells what has changed.
	follows bool
	// floor says that the bare client can read it.
	floor bool
	serve func(w world) (*identities, error)
}

// identities is a served provider.
type identities struct {
	http.Handler
	requests func() map[string]int
	reset    func()
	// retitle gives a person another title.
	retitle func(id, title string) error
}

// providers are those that can be measured; the first is what is measured where
// nothing else is said.
func providers() []provider {
	client := sailpointtest.DefaultClient()
	return []provider{
		{
			name: "okta", settings: "url: URL\n    token: {file: source.secret}", secret: oktatest.DefaultToken,
			title: "profile.title", scope: `scope: type == "OKTA_GROUP"`,
			pages: sourcePage, groupPages: groupPage, members: true, follows: true, floor: true,
			serve: serveOkta,
		},
		{
			name:     "entra",
			settings: "tenant: " + entratest.DefaultTenant + "\n    url: URL\n    credential: {kind: static_token, token: {file: source.secret}}",
			secret:   entratest.DefaultToken, title: "jobTitle",
			pages: sourcePage, groupPages: groupPage, follows: true,
			serve: serveEntra,
		},
		{
			name: "sailpoint",
			settings: "url: URL\n    client_id: " + client.ID + "\n    client_secret: {file: source.secret}\n    source: " +
				sailpointtest.DirectoryName,
			secret: client.Secret, title: "attributes.title", pages: 250, groupPages: 250,
			extra: 2, // a token, and the source that is meant
			serve: serveSailPoint,
		},
	}
}

func providerOf(name string) (provider, error) {
	for _, p := range providers() {
		if p.name == name {
			return p, nil
		}
	}
	return provider{}, fmt.Errorf("-from takes okta, entra or sailpoint, not %q", name)
}

// everything is the fewest requests that read all objects, without members.
func (p provider) everything(w world) int {
	return p.extra + pages(w.users, p.pages) + pages(w.groups, p.groupPages)
}

// cold is everything and the members.
func (p provider) cold(w world) int {
	if p.members {
		return p.everything(w) + w.groups*pages(w.memberships/w.groups, p.pages)
	}
	return p.everything(w)
}

// changes is the fewest requests that tell what has changed.
func (p provider) changes(w world) int {
	if p.follows {
		return 1
	}
	return p.everything(w)
}

func serveOkta(w world) (*identities, error) {
	org, err := oktatest.New(oktatest.Synthetic(w.users, w.groups, w.memberships, 1))
	if err != nil {
		return nil, err
	}
	return &identities{
		Handler: org, requests: org.Requests, reset: org.ResetRequests,
		retitle: func(id, title string) error { return org.UpdateUser(id, map[string]any{"title": title}) },
	}, nil
}

func serveEntra(w world) (*identities, error) {
	tenant, err := entratest.New(entratest.Synthetic(w.users, w.groups, w.memberships, 1))
	if err != nil {
		return nil, err
	}
	return &identities{
		Handler: tenant, requests: tenant.Requests, reset: tenant.ResetRequests,
		retitle: func(id, title string) error { return tenant.UpdateUser(id, map[string]any{"jobTitle": title}) },
	}, nil
}

func serveSailPoint(w world) (*identities, error) {
	tenant, err := sailpointtest.New(sailpointtest.Synthetic(w.users, w.groups, w.memberships, 1))
	if err != nil {
		return nil, err
	}
	return &identities{
		Handler: tenant, requests: tenant.Requests, reset: tenant.ResetRequests,
		retitle: func(id, title string) error {
			return tenant.UpdateAccount(id, func(a *sailpointtest.Account) { a.Attributes["title"] = title })
		},
	}, nil
}
