package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/scimsync/scimsync/configs"
	"github.com/scimsync/scimsync/connectors/okta/oktatest"
	"github.com/scimsync/scimsync/connectors/scim/scimtest"
	"github.com/scimsync/scimsync/identity"
)

const examples = "../../configs/"

// example is one of the example configurations, pointed at local servers and
// otherwise as it is.
type example struct {
	*world
	environ []string
}

// newExample starts an Okta org and an application and writes the example with
// their addresses in place of those it names. Each address must be there.
func newExample(t *testing.T, name string, people oktatest.World, application scimtest.Options, addresses map[string]string) *example {
	t.Helper()
	e := newExampleWorld(t, people, application)
	e.environ = append(e.environ, "OKTA_TOKEN="+oktatest.DefaultToken)
	changes := map[string]string{}
	for named, kind := range addresses {
		address := e.url
		if kind == "source" {
			address = e.orgURL
		}
		changes["url: "+named+"\n"] = "url: " + address + "\n"
	}
	e.place(name, changes)
	return e
}

// newExampleWorld starts the servers of an example.
func newExampleWorld(t *testing.T, people oktatest.World, application scimtest.Options) *example {
	t.Helper()
	application.Token, application.LogRequests = scimToken, 1000
	e := &example{world: newWorld(t, withPeople(people), withApplication(func(o *scimtest.Options) { *o = application }))}
	for _, variable := range []string{"SCIM_TOKEN", "ALATION_SCIM_TOKEN", "COLLATE_SCIM_TOKEN"} {
		e.environ = append(e.environ, variable+"="+scimToken)
	}
	return e
}

// place writes the example with the changes that local servers need, each of
// which must find its place, and otherwise as it is.
func (e *example) place(name string, changes map[string]string) {
	e.t.Helper()
	data, err := os.ReadFile(examples + name)
	e.must(err)
	text := string(data)
	for old, changed := range changes {
		if strings.Count(text, old) != 1 {
			e.t.Fatalf("%s holds %d times %q", name, strings.Count(text, old), old)
		}
		text = strings.Replace(text, old, changed, 1)
	}
	e.config = filepath.Join(e.dir, name)
	e.write(name, text)
}

// json runs a verb of the real program with -o json.
func (e *example) json(code int, args ...string) syncJSON {
	e.t.Helper()
	r := e.start(e.environ, append(args, "-o", "json")...).end()
	if r.code != code {
		e.t.Fatalf("%s: want exit %d\n%s", strings.Join(args, " "), code, r)
	}
	var doc planJSON
	e.must(json.Unmarshal([]byte(r.out), &doc))
	if len(doc.Syncs) != 1 {
		e.t.Fatalf("%d syncs", len(doc.Syncs))
	}
	return doc.Syncs[0]
}

// checks demands that check finds nothing to complain of.
func (e *example) checks() {
	e.t.Helper()
	r := e.start(e.environ, "check").end()
	if r.code != exitDone || strings.Contains(r.out, "will not work") {
		e.t.Fatalf("check:\n%s", r)
	}
}

// converges syncs and demands that nothing is left to do.
func (e *example) converges() syncJSON {
	e.t.Helper()
	done := e.json(exitDone, "sync")
	e.unique()
	e.json(exitDone, "plan", "--exit-code")
	return done
}

// names are the names of the changes of one operation and kind, in order.
func (s syncJSON) names(op, kind string) []string {
	var out []string
	for _, c := range s.Changes {
		if c.Op == op && c.Kind == kind {
			out = append(out, c.Name)
		}
	}
	slices.Sort(out)
	return out
}

func (e *example) equal(what string, have, want any) {
	e.t.Helper()
	if fmt.Sprint(have) != fmt.Sprint(want) {
		e.t.Errorf("%s:\nhave %v\nwant %v", what, have, want)
	}
}

// members are the userNames of the members of a group at the application.
func (w *world) members(group string) []string {
	w.t.Helper()
	g, ok := w.application.Find(identity.Group, group)
	if !ok {
		w.t.Fatalf("no group %s", group)
	}
	out := []string{}
	for _, id := range g.Members {
		u, _ := w.application.Find(identity.User, id)
		out = append(out, u.Name)
	}
	slices.Sort(out)
	return out
}

// TestExamplesAreAll demands that every example configuration has a test here.
func TestExamplesAreAll(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(examples + "*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for i := range files {
		files[i] = filepath.Base(files[i])
	}
	tested := []string{
		"backfill-from-file.yaml", "entra-to-alation.yaml", "entra-to-collate.yaml", "okta-to-alation.yaml", "okta-to-collate.yaml",
		"sailpoint-group-sync.yaml", "sailpoint-to-alation.yaml",
	}
	for _, file := range files {
		// example.yaml shows every key, also those that exclude each other, so
		// it is only loaded.
		if file != "example.yaml" && !slices.Contains(tested, file) {
			t.Errorf("%s is an example without a test", file)
		}
	}
}

// TestExamplesLoad reads the examples as they are, with the real types.
func TestExamplesLoad(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(examples + "*.yaml")
	if err != nil || len(files) < 8 {
		t.Fatalf("examples: %v, %v", files, err)
	}
	for _, file := range files {
		cfg, err := configs.Load(file, registry())
		switch {
		case err != nil:
			t.Errorf("%v", err)
		case len(cfg.Syncs) == 0 || len(cfg.Warnings) > 0:
			t.Errorf("%s: %d syncs, warnings %v", file, len(cfg.Syncs), cfg.Warnings)
		}
	}
}

func TestExampleOktaToAlation(t *testing.T) {
	t.Parallel()
	people := oktatest.World{
		Users: []oktatest.User{
			oktatest.Person("00u1", "ada@example.com", "Ada", "Archer"),
			oktatest.Person("00u2", "bo@example.com", "Bo", "Berg"),
			oktatest.Person("00u3", "cy@example.com", "Cy", "Cole"),
			oktatest.Person("00u4", "admin@example.com", "Break", "Glass"),
			oktatest.Person("00u5", "out@example.com", "Not", "Assigned"),
		},
		Groups: []oktatest.Group{
			oktatest.Team("00g1", "Alation - Stewards", "00u1", "00u2", "00u5"),
			oktatest.Team("00g2", "Elsewhere", "00u1", "00u5"),
		},
		Apps: []oktatest.App{{
			ID: "0oa1example", Label: "Alation", Groups: []string{"00g1"},
			Users: []oktatest.AppUser{{ID: "00u3"}, {ID: "00u4"}},
		}},
	}
	people.Apps[0].Groups = []string{"00g1"}
	e := newExample(t, "okta-to-alation.yaml", people, scimtest.Options{Lenient: true}, map[string]string{
		"https://acme.okta.com": "source", "https://acme.alationcloud.com/scim/v2": "target",
	})
	// The account to get in with exists, and somebody manages it by hand.
	_, err := e.application.Put(identity.User, map[string]any{"userName": "admin@example.com", "displayName": "By hand"})
	e.must(err)
	e.checks()
	plan := e.json(exitDone, "plan")
	e.equal("people", plan.names("create", "user"), []string{"ada@example.com", "bo@example.com", "cy@example.com", "out@example.com"})
	e.equal("groups", plan.names("create", "group"), []string{"Alation - Stewards"})
	e.converges()
	e.equal("members", e.members("Alation - Stewards"), []string{"ada@example.com", "bo@example.com", "out@example.com"})
	e.equal("the protected account", e.user("admin@example.com")["displayName"], "By hand")

	// Somebody leaves the app: the account is suspended, the group stays.
	e.must(e.org.RemoveMember("00g1", "00u2"))
	done := e.converges()
	e.equal("suspended", done.names("deactivate", "user"), []string{"bo@example.com"})
	bo, _ := e.application.Find(identity.User, "bo@example.com")
	e.equal("bo is active", bo.Active, false)
}

func TestExampleOktaToCollate(t *testing.T) {
	t.Parallel()
	staged := oktatest.Person("00u3", "cy@example.com", "Cy", "Cole")
	staged.Status = oktatest.Staged
	people := oktatest.World{
		Users: []oktatest.User{
			oktatest.Person("00u1", "ada@example.com", "Ada", "Archer"),
			oktatest.Person("00u2", "bo@example.com", "Bo", "Berg"),
			staged,
			oktatest.Person("00u4", "di@example.com", "Di", "Dahl"),
		},
		Groups: []oktatest.Group{
			oktatest.Team("00g1", "OM_Finance", "00u1", "00u3"),
			oktatest.Team("00g2", "Collate_Stewards", "00u1", "00u2"),
			oktatest.Team("00g3", "Sales", "00u1", "00u2"),
			oktatest.Team("00g4", "x OM_Almost", "00u1"),
			oktatest.Team("00g5", "Organization", "00u1"),
		},
	}
	application := scimtest.Options{BasePath: "/api/v1/scim", Lenient: true}
	e := newExample(t, "okta-to-collate.yaml", people, application, map[string]string{
		"https://acme.okta.com": "source", "https://acme.getcollate.io/api/v1/scim": "target",
	})
	// A team that stood somewhere in the tree before: with an externalId of
	// its own and a member nobody in Okta knows.
	zoe, err := e.application.Put(identity.User, map[string]any{"userName": "zoe@example.com"})
	e.must(err)
	_, err = e.application.Put(identity.Group, map[string]any{
		"displayName": "OM_Finance", "externalId": "team-in-the-tree", "members": []map[string]any{{"value": zoe}},
	})
	e.must(err)
	e.checks()
	plan := e.json(exitDone, "plan")
	e.equal("people", plan.names("create", "user"), []string{"ada@example.com", "bo@example.com", "di@example.com"})
	e.equal("new teams", plan.names("create", "group"), []string{"Collate_Stewards"})
	e.equal("existing teams", plan.names("adopt", "group"), []string{"OM_Finance"})
	e.converges()
	e.equal("members of the new team", e.members("Collate_Stewards"), []string{"ada@example.com", "bo@example.com"})
	// Of the existing team only the members are ours, and only those of ours.
	e.equal("members of the existing team", e.members("OM_Finance"), []string{"ada@example.com", "zoe@example.com"})
	team := func() any {
		g, ok := e.application.Find(identity.Group, "OM_Finance")
		return fmt.Sprint(ok, " ", g.Name, " ", g.ExternalID)
	}
	e.equal("the existing team", team(), "true OM_Finance team-in-the-tree")

	// Renamed, moved and deleted at the source: members follow, the team stays.
	e.must(e.org.UpdateGroup("00g1", map[string]any{"name": "OM_Finance and Tax"}))
	e.must(e.org.AddMember("00g1", "00u4"))
	done := e.converges()
	e.equal("updates", done.names("update", "group"), []string(nil))
	e.equal("members of the renamed team", e.members("OM_Finance"), []string{"ada@example.com", "di@example.com", "zoe@example.com"})
	e.equal("the renamed team", team(), "true OM_Finance team-in-the-tree")
	e.must(e.org.DeleteGroup("00g1"))
	e.converges()
	e.equal("the deleted team", team(), "true OM_Finance team-in-the-tree")
	for _, g := range e.application.Groups() {
		if !slices.Contains([]string{"OM_Finance", "Collate_Stewards"}, g.Name) {
			t.Errorf("group %s is not of the prefixes", g.Name)
		}
	}
}

func TestExampleBackfillFromFile(t *testing.T) {
	t.Parallel()
	e := newExample(t, "backfill-from-file.yaml", oktatest.Synthetic(1, 0, 0, 1), scimtest.Options{}, map[string]string{
		"https://app.example.com/scim/v2": "target",
	})
	e.must(os.CopyFS(filepath.Join(e.dir, "export"), os.DirFS("../../testdata/worlds/small")))
	e.checks()
	plan := e.json(exitDone, "plan")
	e.equal("create", fmt.Sprint(plan.Summary.Users.Create, " ", plan.Summary.Groups.Create), "11 4")
	e.converges()
	e.equal("a nested group", e.members("OM_Everyone in Data")[0], "ada.archer@example.com")

	// The export shrinks, and somebody joins a group by hand: nothing is ever
	// taken away.
	before, _, memberships := e.application.Counts()
	users := linesOf(t, filepath.Join(e.dir, "export", "users.jsonl"))
	e.write("export/users.jsonl", strings.Join(users[:len(users)/2], ""))
	e.json(exitDone, "sync")
	after, groups, left := e.application.Counts()
	e.equal("people, groups, memberships", []int{after, groups, left}, []int{before, 4, memberships})
	for _, u := range e.application.Users() {
		if !u.Active {
			t.Errorf("%s was deactivated", u.Name)
		}
	}
}

func linesOf(t *testing.T, path string) []string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return slices.Collect(strings.Lines(string(data)))
}
