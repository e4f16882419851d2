package plan_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/scimsync/scimsync/agent/plan"
	"github.com/scimsync/scimsync/identity"
)

func digest(t *testing.T, p *plan.Plan) string {
	t.Helper()
	d, err := plan.Digest(p)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// TestDigestCovers: whatever decides what happens at the target changes the
// digest; when and how it went does not.
func TestDigestCovers(t *testing.T) {
	t.Parallel()
	step := func(i int, edit func(*plan.Step)) func(*testing.T, *plan.Plan) *plan.Plan {
		return func(t *testing.T, p *plan.Plan) *plan.Plan {
			return with(t, p, func(steps []plan.Step) []plan.Step {
				edit(&steps[i])
				return steps
			})
		}
	}
	field := func(edit func(*plan.Plan)) func(*testing.T, *plan.Plan) *plan.Plan {
		return func(_ *testing.T, p *plan.Plan) *plan.Plan {
			edit(p)
			return p
		}
	}
	const update, held = 4, 8
	for name, c := range map[string]struct {
		edit func(*testing.T, *plan.Plan) *plan.Plan
		same bool
	}{
		"operation":         {edit: step(update, func(s *plan.Step) { s.Op = identity.Delete })},
		"source id":         {edit: step(update, func(s *plan.Step) { s.Ref.ID = "u40" })},
		"kind":              {edit: step(update, func(s *plan.Step) { s.Ref.Kind = identity.Group })},
		"target id":         {edit: step(update, func(s *plan.Step) { s.TargetID = "t40" })},
		"name":              {edit: step(update, func(s *plan.Step) { s.Name = "x" })},
		"cause":             {edit: step(update, func(s *plan.Step) { s.Cause = identity.CauseVanished })},
		"reason":            {edit: step(update, func(s *plan.Step) { s.Reason = "because" })},
		"path":              {edit: step(update, func(s *plan.Step) { s.Attributes[0].Path = "nickName" })},
		"value before":      {edit: step(update, func(s *plan.Step) { s.Attributes[0].Before = "Prof" })},
		"value after":       {edit: step(update, func(s *plan.Step) { s.Attributes[0].After = "Prof" })},
		"type of a value":   {edit: step(update, func(s *plan.Step) { s.Attributes[1].After = "2.5" })},
		"wave":              {edit: step(update, func(s *plan.Step) { s.Place.Wave++ })},
		"level":             {edit: step(update, func(s *plan.Step) { s.Place.Level++ })},
		"held now":          {edit: step(update, func(s *plan.Step) { s.Held = plan.RuleMax })},
		"released":          {edit: step(held, func(s *plan.Step) { s.Held = "" })},
		"held by another":   {edit: step(held, func(s *plan.Step) { s.Held = plan.RuleMax })},
		"held member":       {edit: step(held, func(s *plan.Step) { s.Members[0].Ref.ID = "u9" })},
		"member's kind":     {edit: step(held, func(s *plan.Step) { s.Members[0].Ref.Kind = identity.Group })},
		"member's target":   {edit: step(held, func(s *plan.Step) { s.Members[0].TargetID = "" })},
		"target":            {edit: field(func(p *plan.Plan) { p.Target += "/" })},
		"configuration":     {edit: field(func(p *plan.Plan) { p.ConfigHash = "" })},
		"cycle":             {edit: field(func(p *plan.Plan) { p.Cycle = plan.Delta })},
		"sync":              {edit: field(func(p *plan.Plan) { p.Sync = "other" })},
		"skipped":           {edit: field(func(p *plan.Plan) { p.Skipped = p.Skipped[:1] })},
		"why skipped":       {edit: field(func(p *plan.Plan) { p.Skipped[0].Why = "" })},
		"policy of skipped": {edit: field(func(p *plan.Plan) { p.Skipped[1].Policy = "notify" })},
		"what exists":       {edit: field(func(p *plan.Plan) { p.Skipped[1].TargetID = "t9" })},
		"skipped undecided": {edit: field(func(p *plan.Plan) { p.Skipped[1].Undecided = true })},
		"order": {edit: func(t *testing.T, p *plan.Plan) *plan.Plan {
			return with(t, p, func(s []plan.Step) []plan.Step {
				s[0], s[1] = s[1], s[0]
				return s
			})
		}},
		"one step fewer": {edit: func(t *testing.T, p *plan.Plan) *plan.Plan {
			return with(t, p, func(s []plan.Step) []plan.Step { return s[1:] })
		}},

		"created":  {edit: field(func(p *plan.Plan) { p.Created = "2027-01-01T00:00:00Z" }), same: true},
		"id":       {edit: field(func(p *plan.Plan) { p.ID = "other" }), same: true},
		"run":      {edit: field(func(p *plan.Plan) { p.Run = "r" }), same: true},
		"notes":    {edit: field(func(p *plan.Plan) { p.Notes = nil }), same: true},
		"estimate": {edit: field(func(p *plan.Plan) { p.Requests, p.Seconds = 1, 1 }), same: true},
		"outcome":  {edit: step(update, func(s *plan.Step) { s.Outcome, s.Error = plan.Failed, "409" }), same: true},
		"number":   {edit: step(update, func(s *plan.Step) { s.Seq = 99 }), same: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			before := digest(t, sample(t))
			if after := digest(t, c.edit(t, sample(t))); (after == before) != c.same {
				t.Errorf("the digest is the same: %t, want %t", after == before, c.same)
			}
		})
	}
}

// TestReadRefuses: what was damaged, edited or never a plan is not applied.
func TestReadRefuses(t *testing.T) {
	t.Parallel()
	good := written(t, sample(t))
	edited := func(from, to string) string {
		if strings.Count(good, from) == 0 {
			t.Fatalf("the sample has no %s", from)
		}
		return strings.Replace(good, from, to, 1)
	}
	resealed := func(edit func(*plan.Step)) string {
		return written(t, sealed(t, with(t, sample(t), func(steps []plan.Step) []plan.Step {
			edit(&steps[0])
			return steps
		})))
	}
	const (
		notOurs  = "not a plan that scimsync saved"
		tampered = "was changed after it was saved"
	)
	for name, c := range map[string]struct{ text, want string }{
		"nothing":             {"", notOurs},
		"garbage":             {"\x7fELF\x02\x01", notOurs},
		"another document":    {`{"users":[]}`, notOurs},
		"a list":              {`[1]`, notOurs},
		"null":                {`null`, "plan format 0"},
		"another version":     {edited(`"version":1`, `"version":2`), "plan format 2; this scimsync reads format 1"},
		"no plans":            {`{"version":1,"syncs":[]}`, "holds no plan"},
		"an empty plan":       {`{"version":1,"syncs":[{}]}`, tampered},
		"something behind it": {good + `{}`, "something follows its end"},
		"cut at its end":      {good[:len(good)-3], notOurs},
		"cut in the middle":   {good[:len(good)/2], notOurs},
		"an unknown field":    {edited(`"changes":`, `"also":[],"changes":`), notOurs},
		"an unknown field of an attribute": {
			edited(`{"path":"active"`, `{"type":"x","path":"active"`), notOurs,
		},
		"an object as a value":    {edited(`"after":"R&D"`, `"after":{"a":1}`), "an object is no attribute value"},
		"a list of numbers":       {edited(`["admin","<b>"]`, `[1,2]`), "a list holds strings only"},
		"another user":            {edited(`"source_id":"u1"`, `"source_id":"u9"`), tampered},
		"another value":           {edited(`"after":"R&D"`, `"after":"Sales"`), tampered},
		"another sync":            {edited(`"sync":"okta-to-alation"`, `"sync":"other"`), tampered},
		"no digest":               {edited(`"digest":"sha256:`, `"digest":"`), tampered},
		"a held change let go":    {edited(`,"rule":"emptied_group"`, ``), tampered},
		"fewer skipped":           {edited(`"undecided":true`, `"undecided":false`), tampered},
		"an unknown operation":    {resealed(func(s *plan.Step) { s.Op = "merge" }), `wants "merge" of user:u1`},
		"an unknown kind":         {resealed(func(s *plan.Step) { s.Ref.Kind = "device" }), "names no user or group"},
		"no source id":            {resealed(func(s *plan.Step) { s.Ref.ID = "" }), "names no user or group"},
		"a wave out of the order": {resealed(func(s *plan.Step) { s.Place.Wave = 9 }), "no place in the write order"},
		"a level below the first": {resealed(func(s *plan.Step) { s.Place.Level = -1 }), "no place in the write order"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			plans, err := plan.Read(strings.NewReader(c.text))
			if err == nil {
				t.Fatalf("read %d plans", len(plans))
			}
			if !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %q, want %q in it", err, c.want)
			}
		})
	}
}

// TestReadAcceptsOtherLayout: the digest is about what the plan says.
func TestReadAcceptsOtherLayout(t *testing.T) {
	t.Parallel()
	if _, err := plan.Read(strings.NewReader(indented(t, written(t, sample(t))))); err != nil {
		t.Error(err)
	}
}

// FuzzRead: whatever is read is a plan that can be written and read again.
func FuzzRead(f *testing.F) {
	var b bytes.Buffer
	for _, p := range []*plan.Plan{
		sealed(f, &plan.Plan{Sync: "empty", Steps: plan.Of(nil)}),
		sealed(f, &plan.Plan{Sync: "one", Steps: plan.Of([]plan.Step{removal(plan.Users, 1, false)})}),
	} {
		b.Reset()
		if err := plan.Write(&b, p); err != nil {
			f.Fatal(err)
		}
		f.Add(b.Bytes())
	}
	f.Add([]byte(`{"version":1,"syncs":[{"changes":[{"attributes":[{"after":{"$reference":{"kind":"user","id":"1"}}}]}]}]}`))
	f.Add([]byte(`{"version":1,"syncs":[null]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		plans, err := plan.Read(bytes.NewReader(data))
		if err != nil {
			return
		}
		again, err := plan.Read(strings.NewReader(written(t, plans...)))
		if err != nil || len(again) != len(plans) {
			t.Fatalf("read once, but not again: %v", err)
		}
	})
}
