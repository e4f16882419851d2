package connectortest

import (
	"context"
	"maps"
	"slices"
	"testing"
)

// T is the part of *testing.T that the checks use. The suites' own tests pass a
// recorder, to see that a defective implementation does fail.
type T interface {
	Helper()
	Name() string
	Context() context.Context
	Logf(format string, args ...any)
	Errorf(format string, args ...any)
	// Fatalf ends the calling goroutine.
	Fatalf(format string, args ...any)
	// Skipf ends the calling goroutine.
	Skipf(format string, args ...any)
}

// suiteCase is one named check of a suite on S.
type suiteCase[S any] struct {
	name string
	run  func(s S, t T)
	// needs says what the suite lacks to run the case, and "" when nothing.
	needs func(s S) string
}

// runCases runs every case that is not skipped, each as a parallel subtest.
// bind ties the suite to the subtest that opens implementations for a case.
func runCases[S any](t *testing.T, suite S, cases []suiteCase[S], skip map[string]string, bind func(S, *testing.T) S) {
	t.Helper()
	checkSkips(t, cases, skip)
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if reason, ok := skip[c.name]; ok {
				t.Skipf("skipped on purpose: %s", reason)
			}
			bound := bind(suite, t)
			if c.needs != nil {
				if lack := c.needs(bound); lack != "" {
					t.Fatalf("this case needs %s: give it, or name the case in Skip with a reason", lack)
				}
			}
			c.run(bound, t)
		})
	}
}

// checkSkips fails for skips without a reason and skips of unknown cases.
func checkSkips[S any](t T, cases []suiteCase[S], skip map[string]string) {
	t.Helper()
	for _, name := range slices.Sorted(maps.Keys(skip)) {
		if skip[name] == "" {
			t.Errorf("Skip[%q] has no reason", name)
		}
		if !slices.ContainsFunc(cases, func(c suiteCase[S]) bool { return c.name == name }) {
			t.Errorf("Skip names %q, which is no case of this suite", name)
		}
	}
}
