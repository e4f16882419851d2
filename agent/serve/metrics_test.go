package serve

import (
	"errors"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"
)

func TestMetrics(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	m := r.o.Metrics
	at := time.Unix(1_700_000_000, 0)
	m.Ran("main", "done", 3*time.Second)
	m.Ran("main", "failed", time.Second)
	m.Changed("main", "user", "create", "applied", 7)
	m.Notified("stewards", nil)
	m.Notified("stewards", errors.New("no"))
	m.Reloaded(at, nil)
	m.Traffic("source", "okta").Requests.Add(5)
	if m.Traffic("source", "okta").Requests.Load() != 5 {
		t.Error("a source has more than one counter")
	}
	m.Traffic("source", "okta").AddWait(1500 * time.Millisecond)
	state := State{
		Syncs: []SyncState{
			{Name: "main", LastRun: at, Running: true, Failures: 2, Quarantined: true, Counts: &SyncCounts{Held: 3, Dirty: 4, Users: 5, Groups: 6, Skipped: 1, Undecided: 2}},
			{Name: "new"},
		},
		Credentials: []CredentialState{{"target", "app", at}, {"source", "okta", time.Time{}}},
	}
	m.Watch(func() State { return state })
	r.ask("POST", "/hooks/main", "", "Authorization", "Bearer "+goodToken)
	r.ask("POST", "/hooks/ada@example.com", "", "Authorization", "Bearer "+goodToken)
	_, page := r.ask("GET", "/metrics", "")
	for _, line := range []string{
		`scimsync_runs_total{result="done",sync="main"} 1`,
		`scimsync_runs_total{result="failed",sync="main"} 1`,
		`scimsync_run_duration_seconds_count{sync="main"} 2`,
		`scimsync_run_duration_seconds_bucket{sync="main",le="2"} 1`,
		`scimsync_changes_total{kind="user",op="create",outcome="applied",sync="main"} 7`,
		`scimsync_notifications_total{notifier="stewards",outcome="sent"} 1`,
		`scimsync_notifications_total{notifier="stewards",outcome="failed"} 1`,
		`scimsync_hooks_total{outcome="queued",sync="main"} 1`,
		`scimsync_hooks_total{outcome="bad_request",sync=""} 1`,
		`scimsync_config_reload_success 1`,
		`scimsync_config_reload_timestamp_seconds 1.7e+09`,
		`scimsync_build_info{version="v1.2.3"} 1`,
		`scimsync_last_run_timestamp_seconds{sync="main"} 1.7e+09`,
		`scimsync_running{sync="main"} 1`,
		`scimsync_quarantined{sync="main"} 1`,
		`scimsync_paused{sync="main"} 0`,
		`scimsync_consecutive_failures{sync="main"} 2`,
		`scimsync_held_changes{sync="main"} 3`,
		`scimsync_dirty_objects{sync="main"} 4`,
		`scimsync_owned_objects{kind="user",sync="main"} 5`,
		`scimsync_owned_objects{kind="group",sync="main"} 6`,
		`scimsync_skipped_objects{reason="policy",sync="main"} 1`,
		`scimsync_skipped_objects{reason="undecided",sync="main"} 2`,
		`scimsync_requests_total{name="okta",side="source"} 5`,
		`scimsync_wait_seconds_total{name="okta",side="source"} 1.5`,
		`scimsync_throttled_total{name="okta",side="source"} 0`,
		`scimsync_request_retries_total{name="okta",side="source"} 0`,
		`scimsync_credential_expiry_timestamp_seconds{name="app",side="target"} 1.7e+09`,
		`scimsync_running{sync="new"} 0`,
	} {
		if !strings.Contains(page, line+"\n") {
			t.Errorf("no line %s", line)
		}
	}
	documented(t, page)
	for _, absent := range []string{
		"last_success_timestamp_seconds{", "next_run_timestamp_seconds{", `dirty_objects{sync="new"}`,
		`expiry_timestamp_seconds{name="okta"`, "ada@example.com",
	} {
		if strings.Contains(page, absent) {
			t.Errorf("%s is there", absent)
		}
	}
	if !strings.Contains(page, "go_goroutines") || !strings.Contains(page, "process_resident_memory_bytes") {
		t.Error("the collectors of the process are missing")
	}
	// A failed reload leaves the time of the configuration in force.
	m.Reloaded(at.Add(time.Hour), errors.New("no"))
	state.Syncs = state.Syncs[1:]
	_, page = r.ask("GET", "/metrics", "")
	if !strings.Contains(page, "scimsync_config_reload_success 0\n") || !strings.Contains(page, "scimsync_config_reload_timestamp_seconds 1.7e+09\n") {
		t.Error("a failed reload does not show")
	}
	if strings.Contains(page, `scimsync_running{sync="main"}`) {
		t.Error("a removed sync still shows")
	}
}

// documented demands that docs/operations.md has exactly the metrics of a page.
func documented(t *testing.T, page string) {
	t.Helper()
	docs, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	names := func(pattern, text string) map[string]bool {
		out := map[string]bool{}
		for _, m := range regexp.MustCompile(pattern).FindAllStringSubmatch(text, -1) {
			out[m[1]] = true
		}
		return out
	}
	served, told := names(`(?m)^# TYPE (scimsync_\w+) `, page), names("`(scimsync_\\w+)", string(docs))
	for name := range served {
		if !told[name] {
			t.Errorf("docs/operations.md does not have %s", name)
		}
	}
	for name := range told {
		// They show once they are known.
		if !served[name] && !strings.HasSuffix(name, "last_success_timestamp_seconds") && !strings.HasSuffix(name, "next_run_timestamp_seconds") {
			t.Errorf("docs/operations.md has %s, which nothing serves", name)
		}
	}
}

func TestMetricsBeforeAnything(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	if resp, page := r.ask("GET", "/metrics", ""); resp.StatusCode != 200 || !strings.Contains(page, "scimsync_build_info") {
		t.Errorf("%d\n%s", resp.StatusCode, page)
	}
}
