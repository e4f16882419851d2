package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/scimsync/scimsync/connectors/sailpoint/sailpointtest"
	"github.com/scimsync/scimsync/connectors/scim/scimtest"
)

// groupSync is a SailPoint tenant, a SCIM application, a mail server and a
// configuration that joins them, as in place of a hand-made workflow.
type groupSync struct {
	*world
	tenant *sailpointtest.Server
	post   *postbox
	config groupSyncConfig
}

// groupSyncConfig is what differs between the configurations of these tests; keys
// are written as in a file, beginning in the first column.
type groupSyncConfig struct {
	source, target, sync, notify string
	// application is how the application behaves.
	application scimtest.Options
}

// workflow is the group-sync workflow: groups alone, existing ones left alone and
// told about.
const workflow = `users: off
groups: {members: off, matching: {existing: notify}, leavers: keep}
`

func newGroupSync(t *testing.T, people sailpointtest.World, change func(*groupSyncConfig)) *groupSync {
	t.Helper()
	g := &groupSync{world: &world{t: t, dir: t.TempDir()}, post: newPostbox(t)}
	var err error
	g.tenant, err = sailpointtest.New(people)
	g.must(err)
	_, err = g.tenant.Start("127.0.0.1:0")
	g.must(err)
	t.Cleanup(func() { g.tenant.Close() })
	g.config = groupSyncConfig{
		sync: workflow, notify: "{to: [stewards], events: [group_created, group_exists, failed]}",
		application: scimtest.Options{Token: scimToken, LogRequests: 5000, Lenient: true},
	}
	if change != nil {
		change(&g.config)
	}
	g.application, err = scimtest.New(g.config.application)
	g.must(err)
	var stop func()
	g.url, stop = g.application.Start()
	t.Cleanup(stop)
	g.world.config = filepath.Join(g.dir, "scimsync.yaml")
	g.write("sailpoint.secret", sailpointtest.DefaultClient().Secret)
	g.write("scim.token", scimToken)
	g.configure()
	return g
}

func (g *groupSync) configure() {
	g.t.Helper()
	g.write("scimsync.yaml", fmt.Sprintf(`version: 1
state: scimsync.db
sources:
  sailpoint:
    type: sailpoint
    url: %s
    client_id: %s
    client_secret: {file: sailpoint.secret}
    source: %s
    limits: {requests_per_second: 1000}
%stargets:
  app:
    type: scim
    url: %s
    auth: {bearer: {file: scim.token}}
%ssyncs:
  main:
    from: sailpoint
    to: app
%s    notify: %s
notifiers:
  stewards: {type: email, smtp: %q, tls: off, from: '"Gruppen-Abgleich, Zürich" <scimsync@example.com>', to: [stewards@example.com]}
`, g.tenant.URL(), sailpointtest.DefaultClient().ID, sailpointtest.DirectoryName, indent(4, g.config.source),
		g.url, indent(4, g.config.target), indent(4, g.config.sync), g.config.notify, g.post.addr))
}

// names are the names of the groups at the application, in order.
func (g *groupSync) names() []string {
	var out []string
	for _, group := range g.application.Groups() {
		out = append(out, group.Name)
	}
	slices.Sort(out)
	return out
}

// idle demands that a sync changes nothing and tells nobody.
func (g *groupSync) idle(code int) {
	g.t.Helper()
	before := len(g.post.mails(g.t))
	writes := g.writes()
	if got := g.sync(code); len(got.Changes) > 0 {
		g.t.Errorf("a sync with nothing to do changes %v", listed(got.Changes))
	}
	if n := len(g.post.mails(g.t)) - before; n > 0 {
		g.t.Errorf("a sync with nothing to do sends %d mails", n)
	}
	if n := g.writes() - writes; n > 0 {
		g.t.Errorf("a sync with nothing to do writes %d times", n)
	}
}

// writes counts the requests that change something at the application.
func (g *groupSync) writes() int {
	n := 0
	for call, count := range g.application.Requests() {
		if !strings.HasPrefix(call, "GET ") {
			n += count
		}
	}
	return n
}

// groupsNamed is a tenant with groups of these names and nobody in them, with ids
// in the order of the names.
func groupsNamed(names ...string) sailpointtest.World {
	w := sailpointtest.World{Sources: []sailpointtest.Connection{sailpointtest.Directory()}}
	for i, name := range names {
		w.Entitlements = append(w.Entitlements, sailpointtest.Group(fmt.Sprintf("%032x", i+1), name, sailpointtest.DN(fmt.Sprintf("group %d", i), "Groups")))
	}
	return w
}

func manyGroups(n int) []string {
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprintf("Group %04d", i)
	}
	return names
}

func (g *groupSync) read(name string) string {
	g.t.Helper()
	data, err := os.ReadFile(filepath.Join(g.dir, name))
	g.must(err)
	return string(data)
}
