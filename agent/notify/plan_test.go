package notify

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/scimsync/scimsync/agent/plan"
	"github.com/scimsync/scimsync/identity"
)

func TestFromPlan(t *testing.T) {
	t.Parallel()
	events, err := FromPlan(sample())
	if err != nil {
		t.Fatal(err)
	}
	type short struct {
		Kind    Kind
		Text    string
		Objects []string
	}
	var got []short
	for _, e := range events {
		s := short{Kind: e.Kind, Text: e.Text}
		if e.Sync != "ad-groups" || e.Run != "20260822-1" || !e.Time.Equal(noon) {
			t.Errorf("%s is of %q, run %q, at %s", e.Kind, e.Sync, e.Run, e.Time)
		}
		for _, o := range e.Objects {
			s.Objects = append(s.Objects, o.Ref.ID+" "+o.Detail)
		}
		got = append(got, s)
	}
	want := []short{
		{Failed, "", []string{
			"g3 create: 409 conflict: displayName is taken", "u2 update: accepted but not kept: title",
			"u5 2 objects at the target match by userName: a, b",
		}},
		{Held, "501 user removals, the limit is 500", []string{
			"u3 deactivate [guard max]", "g4 remove-members (2 members) [guard max]",
		}},
		{GroupExists, "", []string{
			"g5 exists at the target as T5 (same displayName)", "g6 exists at the target as T6 (same displayName)",
		}},
		{GroupCreated, "", []string{"g1 ", "g2 "}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
}

func TestFromPlanOfNothing(t *testing.T) {
	t.Parallel()
	p := ran("", plan.Full, did(identity.Create, group("g1"), "Finance", "", ""))
	if events, err := FromPlan(p); err != nil || len(events) > 0 {
		t.Errorf("a plan that was not applied tells %v, %v", events, err)
	}
	broken := errors.New("disk")
	p.Steps = func(yield func(plan.Step, error) bool) { yield(plan.Step{}, broken) }
	if _, err := FromPlan(p); !errors.Is(err, broken) {
		t.Errorf("FromPlan: %v", err)
	}
	if _, err := Recoveries(p, []string{"failed/x"}); !errors.Is(err, broken) {
		t.Errorf("Recoveries: %v", err)
	}
}

func TestReasonsThatVary(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		a, b string
		same bool
	}{
		"request id":   {"503 busy (request 1f6f5e71-aa)", "503 busy (request 99ab-77)", true},
		"time":         {"409 conflict at 2026-08-22T10:00:00Z", "409 conflict at 2026-08-23T11:11:11Z", true},
		"long number":  {"busy, retry 123456", "busy, retry 99999", true},
		"status":       {"answered 409: conflict", "answered 500: conflict", false},
		"another text": {"409 conflict", "409 gone", false},
	}
	for title, test := range tests {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			if same := failedCondition(user("u1"), test.a) == failedCondition(user("u1"), test.b); same != test.same {
				t.Errorf("%q and %q are the same: %t", test.a, test.b, same)
			}
		})
	}
}

func TestRefOf(t *testing.T) {
	t.Parallel()
	for _, ref := range []identity.Ref{user("u1"), group("cn=a/b,dc=x:y%2F"), group("")} {
		if got, ok := refOf(about(ref) + "abc"); !ok || got != ref {
			t.Errorf("%v came back as %v, %t", ref, got, ok)
		}
	}
	for _, condition := range []string{"run/abc", "rest/abc", "", "x"} {
		if got, ok := refOf(condition); ok {
			t.Errorf("%q is about %v", condition, got)
		}
	}
}
