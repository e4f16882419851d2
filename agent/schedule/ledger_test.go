package schedule

import (
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/scimsync/scimsync/agent/ledger"
)

// TestLedgerIsTheMemory plays a week of restarts over a real ledger.
func TestLedgerIsTheMemory(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "scimsync.db")
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(june())
		o := Options{Quarantine: Quarantine{After: 2, First: time.Hour}}
		for day := range 7 {
			l, err := ledger.Open(t.Context(), path)
			if err != nil {
				t.Fatal(err)
			}
			o.Memory = l
			p := w.boot(day, o,
				does(Job{Name: "night", Schedule: at("0 3 * * *"), Version: "1"}, takes(time.Hour)),
				does(Job{Name: "fails", Schedule: at("0 12 * * *"), Version: "1"}, fails(99, time.Minute)),
				does(Job{Name: "hook", Version: "1"}, takes(time.Minute)))
			sleep(5 * time.Hour) // from midnight, then from 04:00, later in the day each time
			if day == 0 {
				if err := p.s.Trigger("hook"); err != nil {
					t.Fatal(err)
				}
				sleep(time.Second)
			}
			before := p.s.Status()
			p.end(t)
			known, err := l.Agendas(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for _, st := range before {
				// But for the run that the end interrupted, all is remembered.
				if st.Running == nil {
					same(t, st.Name, known[st.Name], st.Standing)
				}
			}
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			time.Sleep(23 * time.Hour)
		}
		// Each night was met, or missed and made up for, once.
		same(t, "night", walls(w.runs("night")), []string{
			"01 03:00:" + seconds("night"), "02 04:00:01", "03 08:00:01", "04 12:00:01", "05 16:00:01", "06 20:00:01",
			"08 00:00:01", "08 03:00:" + seconds("night"),
		})
		if n := len(w.runs("hook")); n != 1 {
			t.Errorf("the hook ran %d times", n)
		}
		if n := len(w.runs("fails")); n < 5 || n > 7 {
			t.Errorf("what fails ran %v", walls(w.runs("fails")))
		}
	})
}

// seconds is the spread of a nightly job, in seconds with their fraction cut.
func seconds(name string) string {
	return june().Add(spread(name, at("0 3 * * *"), june(), defaultJitter)).Format("05")
}
