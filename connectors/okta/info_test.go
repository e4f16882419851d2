package okta_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/scimsync/scimsync/connectors"
	"github.com/scimsync/scimsync/connectors/okta/oktatest"
)

func TestInfo(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		app    string
		denied []string
		notes  []string // parts, in order
		delta  string   // why not; empty: it can
	}{
		{name: "whole org"},
		{name: "app", app: "0oa1", notes: []string{`assigned to app "Catalog"`}},
		{name: "no permission to see groups", denied: []string{"/api/v1/groups"}, notes: []string{"groups cannot be listed"}},
		{
			name: "app without permission to see it", app: "0oa1", denied: []string{"/api/v1/apps/0oa1", "/api/v1/apps/0oa1/users"},
			notes: []string{"cannot be read", "users of app 0oa1 cannot be listed"},
		},
		{name: "no permission to see the log", denied: []string{"/api/v1/logs"}, delta: "entries of the System Log cannot be read: give the administrator"},
		{
			name: "app without permission to see users", app: "0oa1", denied: []string{"/api/v1/users"},
			notes: []string{`assigned to app "Catalog"`, "cannot be told from deleted ones"}, delta: "users cannot be listed",
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			server, settings := org(t, appWorld())
			settings.App = test.app
			for _, path := range test.denied {
				server.Inject(oktatest.Fault{ID: path, MinFires: 1, Match: oktatest.Path(path), Effect: oktatest.Effect{Status: http.StatusForbidden, Code: "E0000006"}})
			}
			info, err := open(t, settings).Info(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			host := strings.TrimPrefix(settings.URL, "http://")
			if info.Identity != "Okta org "+host+" as API token of p000@example.com" {
				t.Errorf("info = %+v", info)
			}
			if info.Delta != (test.delta == "") || info.Delta != (info.DeltaReason == "") || !strings.Contains(info.DeltaReason, test.delta) {
				t.Errorf("delta is %t because of %q, want %q", info.Delta, info.DeltaReason, test.delta)
			}
			if len(info.Notes) != len(test.notes) {
				t.Fatalf("notes = %q, want %d", info.Notes, len(test.notes))
			}
			for i, part := range test.notes {
				if !strings.Contains(info.Notes[i], part) {
					t.Errorf("note %q does not say %q", info.Notes[i], part)
				}
			}
			fired(t, server)
		})
	}
}

func TestInfoWithARefusedToken(t *testing.T) {
	t.Parallel()
	_, settings := org(t, appWorld())
	settings.Token = secret(t, "canary-token")
	_, err := open(t, settings).Info(t.Context())
	if connectors.ClassOf(err) != connectors.Unauthorized || strings.Contains(err.Error(), "canary") {
		t.Errorf("%v, want class unauthorized and no token", err)
	}
}
