package main

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/scimsync/scimsync/connectors/okta/oktatest"
	"github.com/scimsync/scimsync/connectors/sailpoint/sailpointtest"
	"github.com/scimsync/scimsync/connectors/scim/scimtest"
	"github.com/scimsync/scimsync/identity"
)

const (
	sailpointSecret = "canary-sailpoint-secret-0123456789"
	mailPassword    = "canary-mail-password-0123456789"
)

// newSailPointExample starts a tenant and writes the example for it. Changes are
// those that other servers need.
func newSailPointExample(t *testing.T, name string, w sailpointtest.World, changes func(e *example) map[string]string) (*example, *sailpointtest.Server) {
	t.Helper()
	e := newExampleWorld(t, oktatest.Synthetic(1, 0, 0, 1), scimtest.Options{Lenient: true})
	w.Sources = []sailpointtest.Connection{sailpointtest.Directory()}
	tenant, err := sailpointtest.New(w)
	e.must(err)
	tenant.Register(sailpointtest.Client{ID: "0123456789abcdef0123456789abcdef", Secret: sailpointSecret})
	url, err := tenant.Start("127.0.0.1:0")
	e.must(err)
	t.Cleanup(func() { tenant.Close() })
	e.environ = append(e.environ, "SAILPOINT_SECRET="+sailpointSecret, "SMTP_PASSWORD="+mailPassword, "HOOK_TOKEN=canary-hook-token-0123456789")
	all := map[string]string{
		"url: https://acme.api.identitynow.com\n":      "url: " + url + "\n",
		"url: https://acme.alationcloud.com/scim/v2\n": "url: " + e.url + "\n",
	}
	if changes != nil {
		maps.Copy(all, changes(e))
	}
	e.place(name, all)
	return e, tenant
}

func TestExampleSailPointToAlation(t *testing.T) {
	t.Parallel()
	stewards, finance := sailpointtest.DN("Alation - Stewards", "Groups"), sailpointtest.DN("Finance", "Groups")
	leaver := sailpointtest.Person("ac3", "cy@example.com", "Cy", "Cole", stewards)
	w := sailpointtest.World{
		Entitlements: []sailpointtest.Entitlement{
			sailpointtest.Group("en1", "Alation - Stewards", stewards),
			sailpointtest.Group("en2", "Finance", finance),
		},
		Accounts: []sailpointtest.Account{
			sailpointtest.Person("ac1", "ada@example.com", "Ada", "Archer", stewards, finance),
			sailpointtest.Person("ac2", "bo@example.com", "Bo", "Berg", stewards),
			leaver,
			sailpointtest.Person("ac4", "admin@example.com", "Break", "Glass"),
		},
	}
	e, tenant := newSailPointExample(t, "sailpoint-to-alation.yaml", w, nil)
	_, err := e.application.Put(identity.User, map[string]any{"userName": "admin@example.com", "displayName": "By hand"})
	e.must(err)
	e.checks()
	plan := e.json(exitDone, "plan")
	e.equal("people", plan.names("create", "user"), []string{"ada@example.com", "bo@example.com", "cy@example.com"})
	e.equal("groups", plan.names("create", "group"), []string{"Alation - Stewards"})
	e.converges()
	e.equal("members", e.members("Alation - Stewards"), []string{"ada@example.com", "bo@example.com", "cy@example.com"})
	e.equal("the protected account", e.user("admin@example.com")["displayName"], "By hand")

	// The identity leaves, by its state of life alone; a group is renamed and
	// moved; somebody leaves it.
	e.must(tenant.UpdateAccount("ac3", func(a *sailpointtest.Account) { a.CloudLifecycleState = "inactive" }))
	e.must(tenant.RenameEntitlement("en1", "Alation - Data stewards", sailpointtest.DN("Alation - Data stewards", "Moved")))
	e.must(tenant.Revoke("en1", "ac2"))
	done := e.converges()
	e.equal("suspended", done.names("deactivate", "user"), []string{"cy@example.com"})
	e.equal("renamed", done.names("update", "group"), []string{"Alation - Data stewards"})
	e.equal("new groups", done.names("create", "group"), []string(nil))
	// Memberships of people who are inactive are left as they are.
	e.equal("members afterwards", e.members("Alation - Data stewards"), []string{"ada@example.com", "cy@example.com"})
}

// TestExampleSailPointGroupSync runs the workflow as it is written, with mail
// that arrives at a real mail server.
func TestExampleSailPointGroupSync(t *testing.T) {
	t.Parallel()
	// One page of entitlements holds 250.
	const groups = 251
	odd := `Finance "EMEA" \ O'Brien, Łódź`
	w := sailpointtest.World{Accounts: []sailpointtest.Account{sailpointtest.Person("ac1", "ada@example.com", "Ada", "Archer")}}
	for i := range groups - 2 {
		name := fmt.Sprintf("Group %03d", i)
		w.Entitlements = append(w.Entitlements, sailpointtest.Group(fmt.Sprintf("en%03d", i), name, sailpointtest.DN(name, "Groups")))
	}
	w.Entitlements = append(
		w.Entitlements,
		sailpointtest.Group("en900", odd, sailpointtest.DN("odd", "Groups")),
		sailpointtest.Group("en901", "Legal", sailpointtest.DN("Legal", "Groups")),
	)
	var box *postbox
	e, tenant := newSailPointExample(t, "sailpoint-group-sync.yaml", w, func(e *example) map[string]string {
		box = e.newLockedPostbox("scimsync", mailPassword, "mail-ca.pem")
		return map[string]string{"smtp: smtp.example.com:587\n": "smtp: " + box.addr + "\n    ca_file: mail-ca.pem\n"}
	})
	_, err := e.application.Put(identity.Group, map[string]any{"displayName": "Legal"})
	e.must(err)
	e.checks()
	plan := e.json(exitDone, "plan")
	e.equal("to be created", len(plan.names("create", "group")), groups-1)
	if len(box.mails(t)) > 0 {
		t.Error("a plan sent mail")
	}
	e.converges()
	users, have, memberships := e.application.Counts()
	e.equal("users, groups, memberships", []int{users, have, memberships}, []int{0, groups, 0})
	if _, ok := e.application.Find(identity.Group, odd); !ok {
		t.Errorf("no group %s", odd)
	}
	told := box.one(t, 0)
	e.equal("from", told.from, "scimsync@example.com")
	e.equal("to", told.to, []string{"stewards@example.com"})
	for _, want := range []string{"250 groups created", "1 group exists already"} {
		if !strings.Contains(told.body, want) {
			t.Errorf("the mail %q does not say %s:\n%s", told.subject, want, told.body)
		}
	}

	// A second run makes nothing and tells nothing; a renamed group stays one.
	e.must(tenant.RenameEntitlement("en000", "Group zero", sailpointtest.DN("Group zero", "Moved")))
	done := e.converges()
	e.equal("renamed", done.names("update", "group"), []string{"Group zero"})
	_, have, _ = e.application.Counts()
	e.equal("groups afterwards", have, groups)
	if more := box.mails(t)[1:]; len(more) > 0 {
		t.Errorf("%d mails more, the first %q", len(more), more[0].subject)
	}

	// The group that somebody else made is taken over, as the page on replacing
	// the workflow has it: for one run, and with its externalId alone.
	e.edit("existing: notify", "existing: adopt")
	plan = e.json(exitDone, "plan")
	e.equal("adopted", plan.names("adopt", "group"), []string{"Legal"})
	e.equal("changes", len(plan.Changes), 1)
	e.converges()
	e.edit("existing: adopt", "existing: notify")
	e.must(tenant.RenameEntitlement("en901", "Legal and tax", sailpointtest.DN("Legal and tax", "Groups")))
	e.equal("renamed", e.converges().names("update", "group"), []string{"Legal and tax"})
	legal, _ := e.application.Find(identity.Group, "Legal and tax")
	e.equal("its externalId", legal.ExternalID, "en901")
	_, have, _ = e.application.Counts()
	e.equal("groups at the end", have, groups)
	e.equal("mails at the end", len(box.mails(t)), 1)
}

// edit changes the configuration as somebody with an editor would.
func (e *example) edit(old, changed string) {
	e.t.Helper()
	data, err := os.ReadFile(e.config)
	e.must(err)
	if !strings.Contains(string(data), old) {
		e.t.Fatalf("%s does not hold %q", e.config, old)
	}
	e.write(filepath.Base(e.config), strings.Replace(string(data), old, changed, 1))
}
