package configs

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/scimsync/scimsync/connectors"
)

const mail = `notifiers:
  mail: {type: email, smtp: "smtp.example.com:587", from: scimsync@example.com, to: [stewards@example.com], ca_file: ca.pem, password: {file: secret}}
`

func TestSchedules(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, text, schedule, full, zone string
		missed                           Missed
	}{
		{"none", "", "", "", "", MissedRun},
		{"off", "    schedule: off\n    full: false\n", "", "", "", MissedRun},
		{"every", "    schedule: \"@every 40m\"\n", "@every 40m", "", "Local", MissedRun},
		{"all", "    schedule: 0 3 * * *\n    full: \"@weekly\"\n    timezone: Europe/Berlin\n    missed: skip\n", "0 3 * * *", "@weekly", "Europe/Berlin", MissedSkip},
		{"full alone", "    full: 0 3 * * *\n    timezone: UTC\n", "", "0 3 * * *", "UTC", MissedRun},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			cfg := mustLoad(t, minimal+test.text)
			sync := cfg.Syncs[0]
			for _, s := range []struct {
				have *Schedule
				want string
			}{{sync.Schedule, test.schedule}, {sync.Full, test.full}} {
				switch {
				case s.want == "":
					if s.have != nil {
						t.Errorf("%s is on", s.have)
					}
				case s.have == nil:
					t.Errorf("%s is off", s.want)
				case s.have.String() != s.want || s.have.Location.String() != test.zone:
					t.Errorf("%s in %s, want %s in %s", s.have, s.have.Location, s.want, test.zone)
				}
			}
			if sync.Missed != test.missed {
				t.Errorf("missed is %q, want %q", sync.Missed, test.missed)
			}
			if len(cfg.Warnings) > 0 {
				t.Errorf("warnings %v", cfg.Warnings)
			}
		})
	}
}

func TestScheduleIsInItsZone(t *testing.T) {
	t.Parallel()
	sync := mustLoad(t, minimal+"    schedule: 0 3 * * *\n    full: 0 4 * * *\n    timezone: America/New_York\n").Syncs[0]
	from := time.Date(2026, time.November, 22, 12, 0, 0, 0, time.UTC)
	for schedule, want := range map[*Schedule]string{sync.Schedule: "2026-11-23T08:00:00Z", sync.Full: "2026-11-23T09:00:00Z"} {
		if got := schedule.Next(from).UTC().Format(time.RFC3339); got != want {
			t.Errorf("%s: %s, want %s", schedule, got, want)
		}
	}
}

func TestNotify(t *testing.T) {
	t.Parallel()
	cfg := mustLoad(t, minimal+`    notify: {to: [mail, chat], events: [group_created, recovered], batch: object}
  two: {from: okta, to: app, notify: {to: [chat]}}
  three: {from: okta, to: app}
`+mail+`  chat: {type: webhook, url: "https://hooks.example.com/x"}
`)
	want := []*Notify{
		{To: []string{"mail", "chat"}, Events: []string{"group_created", "recovered"}, Batch: BatchObject},
		{To: []string{"chat"}, Batch: BatchRun},
		nil,
	}
	for i, sync := range cfg.Syncs {
		if diff := cmp.Diff(want[i], sync.Notify); diff != "" {
			t.Errorf("%s (-want +got):\n%s", sync.Name, diff)
		}
	}
	folder := filepath.Dir(cfg.Path)
	got := cfg.Notifiers["mail"]
	wantSettings := &emailSettings{
		SMTP: "smtp.example.com:587", From: "scimsync@example.com", To: []string{"stewards@example.com"},
		CAFile: filepath.Join(folder, "ca.pem"), Password: connectors.Secret{File: filepath.Join(folder, "secret")},
	}
	if diff := cmp.Diff(any(wantSettings), got.Settings); diff != "" || got.Name != "mail" || got.Type.Name != "email" {
		t.Errorf("notifier %s of type %s (-want +got):\n%s", got.Name, got.Type.Name, diff)
	}
}

func TestServer(t *testing.T) {
	t.Parallel()
	if cfg := mustLoad(t, minimal); cfg.Server != nil {
		t.Errorf("server %+v where none is configured", cfg.Server)
	}
	cfg := mustLoad(t, minimal+"server: {addr: \"127.0.0.1:9464\", hooks: {token: {file: hook}}}\n")
	want := &Server{Addr: "127.0.0.1:9464", HookToken: connectors.Secret{File: filepath.Join(filepath.Dir(cfg.Path), "hook")}}
	if diff := cmp.Diff(want, cfg.Server); diff != "" {
		t.Errorf("server (-want +got):\n%s", diff)
	}
	const open = "is reachable from other machines"
	for _, test := range []struct{ doc, says, warns string }{
		{`{addr: ":9464"}`, "", open},
		{`{addr: "0.0.0.0:9464"}`, "", open},
		{`{addr: "scimsync.example.com:9464"}`, "", open},
		{`{addr: "0.0.0.0:9464", hooks: {token: {env: T}}}`, "", ""},
		{`{addr: "localhost:0"}`, "", ""},
		{`{addr: "[::1]:9464"}`, "", ""},
		{`{addr: "127.0.0.1"}`, "is not HOST:PORT", ""},
		{`{addr: "127.0.0.1:http"}`, "is not HOST:PORT", ""},
		{`{addr: "127.0.0.1:99999"}`, "is not HOST:PORT", ""},
		{`{addr: "::1:9464"}`, "is not HOST:PORT", ""},
		{`{addr: "http://127.0.0.1:9464"}`, "is not HOST:PORT", ""},
		{`{addr: ""}`, "is not HOST:PORT", ""},
		{`{}`, "server.addr: is missing", ""},
		{`{addr: "127.0.0.1:1", hooks: {}}`, "server.hooks.token: is missing", ""},
		{`{addr: "127.0.0.1:1", hooks: {token: {}}}`, "server.hooks.token: ", ""},
	} {
		cfg, err := loadText(t, minimal+"server: "+test.doc+"\n")
		switch {
		case test.says != "":
			if err == nil || !strings.Contains(err.Error(), test.says) {
				t.Errorf("%s: %v, want %q", test.doc, err, test.says)
			}
		case err != nil:
			t.Errorf("%s: %v", test.doc, err)
		case test.warns == "" && len(cfg.Warnings) > 0,
			test.warns != "" && (len(cfg.Warnings) != 1 || !strings.Contains(cfg.Warnings[0].Text, test.warns)):
			t.Errorf("%s: warnings %v, want %q", test.doc, cfg.Warnings, test.warns)
		}
	}
}

func TestBundles(t *testing.T) {
	t.Parallel()
	sync := mustLoad(t, minimal+"    groups:\n      bundles: {\"Alation - Admin\": [ServerAdmin, CatalogAdmin], a.b: [ServerAdmin]}\n").Syncs[0]
	want := map[string][]string{"Alation - Admin": {"ServerAdmin", "CatalogAdmin"}, "a.b": {"ServerAdmin"}}
	if diff := cmp.Diff(want, sync.Groups.Bundles); diff != "" {
		t.Errorf("bundles (-want +got):\n%s", diff)
	}
}

func TestWarningsOfTheDaemon(t *testing.T) {
	t.Parallel()
	cfg := mustLoad(t, minimal+`    timezone: UTC
    missed: skip
  two:
    from: okta
    to: app
    schedule: "@every 40m"
    timezone: UTC
    groups: {matching: {existing: notify}}
`+mail)
	var got []string
	for _, w := range cfg.Warnings {
		w.File = ""
		got = append(got, strings.TrimPrefix(w.String(), ":"))
	}
	want := []string{
		"16:5: syncs.one.timezone: has no effect: neither schedule nor full is a cron expression",
		"17:5: syncs.one.missed: has no effect without schedule",
		"22:5: syncs.two.timezone: has no effect: neither schedule nor full is a cron expression",
		"23:25: syncs.two.groups.matching.existing: is notify, and notify tells nobody of group_exists; such groups stand in the report alone",
		"25:3: notifiers.mail: no sync names it in notify.to, so it is told nothing",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("warnings (-want +got):\n%s", diff)
	}
}
