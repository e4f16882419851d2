package plan_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/scimsync/scimsync/agent/plan"
	"github.com/scimsync/scimsync/identity"
)

// golden compares text with a file of testdata; UPDATE_GOLDEN=1 writes it.
func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if os.Getenv("UPDATE_GOLDEN") != "" {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got); run with UPDATE_GOLDEN=1 when it is meant:\n%s", file, diff)
	}
}

func written(t *testing.T, plans ...*plan.Plan) string {
	t.Helper()
	var b strings.Builder
	if err := plan.Write(&b, plans...); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestWrite fixes the JSON that people's scripts read.
func TestWrite(t *testing.T) {
	t.Parallel()
	empty := sealed(t, &plan.Plan{Sync: "empty", ID: "1", Created: "2026-01-02T03:04:05Z", Cycle: plan.Delta, Steps: plan.Of(nil)})
	golden(t, "plan.json", indented(t, written(t, sample(t), empty)))

	run := with(t, sample(t), func(steps []plan.Step) []plan.Step {
		outcomes := []plan.Outcome{plan.Applied, plan.Unverified, plan.NotKept, plan.Failed, plan.NotTried}
		steps = steps[:len(outcomes)]
		for i, outcome := range outcomes {
			steps[i].Outcome, steps[i].Attributes = outcome, nil
		}
		steps[3].Error = `409: "userName" is taken`
		return steps
	})
	run.Run, run.Skipped, run.Guard, run.Notes = run.ID, nil, plan.Guard{}, nil
	golden(t, "run.json", indented(t, written(t, run)))
}

func indented(t *testing.T, text string) string {
	t.Helper()
	var b bytes.Buffer
	if err := json.Indent(&b, []byte(text), "", "  "); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return b.String()
}

// TestWriteKeys holds the keys of the contract against the document itself.
func TestWriteKeys(t *testing.T) {
	t.Parallel()
	var doc struct {
		Version int
		Syncs   []map[string]json.RawMessage
	}
	p := sample(t)
	p.Run = "r"
	if err := json.Unmarshal([]byte(written(t, p)), &doc); err != nil {
		t.Fatal(err)
	}
	if doc.Version != 1 {
		t.Errorf("version %d", doc.Version)
	}
	keys := func(raw json.RawMessage) []string {
		var m map[string]json.RawMessage
		if err := json.Unmarshal(raw, &m); err != nil {
			t.Fatalf("%v in %s", err, raw)
		}
		var out []string
		for k := range m {
			out = append(out, k)
		}
		return out
	}
	first := func(raw json.RawMessage) json.RawMessage {
		var list []json.RawMessage
		if err := json.Unmarshal(raw, &list); err != nil || len(list) == 0 {
			t.Fatalf("%v in %s", err, raw)
		}
		return list[0]
	}
	sync := doc.Syncs[0]
	field := func(raw json.RawMessage, name string) json.RawMessage {
		var m map[string]json.RawMessage
		if err := json.Unmarshal(raw, &m); err != nil {
			t.Fatal(err)
		}
		return m[name]
	}
	change := []string{"op", "kind", "source_id", "target_id", "name", "cause", "reason", "attributes", "members"}
	counts := []string{"create", "adopt", "update", "reactivate", "deactivate", "delete", "unchanged", "skipped"}
	for _, c := range []struct {
		what string
		raw  json.RawMessage
		want []string
	}{
		{"changes[0]", first(sync["changes"]), change},
		{"held[0]", first(sync["held"]), change},
		{"attributes[0]", first(field(first(sync["changes"]), "attributes")), []string{"path", "before", "after"}},
		{"members[0]", first(field(first(sync["held"]), "members")), []string{"source_id", "target_id", "name"}},
		{"skipped[0]", first(sync["skipped"]), []string{"kind", "source_id", "name", "why"}},
		{"guard", sync["guard"], []string{"tripped", "trips"}},
		{"trips[0]", first(field(sync["guard"], "trips")), []string{"rule", "kind", "count", "of", "limit"}},
		{"summary", sync["summary"], []string{"users", "groups", "memberships"}},
		{"summary.users", field(sync["summary"], "users"), counts},
		{"summary.groups", field(sync["summary"], "groups"), counts},
		{"summary.memberships", field(sync["summary"], "memberships"), []string{"add", "remove"}},
	} {
		have := keys(c.raw)
		for _, k := range c.want {
			if !slices.Contains(have, k) {
				t.Errorf("%s lacks %q: it has %q", c.what, k, have)
			}
		}
	}
	for _, k := range []string{
		"sync", "run", "id", "created", "target", "config_hash", "cycle", "changes", "held", "skipped", "guard", "summary", "digest",
	} {
		if _, ok := sync[k]; !ok {
			t.Errorf("the plan lacks %q", k)
		}
	}
}

// TestWriteReportsTrouble: a plan that cannot be read to its end is not written
// as if it were whole.
func TestWriteReportsTrouble(t *testing.T) {
	t.Parallel()
	trouble := errors.New("the scratch room is gone")
	p := sample(t)
	steps := collect(t, p)
	p.Steps = func(yield func(plan.Step, error) bool) {
		_ = yield(steps[0], nil) && yield(plan.Step{}, trouble)
	}
	if err := plan.Write(&bytes.Buffer{}, p); !errors.Is(err, trouble) {
		t.Errorf("Write: got %v", err)
	}
	if _, err := plan.Digest(p); !errors.Is(err, trouble) {
		t.Errorf("Digest: got %v", err)
	}
	full := errors.New("disk full")
	if err := plan.Write(failing{full}, sample(t)); !errors.Is(err, full) {
		t.Errorf("Write to a full disk: got %v", err)
	}
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }

// roundTrip compares what a saved plan keeps.
var roundTrip = cmp.Options{
	cmpopts.IgnoreUnexported(plan.Trip{}), cmpopts.EquateEmpty(),
	cmpopts.IgnoreFields(plan.Plan{}, "Steps", "Requests", "Seconds", "Run", "Outcomes"),
	cmpopts.IgnoreFields(plan.Step{}, "Seq", "Evidence", "Outcome", "Error"),
}

func TestReadBack(t *testing.T) {
	t.Parallel()
	p := sample(t)
	plans, err := plan.Read(strings.NewReader(written(t, p, p)))
	if err != nil {
		t.Fatal(err)
	}
	if len(plans) != 2 {
		t.Fatalf("read %d plans, wrote 2", len(plans))
	}
	if diff := cmp.Diff(p, plans[0], roundTrip); diff != "" {
		t.Errorf("plan (-written +read):\n%s", diff)
	}
	want := collect(t, p)
	slices.SortStableFunc(want, heldLast)
	got := collect(t, plans[0])
	if diff := cmp.Diff(want, got, roundTrip); diff != "" {
		t.Errorf("steps (-written +read):\n%s", diff)
	}
	for i, s := range got {
		if s.Seq != int64(i+1) {
			t.Errorf("step %d has number %d", i, s.Seq)
		}
	}
}

func heldLast(a, b plan.Step) int {
	switch held := a.Held != ""; {
	case held == (b.Held != ""):
		return 0
	case held:
		return 1
	}
	return -1
}

// wild is text as a directory may hold it, bytes that are no UTF-8 included.
func wild(t *rapid.T, label string) string {
	return rapid.OneOf(
		rapid.String(),
		rapid.SampledFrom([]string{"\xff\xfe", "a\xf0\x28b", "\uFFFD", `\ufffd`, `\\ufffd`, "\u2028", "</script>", `"`, "\x00\x1b[31m"}),
		rapid.Map(rapid.SliceOfN(rapid.Byte(), 0, 6), func(b []byte) string { return string(b) }),
	).Draw(t, label)
}

func anyPlan(t *rapid.T) *plan.Plan {
	value := func(label string) any {
		switch rapid.IntRange(0, 5).Draw(t, label+" type") {
		case 0:
			return nil
		case 1:
			return rapid.Bool().Draw(t, label)
		case 2:
			return rapid.Float64().Draw(t, label)
		case 3:
			return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) string { return wild(t, label) }), 0, 3).Draw(t, label)
		case 4:
			return identity.Reference{Ref: identity.Ref{Kind: identity.User, ID: wild(t, label)}}
		}
		return wild(t, label)
	}
	step := rapid.Custom(func(t *rapid.T) plan.Step {
		s := anyStep(t)
		s.Name, s.TargetID, s.Reason = wild(t, "name"), wild(t, "target id"), wild(t, "reason")
		s.Ref.ID = "x" + wild(t, "source id")
		s.Place = plan.Place{Wave: plan.WaveOf(s.Change), Level: rapid.IntRange(0, 3).Draw(t, "level")}
		for range rapid.IntRange(0, 2).Draw(t, "attributes") {
			s.Attributes = append(s.Attributes, identity.Attribute{Path: wild(t, "path"), Before: value("before"), After: value("after")})
		}
		for i := range s.Members {
			kind := rapid.SampledFrom(identity.Kinds()).Draw(t, "member kind")
			s.Members[i] = identity.Member{Ref: identity.Ref{Kind: kind, ID: wild(t, "member")}, Name: wild(t, "member name")}
			if i == 3 {
				s.Members = s.Members[:3]
				break
			}
		}
		s.Held = rapid.SampledFrom([]plan.Rule{"", "", plan.RuleMax, plan.RuleDepends}).Draw(t, "held")
		return s
	})
	p := &plan.Plan{
		Sync: "s", ID: wild(t, "id"), Created: wild(t, "created"), Target: wild(t, "target"), ConfigHash: wild(t, "hash"),
		Cycle: rapid.SampledFrom([]plan.Cycle{plan.Full, plan.Delta}).Draw(t, "cycle"),
		Steps: plan.Of(rapid.SliceOfN(step, 0, 6).Draw(t, "steps")),
		Notes: rapid.SliceOfN(rapid.Custom(func(t *rapid.T) string { return wild(t, "note") }), 0, 2).Draw(t, "notes"),
	}
	for range rapid.IntRange(0, 2).Draw(t, "skipped") {
		p.Skipped = append(p.Skipped, plan.Skipped{
			Ref: identity.Ref{Kind: identity.User, ID: wild(t, "skipped id")}, Name: wild(t, "skipped name"),
			Why: wild(t, "why"), Undecided: rapid.Bool().Draw(t, "undecided"),
			Policy: wild(t, "policy"), TargetID: wild(t, "exists"),
		})
	}
	return sealed(t, p)
}

// TestRoundTrip: whatever the directory holds, a saved plan can be read, and
// saving it again gives the same bytes.
func TestRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		p := anyPlan(t)
		var first, second bytes.Buffer
		if err := plan.Write(&first, p); err != nil {
			t.Fatal(err)
		}
		plans, err := plan.Read(bytes.NewReader(first.Bytes()))
		if err != nil {
			t.Fatalf("%v in %s", err, first.String())
		}
		if err := plan.Write(&second, plans...); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(first.String(), second.String()); diff != "" {
			t.Fatalf("(-written +written again):\n%s", diff)
		}
	})
}
