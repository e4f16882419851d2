package connectortest

import (
	"context"
	"fmt"
	"strings"
	"testing"
)

// recorder is a T that notes failures instead of failing.
type recorder struct {
	t        *testing.T
	failures []string
	skipped  string
}

func (r *recorder) Helper()                  {}
func (r *recorder) Name() string             { return r.t.Name() }
func (r *recorder) Context() context.Context { return r.t.Context() }
func (r *recorder) Logf(string, ...any)      {}

func (r *recorder) Errorf(format string, args ...any) {
	r.failures = append(r.failures, fmt.Sprintf(format, args...))
}

func (r *recorder) Fatalf(format string, args ...any) {
	r.Errorf(format, args...)
	panic(stopped{})
}

func (r *recorder) Skipf(format string, args ...any) {
	r.skipped = fmt.Sprintf(format, args...)
	panic(stopped{})
}

// stopped unwinds what Fatalf and Skipf end.
type stopped struct{}

// record runs f with a recorder.
func record(t *testing.T, f func(T)) *recorder {
	t.Helper()
	r := &recorder{t: t}
	func() {
		defer func() {
			if p := recover(); p != nil && p != any(stopped{}) {
				panic(p)
			}
		}()
		f(r)
	}()
	return r
}

// wantFailure fails unless one of the recorded failures holds the text.
func (r *recorder) wantFailure(t *testing.T, text string) {
	t.Helper()
	for _, failure := range r.failures {
		if strings.Contains(failure, text) {
			return
		}
	}
	t.Errorf("no failure mentions %q; recorded: %q, skipped: %q", text, r.failures, r.skipped)
}

// find returns the case with the name.
func find[S any](t *testing.T, cases []suiteCase[S], name string) suiteCase[S] {
	t.Helper()
	for _, c := range cases {
		if c.name == name {
			return c
		}
	}
	t.Fatalf("no case is called %q", name)
	return suiteCase[S]{}
}

func TestSkips(t *testing.T) {
	t.Parallel()
	r := record(t, func(rt T) {
		checkSkips(rt, sourceCases(), map[string]string{"info": "", "no such case": "because", "nested groups": "they do not nest"})
	})
	r.wantFailure(t, `Skip["info"] has no reason`)
	r.wantFailure(t, `Skip names "no such case"`)
	if len(r.failures) != 2 {
		t.Errorf("%d failures, want 2: %q", len(r.failures), r.failures)
	}
}

func TestNeeds(t *testing.T) {
	t.Parallel()
	bare := SourceSuite{Open: func(*testing.T, SourceOptions) SourceUnderTest { return SourceUnderTest{} }}.bind(t)
	lacking := 0
	for _, c := range sourceCases() {
		if c.needs != nil {
			lacking++
			if c.needs(bare) == "" {
				t.Errorf("%s runs on a suite without handles", c.name)
			}
		}
	}
	if lacking == 0 {
		t.Error("no case has needs")
	}
}
