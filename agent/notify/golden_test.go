package notify

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/scimsync/scimsync/agent/plan"
)

var update = flag.Bool("update", false, "write the goldens anew")

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, got, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", name, diff)
	}
}

// messages are what stewards hear in each case.
func messages(t *testing.T) map[string]Message {
	t.Helper()
	out := map[string]Message{}
	hear := func(name string, tell func(h house)) {
		h := build(t, InMemory(), everyone())
		tell(h)
		heard := h.ears["stewards"].heard
		out[name] = heard[len(heard)-1]
	}
	report := func(h house, p *plan.Plan) {
		if err := h.Report(t.Context(), h.route, p); err != nil {
			t.Fatal(err)
		}
	}
	hear("run", func(h house) { report(h, sample()) })
	hear("known", func(h house) {
		report(h, sample())
		more := sample()
		more.Skipped = append(more.Skipped, plan.Skipped{Ref: group("g9"), Name: "Legal", Why: "exists at the target as T9 (same displayName); existing is notify", Policy: "notify", TargetID: "T9"})
		report(h, more)
	})
	hear("many", func(h house) {
		p := ran("r1", plan.Full)
		p.Steps = many(25, plan.Applied)
		report(h, p)
	})
	hear("recovered", func(h house) {
		report(h, sample())
		report(h, ran("20260822-2", plan.Full))
	})
	hear("sync", func(h house) {
		e, _ := CredentialExpiring("", "target alation", noon.Add(3*wholeDay), DefaultWarn(), noon)
		if err := h.Dispatch(t.Context(), h.route, "ad-groups", []Event{e, Staleness("", noon.Add(-49*wholeDay/24), noon), RunFailed("", "r1", errDeaf, noon)}); err != nil {
			t.Fatal(err)
		}
	})
	return out
}

func TestGoldens(t *testing.T) {
	t.Parallel()
	asJSON := hook(t, WebhookSettings{URL: "https://chat.example.com/in"})
	asSlack := hook(t, WebhookSettings{URL: "https://chat.example.com/in", Format: Slack})
	for name, m := range messages(t) {
		golden(t, name+".txt", []byte("Subject: "+m.Title+"\n\n"+m.Text()))
		for form, w := range map[string]*Webhook{".json": asJSON, ".slack.json": asSlack} {
			body, err := w.encode(m)
			if err != nil {
				t.Fatal(err)
			}
			var pretty bytes.Buffer
			if err := json.Indent(&pretty, body, "", "  "); err != nil {
				t.Fatal(err)
			}
			golden(t, name+form, append(pretty.Bytes(), '\n'))
		}
	}
}
