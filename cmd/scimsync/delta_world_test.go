package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/scimsync/scimsync/connectors/entra/entratest"
	"github.com/scimsync/scimsync/connectors/scim/scimtest"
)

// tenancy is an Entra tenant, a SCIM application and a configuration that joins
// them by delta cycles.
type tenancy struct {
	*world

	tenant    *entratest.Server
	tenantURL string
	target    string // further keys of the target
	syncs     string
	assigned  string // appId of the application whose assignments count
}

// following reads changes between full cycles, and lets no guard stand in the way.
const following = `full: "0 3 * * *"
users:
  map:
    urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.value: {value: officeLocation, reference: user}
groups: {include: ["OM_*"], leavers: delete}
guards: {users: {max: 1000, share: 100%}, groups: {max: 1000, share: 100%}, memberships: {max: 10000, share: 100%}, floor: 1000}
`

func newTenancy(t *testing.T, w entratest.World, sync string) *tenancy {
	t.Helper()
	d := &tenancy{world: &world{t: t, dir: t.TempDir()}}
	var err error
	d.tenant, err = entratest.New(w)
	d.must(err)
	d.tenantURL, err = d.tenant.Start("127.0.0.1:0")
	d.must(err)
	t.Cleanup(func() { d.tenant.Close() })
	d.application, err = scimtest.New(scimtest.Options{Token: scimToken, LogRequests: 5000, SharedGroupNames: true})
	d.must(err)
	var stop func()
	d.url, stop = d.application.Start()
	t.Cleanup(stop)
	d.config = filepath.Join(d.dir, "scimsync.yaml")
	d.write("entra.token", entratest.DefaultToken)
	d.write("scim.token", scimToken)
	d.follow(sync)
	return d
}

// follow configures one sync.
func (d *tenancy) follow(sync string) {
	d.t.Helper()
	d.followAll("  main:\n    from: entra\n    to: app\n" + indent(4, sync))
}

// followAll configures syncs, and a second target that the same server plays.
func (d *tenancy) followAll(syncs string) {
	d.t.Helper()
	d.syncs = syncs
	assigned := ""
	if d.assigned != "" {
		assigned = "    assigned_to: " + d.assigned + "\n"
	}
	d.write("scimsync.yaml", fmt.Sprintf(`version: 1
state: scimsync.db
sources:
  entra:
    type: entra
    tenant: %s
    url: %s
    credential: {kind: static_token, token: {file: entra.token}}
%stargets:
  app:
    type: scim
    url: %s
    auth: {bearer: {file: scim.token}}
%ssyncs:
%s`, entratest.DefaultTenant, d.tenantURL, assigned, d.url, indent(4, d.target), syncs))
}

// delta runs a sync that must read changes only.
func (d *tenancy) delta(code int, args ...string) syncJSON {
	d.t.Helper()
	got := d.sync(code, args...)
	if got.Cycle != "delta" {
		d.t.Fatalf("the cycle was %s, want delta", got.Cycle)
	}
	return got
}

// agrees demands that a full cycle would change nothing. It runs on a copy of the
// state, so that what it reads mends nothing for the cycles to come.
func (d *tenancy) agrees() {
	d.t.Helper()
	if problem := d.disagrees(); problem != "" {
		d.t.Fatal(problem)
	}
}

func (d *tenancy) disagrees() string {
	d.t.Helper()
	dir := d.t.TempDir()
	names, err := filepath.Glob(filepath.Join(d.dir, "*"))
	d.must(err)
	for _, name := range names {
		if strings.Contains(name, ".lock.") {
			continue
		}
		from, err := os.Open(name)
		d.must(err)
		to, err := os.OpenFile(filepath.Join(dir, filepath.Base(name)), os.O_CREATE|os.O_WRONLY, 0o600)
		d.must(err)
		_, err = io.Copy(to, from)
		d.must(err)
		d.must(from.Close())
		d.must(to.Close())
	}
	copied := &world{t: d.t, dir: dir, config: filepath.Join(dir, "scimsync.yaml")}
	r := copied.command("plan", "--full", "-o", "json")
	var doc planJSON
	if err := json.Unmarshal([]byte(r.out), &doc); err != nil {
		return r.String()
	}
	if len(doc.Syncs) != 1 || doc.Syncs[0].Cycle != "full" || len(doc.Syncs[0].Changes)+len(doc.Syncs[0].Held) > 0 {
		return "a full cycle would change something: " + r.String()
	}
	return ""
}

// thereAtAll is what a delta cycle asks the application that has nothing else to
// ask: whether it answers, and takes the credential.
const thereAtAll = 1

// asked returns how many requests the application and the tenant got since the
// last call.
func (d *tenancy) asked() (int, int) {
	target, source := len(d.application.Log()), d.tenant.Total()
	d.application.ResetRequests()
	d.tenant.ResetRequests()
	return target, source
}

// crew are five people and their groups.
func crew() entratest.World {
	person := func(n int, name, last string) entratest.User {
		return entratest.Person(entraID(n), name+"@example.com", strings.ToUpper(name[:1])+name[1:], last)
	}
	return entratest.World{
		Users: []entratest.User{
			person(1, "ada", "Archer"), person(2, "bo", "Berg"), person(3, "cy", "Cole"), person(4, "di", "Dahl"), person(5, "ed", "Egan"),
		},
		Groups: []entratest.Group{
			entratest.Team(entraID(11), "OM_Red", entraID(1), entraID(2), entraID(3)),
			entratest.Team(entraID(12), "OM_Blue", entraID(4), entraID(13)),
			entratest.Team(entraID(13), "Inner", entraID(5)),
			entratest.Team(entraID(14), "OM_Empty"),
		},
		Apps: []entratest.App{{
			ID: entraID(21), AppID: entraID(22), Name: "Catalog", Assigned: []string{entraID(11), entraID(12), entraID(4)},
		}},
	}
}

// read returns a file beside the configuration.
func (d *tenancy) read(name string) string {
	d.t.Helper()
	data, err := os.ReadFile(filepath.Join(d.dir, name))
	d.must(err)
	return string(data)
}

func decode(from io.Reader, into any) error { return json.NewDecoder(from).Decode(into) }
