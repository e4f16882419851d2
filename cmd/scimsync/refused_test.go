package main

import (
	"net/http"
	"strings"
	"testing"

	"github.com/scimsync/scimsync/connectors/okta/oktatest"
)

// TestBothRefuse demands that one run tells of both credentials, whichever side
// refuses its own first and thereby cuts the other off, and writes nothing.
func TestBothRefuse(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		delta bool // in which the target is asked when the source has been read
		order func(*gated) (slow, quick *gate)
	}{
		"full":                {},
		"full, a slow source": {order: func(w *gated) (*gate, *gate) { return w.source, w.target }},
		"full, a slow target": {order: func(w *gated) (*gate, *gate) { return w.target, w.source }},
		"delta":               {delta: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newGated(t)
			if c.delta {
				w.configure(worldSettings{sync: everything + nightly})
				w.sync(exitDone)
			}
			for _, file := range []string{"okta.token", "scim.token"} {
				w.write(file, "a token nobody takes")
			}
			anything := func(*http.Request) bool { return true }
			w.target.forget()
			w.source.forget()
			if c.order != nil {
				slow, quick := c.order(w)
				asked := slow.silence()
				quick.arm(anything, 0, arrived, func() { <-asked })
			}
			before := w.writes()
			r := w.command("sync")
			w.source.disarm()
			w.target.disarm()
			for _, reason := range []string{"connect to target app: ", "read source okta: "} {
				if strings.Count(r.err, reason) != 1 {
					t.Errorf("want %q, once", reason)
				}
			}
			if r.code != exitUnauthorized || strings.Count(r.err, "401 Unauthorized") != 2 || strings.Count(r.err, "The credential was not accepted") != 1 {
				t.Errorf("want exit %d, two reasons and one remedy\n%s", exitUnauthorized, r)
			}
			if s, u := w.source.count(anything), w.target.count(anything); s > 4 || u > 6 {
				t.Errorf("%d requests to the source and %d to the target, to be refused by each", s, u)
			}
			if n := w.writes() - before; n != 0 {
				t.Errorf("%d writes", n)
			}
			w.write("okta.token", oktatest.DefaultToken)
			w.write("scim.token", scimToken)
			w.recovers()
		})
	}
}

// silence leaves requests without an answer until one has been given up: then all
// are answered. It returns what is closed when the first has come.
func (g *gate) silence() <-chan struct{} {
	asked := make(chan struct{})
	var first *http.Request
	g.arm(func(r *http.Request) bool {
		if first == nil {
			first = r
			close(asked)
		}
		return first.Context().Err() == nil
	}, 0, arrived, func() { <-first.Context().Done() })
	return asked
}
