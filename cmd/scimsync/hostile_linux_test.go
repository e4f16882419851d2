package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"
)

// mostMemory is how much a run may take that is fed as much as a server can send:
// the largest page, beside what the program takes by itself. A single group may be
// as large as one with a million members is.
const (
	mostMemory      = 160 << 20
	mostGroupMemory = mostMemory + 256<<20
)

// TestHostileMemory feeds whole processes bombs and endless answers, and asks the
// kernel how large they grew.
func TestHostileMemory(t *testing.T) {
	t.Parallel()
	if raceDetector {
		t.Skip("the race detector takes several times the memory, which says nothing of the program")
	}
	for side, besiege := range map[string]func(*testing.T) *siege{
		"okta": besiegeOkta, "entra": besiegeEntra, "sailpoint": besiegeSailPoint, "scim": besiegeSCIM,
		"scim groups": func(t *testing.T) *siege {
			s := besiegeSCIM(t)
			s.match = pathEnds("/Groups")
			return s
		},
	} {
		t.Run(side, func(t *testing.T) {
			t.Parallel()
			s := besiege(t)
			s.sync(exitDone)
			for name, act := range map[string]func(*siege) http.HandlerFunc{
				"bomb": packed(bomb, "gzip"), "values": countless, "endless": endless(okJSON+"\r\n", "["),
			} {
				if name == "endless" && !hostileTier() {
					continue
				}
				before := s.everybody()
				s.trap.arm(s.match, 0, act(s))
				p := s.start(nil, "sync")
				peak := p.grows()
				r := p.end()
				// Groups that cannot be listed are looked up one by one.
				looked := side == "scim groups" && r.code == exitDone
				if s.trap.disarm() == 0 || r.code != exitIncomplete && !looked {
					t.Errorf("%s: want exit %d\n%s", name, exitIncomplete, r)
				}
				s.unharmed(t, before, r)
				most := int64(mostMemory)
				if side == "scim groups" {
					most = mostGroupMemory
				}
				if t.Logf("%s: %d MiB", name, peak>>20); peak == 0 || peak > most {
					t.Errorf("%s: %d MiB at the peak, want %d at most", name, peak>>20, most>>20)
				}
			}
		})
	}
}

// grows follows a process to its end and returns its largest resident set in bytes.
// The kernel's account after the end would not do: it counts what the process that
// started this one had (getrusage(2)).
func (p *process) grows() int64 {
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	var peak int64
	for {
		select {
		case <-p.ended:
			return peak
		case <-tick.C:
		}
		status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
		if err != nil {
			continue // it has just ended
		}
		if _, rest, ok := strings.Cut(string(status), "VmHWM:"); ok {
			var size int64
			if _, err := fmt.Sscan(rest, &size); err == nil {
				peak = max(peak, size<<10)
			}
		}
	}
}

// TestHostileSilence lets a server repeat the credential where no answer belongs:
// net/http would print it.
func TestHostileSilence(t *testing.T) {
	t.Parallel()
	for side, besiege := range map[string]func(*testing.T) *siege{"okta": besiegeOkta, "scim": besiegeSCIM} {
		t.Run(side, func(t *testing.T) {
			t.Parallel()
			s := besiege(t)
			s.sync(exitDone)
			s.trap.arm(s.match, 0, func(w http.ResponseWriter, r *http.Request) {
				answer := "HTTP/1.1 204 No Content\r\n\r\n" + r.Header.Get("Authorization")
				raw(func(w io.Writer) {
					_, _ = io.WriteString(w, answer)
					_, _ = w.(io.Reader).Read(make([]byte, 1)) // until the client leaves
				})(s)(w, r)
			})
			r := s.start(nil, "sync", "--log-level", "debug").end()
			if s.trap.disarm() == 0 || r.code != exitIncomplete {
				t.Errorf("want exit %d\n%s", exitIncomplete, r)
			}
			s.silent(t, r)
			if strings.Contains(r.err, "nsolicited") {
				t.Errorf("a library prints:\n%s", r.err)
			}
		})
	}
}
