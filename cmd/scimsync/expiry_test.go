package main

import (
	"context"
	"encoding/base64"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/scimsync/scimsync/agent/ledger"
	"github.com/scimsync/scimsync/configs"
	"github.com/scimsync/scimsync/connectors"
	"github.com/scimsync/scimsync/connectors/scim/scimtest"
)

// ends writes the end of the target's credential so many days from now.
func (w *town) ends(days int) time.Time {
	w.t.Helper()
	date := time.Now().UTC().AddDate(0, 0, days)
	w.target = "expiry: {at: " + date.Format(time.DateOnly) + "}\n"
	w.set()
	return date
}

// Each threshold is told once, in check, in status and by message, however many
// runs and syncs there are.
func TestCredentialThresholds(t *testing.T) {
	t.Parallel()
	w := newTown(t, groupsAlone)
	second := func() {
		// A second sync with the same target hears of the same credential.
		w.insert("syncs:\n", "  second:\n    from: okta\n    to: app\n    users: off\n    groups: {include: [None*], members: off}\n    notify: {to: [stewards, chat]}\n")
	}
	w.ends(40)
	second()
	if r := w.command("sync"); r.code != exitDone {
		t.Fatal(r)
	}
	w.told("far away", "3 groups created")
	if r := w.command("check"); r.code != exitDone || !strings.Contains(r.out, "credential ends at") || strings.Contains(r.out, "warning: ") {
		t.Errorf("check:\n%s", r)
	}
	for _, step := range []struct {
		days                 int
		title, check, status string
	}{
		{10, "credential ends: the credential of target app ends at", "warning: credential ends at", "target app ends in 10 days: renew it"},
		{1, "credential ends: the credential of target app ends at", "warning: credential ends at", "target app ends in "},
		{0, "credential ends: the credential of target app ends at", "warning: credential ends at", "target app ends in "},
		{-2, "credential ends: the credential of target app ended at", "warning: credential ended at", "target app ended "},
	} {
		w.ends(step.days)
		second()
		for range 3 {
			if r := w.command("sync"); r.code != exitDone {
				t.Fatal(r)
			}
		}
		heard := w.hook.all()[w.hooks:]
		if len(heard) != 1 || !strings.Contains(heard[0].Title, step.title) {
			t.Fatalf("%d days: heard %+v", step.days, heard)
		}
		mails := w.told("threshold", strings.TrimPrefix(heard[0].Title, "scimsync main: "))
		if !strings.Contains(mails[0].body, "target app") || !strings.Contains(mails[0].body, "renew it") {
			t.Errorf("%d days: the mail says\n%s", step.days, mails[0].body)
		}
		check := w.command("check")
		if check.code != exitDone || strings.Count(strings.Join(strings.Fields(check.out), " "), step.check) != 1 {
			t.Errorf("%d days: check:\n%s", step.days, check)
		}
		if r := w.command("status"); r.code != exitDone || strings.Count(r.out, step.status) < 2 {
			t.Errorf("%d days: status:\n%s", step.days, r)
		}
	}
	// Renewed: another end, and nothing is due.
	w.ends(365)
	second()
	if r := w.command("sync"); r.code != exitDone {
		t.Fatal(r)
	}
	w.told("renewed")
	w.target = "expiry: {at: 2020-01-01, warn: []}\n"
	w.set()
	if r := w.command("sync"); r.code != exitDone {
		t.Fatal(r)
	}
	w.told("never to be warned of")
}

// insert puts text behind a line of the configuration.
func (w *town) insert(after, text string) {
	w.t.Helper()
	have, err := os.ReadFile(w.world.config)
	w.must(err)
	w.write("scimsync.yaml", strings.Replace(string(have), after, after+text, 1))
}

// A credential that is a JWT tells its end by itself, and a renewed one is seen.
// The token is in no message.
func TestCredentialTellsByItself(t *testing.T) {
	t.Parallel()
	end := time.Now().Add(30 * time.Hour).Unix()
	encode := func(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }
	jwt := func(end int64) string {
		return encode(`{"alg":"RS256"}`) + "." + encode(fmt.Sprintf(`{"sub":"canary","exp":%d}`, end)) + ".c2ln"
	}
	w := newTown(t, groupsAlone, withApplication(func(o *scimtest.Options) { o.Token = jwt(end) }))
	w.write("scim.token", jwt(end))
	w.world.sync(exitDone)
	mails := w.post.mails(t)
	if len(mails) != 2 || !strings.Contains(mails[1].body, "target app ends at "+time.Unix(end, 0).UTC().Format("2006-01-02 15:04 UTC")) {
		t.Fatalf("mails %+v", mails)
	}
	for part := range strings.SplitSeq(jwt(end), ".") {
		if strings.Contains(mails[1].body, part) {
			t.Errorf("the token is in the mail:\n%s", mails[1].body)
		}
	}
}

// A credential that nobody hears of is not looked at.
func TestCredentialsOfSilentSyncs(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withPeople(office()), withSync(groupsAlone), func(s *worldSettings) { s.target = "expiry: {at: 2020-01-01}\n" })
	w.sync(exitDone)
	if r := w.command("status"); !strings.Contains(r.out, "ended ") {
		t.Errorf("status:\n%s", r)
	}
}

func TestCredentialsAreAskedOnce(t *testing.T) {
	t.Parallel()
	org, target := &configs.Source{Name: "okta"}, &configs.Target{Name: "app"}
	asked := map[string]int{}
	org.Type.Open = func(any, connectors.Runtime) (connectors.Source, error) {
		return struct{ connectors.Source }{}, nil // it knows nothing of its credential
	}
	target.Type.Open = func(any, connectors.Runtime) (connectors.Target, error) {
		return knowing{func() (connectors.Credential, error) {
			asked["app"]++
			return connectors.Credential{Expires: time.Unix(2e9, 0)}, nil
		}}, nil
	}
	syncs := []*configs.Sync{{Name: "a", Source: org, Target: target}, {Name: "b", Source: org, Target: target}}
	a := &app{log: slog.New(slog.DiscardHandler)}
	got := credentials(t.Context(), a.connect(&configs.Config{}), syncs)
	if len(got) != 2 || got[0].side != "source" || !got[0].Expires.IsZero() || got[0].err != nil ||
		got[1].side != "target" || got[1].Expires.Unix() != 2e9 || len(got[1].syncs) != 2 || asked["app"] != 1 {
		t.Errorf("%+v, asked %v", got, asked)
	}
}

// knowing is a target that knows its credential.
type knowing struct {
	known func() (connectors.Credential, error)
}

func (knowing) Open(context.Context) (connectors.Session, error) { return nil, nil }

func (knowing) Reopen(context.Context, []byte) connectors.Session { return nil }

func (k knowing) Credential(context.Context) (connectors.Credential, error) { return k.known() }

func TestStaleAt(t *testing.T) {
	t.Parallel()
	last := time.Date(2026, 3, 1, 3, 0, 0, 0, time.UTC)
	for spec, want := range map[string]time.Duration{
		"@every 1m":   time.Hour,
		"@every 40m":  2 * time.Hour,
		"@every 1d":   72 * time.Hour,
		"0 3 * * *":   72 * time.Hour,
		"*/5 * * * *": time.Hour,
		"0 0 1 * *":   time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC).Sub(last),
	} {
		s, err := configs.ParseSchedule(spec, time.UTC)
		if err != nil {
			t.Fatal(err)
		}
		if got := staleAt(s, last).Sub(last); got != want {
			t.Errorf("%s: stale after %s, want %s", spec, got, want)
		}
	}
	if at := staleAt(nil, last); !at.IsZero() {
		t.Errorf("without a schedule: %s", at)
	}
}

// A sync that had no complete run for too long is told once, and told when it is
// over.
func TestAnnounceStale(t *testing.T) {
	t.Parallel()
	w := newTown(t, "users: {}\ngroups: off\nschedule: \"@every 1h\"\n")
	l, err := ledger.Open(t.Context(), filepath.Join(w.dir, "scimsync.db"))
	w.must(err)
	long := time.Now().Add(-4 * time.Hour)
	for _, r := range []ledger.Run{
		{ID: "1", Cycle: "full", Started: long, Result: "done"},
		{ID: "2", Cycle: "full", Started: long.Add(time.Hour), Result: "stopped"},
		{ID: "3", Cycle: "only", Started: long.Add(3 * time.Hour), Result: "done"},
	} {
		r.Sync = "main"
		w.must(l.StartRun(t.Context(), r))
		w.must(l.FinishRun(t.Context(), r.ID, r.Started, r.Result, nil))
	}
	w.must(l.Close())
	w.write("scim.token", "wrong")
	for range 2 {
		if r := w.command("sync"); r.code != exitUnauthorized {
			t.Fatal(r)
		}
	}
	heard := w.hook.all()
	if len(heard) != 2 || !strings.Contains(heard[1].Title, "no complete run: the last complete run was at") || !strings.Contains(heard[1].Title, "4 hours ago") {
		t.Fatalf("heard %+v", heard)
	}
	w.mails, w.hooks = 2, 2
	w.write("scim.token", scimToken)
	w.world.sync(exitDone)
	w.told("runs again", "runs again, complete runs again")
	w.world.sync(exitDone)
	w.told("runs on")
}
