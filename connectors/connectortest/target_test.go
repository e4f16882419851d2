package connectortest

import (
	"net/http/httptest"
	"testing"

	"github.com/scimsync/scimsync/connectors"
)

// toyTargetSuite runs on the toy with a defect; the empty defect is sound.
func toyTargetSuite(defect string) TargetSuite {
	return TargetSuite{
		Open: func(t *testing.T, o TargetOptions) TargetUnderTest {
			app := newToyApp(o)
			server := httptest.NewServer(o.Faults.Wrap(app))
			t.Cleanup(server.Close)
			return TargetUnderTest{
				Target: &toyTarget{
					base: server.URL, client: server.Client(), defect: defect,
					limits: connectors.Limits{PageSize: o.PageSize, MembersPerPatch: o.MembersPerPatch},
				},
				Held: app.held, Edit: app.edit,
			}
		},
	}
}

// TestTargetSuite: a sound target passes every case.
func TestTargetSuite(t *testing.T) {
	t.Parallel()
	toyTargetSuite("").Run(t)
}

// TestTargetSuiteFails: each planted defect is found by the case that is there
// for it.
func TestTargetSuiteFails(t *testing.T) {
	t.Parallel()
	tests := []struct{ defect, inCase, says string }{
		{"credentials in its address", "profile", "an address without credentials"},
		{"answers no id", "create a user", "no TargetID"},
		{"drops quotes", "awkward values", "displayName is"},
		{"inactive is not kept", "create an inactive user", "active is"},
		{"creates empty groups", "create a group", "members of group"},
		{"updates replace the whole", "update touches only what changed", "nickName is"},
		{"updates replace the whole", "update twice", "userName is"},
		{"cannot clear", "update clears", "title is"},
		{"updates make the missing", "update the missing", "want class missing"},
		{"renames empty groups", "rename", "members of group"},
		{"deactivation wipes", "deactivate and reactivate", "nickName is"},
		{"inactive is not kept", "deactivate and reactivate", "active is"},
		{"delete of the missing fails", "delete a user", "answered 404"},
		{"delete only disables", "delete a user", "is still held"},
		{"delete only disables", "delete a group", "is still held"},
		{"everything is a rejection", "conflict", "want class conflict"},
		{"everything is a rejection", "refused credential", "want class unauthorized"},
		{"everything is a rejection", "expired credential", "want class unauthorized"},
		{"opens with any credential", "refused credential", "want class unauthorized"},
		{"names with their case", "find by each key", "alone"},
		{"externalId without case", "find by each key", "by externalId"},
		{"does not escape values", "find awkward values", "alone"},
		{"trusts filters", "find with ignored filters", "believe in nobody@example.com"},
		{"finds on the first page", "find with ignored filters", "alone"},
		{"stops at a full page", "list page boundaries", "-held +listed"},
		{"no total is the end", "list without totals", "-held +listed"},
		{"a repeated page is the last", "list that repeats pages", "without an error after"},
		{"repeats what it has listed", "list that repeats pages", "without an error after"},
		{"leaks a goroutine", "list stopped early", "leaves goroutines behind"},
		{"a failed page is the last", "error on a list page", "ended without an error"},
		{"goes on after an error", "error on a list page", "went on after its error"},
		{"keeps no facts", "reopened", "returns nothing"},
		{"reopens by asking", "reopened", "sent 1 requests"},
		{"proves again", "reopened", "want neither"},
		{"takes any facts", "reopened", "of nonsense"},
		{"opens with any credential", "reopened in vain", "want class unauthorized"},
		{"a failed page is the last", "cancelled context", "a listing with a cancelled context"},
		{"a failed look-up found nobody", "cancelled context", "a find with a cancelled context"},
		{"forgets its context", "cancelled context", "a create with a cancelled context"},
		{"booleans as they come", "booleans as strings", "want the boolean"},
		{"one chunk only", "members at the cap", "members of group"},
		{"removal empties", "remove a member", "members of group"},
		{"removal empties", "members twice", "members of group"},
		{"one bad member fails all", "one bad member", "answered 400"},
		{"one bad member costs a chunk", "one bad member", "members of group"},
		{"one bad member costs a chunk", "one bad member", "alone with the reason"},
		{"believes that members vanish", "hidden members", "want blind"},
		{"hidden is none", "hidden members", "are said to be known"},
		{"lost is transient", "lost answer", "want class lost"},
		{"repeats what was lost", "lost answer", "want class lost"},
		{"gives up when throttled", "throttled create", "answered 429"},
		{"answers no id", "parallel creates", "-held +answered"},
	}
	covered := map[string]bool{}
	for _, test := range tests {
		covered[test.inCase] = true
		t.Run(test.defect+" in "+test.inCase, func(t *testing.T) {
			t.Parallel()
			c := find(t, targetCases(), test.inCase)
			record(t, func(rt T) { c.run(toyTargetSuite(test.defect).bind(t), rt) }).wantFailure(t, test.says)
		})
	}
	for _, c := range targetCases() {
		if !covered[c.name] {
			t.Errorf("no planted defect shows that the case %q can fail", c.name)
		}
	}
}
