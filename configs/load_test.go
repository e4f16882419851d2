package configs

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/scimsync/scimsync/connectors"
	"github.com/scimsync/scimsync/identity"
)

// TestProblems loads every testdata/problems/*.yaml and compares the whole error
// with the .txt beside it.
func TestProblems(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/problems/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".yaml"), func(t *testing.T) {
			t.Parallel()
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			_, err = load("scimsync.yaml", data, registry())
			if err == nil {
				t.Fatal("loaded without a problem")
			}
			got := err.Error() + "\n"
			if strings.Contains(got, "hunter2") {
				t.Error("the error repeats a secret")
			}
			golden := strings.TrimSuffix(file, ".yaml") + ".txt"
			if os.Getenv("UPDATE_GOLDEN") != "" {
				if err := os.WriteFile(golden, []byte(got), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("problems (-want +got):\n%s", diff)
			}
		})
	}
}

func TestDefaults(t *testing.T) {
	t.Parallel()
	cfg := mustLoad(t, minimal+"    groups: {}\n")
	sync := cfg.Syncs[0]
	folder := filepath.Dir(cfg.Path)
	if want := filepath.Join(folder, "scimsync.db"); cfg.State != want {
		t.Errorf("state = %s, want %s", cfg.State, want)
	}
	if want := connectors.Duration(90 * 24 * time.Hour); cfg.History.Keep != want {
		t.Errorf("history.keep = %s, want %s", cfg.History.Keep, want)
	}
	users := *sync.Users
	if users.Mapping == nil {
		t.Error("users have no mapping")
	}
	users.Mapping = nil
	wantUsers := Users{
		Matching: Matching{By: []string{"externalId", "userName"}, Existing: AdoptExisting, Rehire: Relink},
		Create:   true, Update: true,
		Leavers: Leavers{LeaveDeactivate, LeaveDeactivate, LeaveDeactivate, LeaveDeactivate},
	}
	if diff := cmp.Diff(wantUsers, users); diff != "" {
		t.Errorf("users (-want +got):\n%s", diff)
	}
	groups := *sync.Groups
	if groups.Mapping == nil {
		t.Error("groups have no mapping")
	}
	groups.Mapping = nil
	wantGroups := Groups{
		Matching: Matching{By: []string{"externalId", "displayName"}, Existing: AdoptExisting},
		Create:   true, Update: true, Members: MembersExact, Nested: Flatten, Leavers: LeaveKeep,
	}
	if diff := cmp.Diff(wantGroups, groups); diff != "" {
		t.Errorf("groups (-want +got):\n%s", diff)
	}
	wantGuards := Guards{
		Users: Limit{500, 0.1}, Groups: Limit{50, 0.1}, Memberships: Limit{5000, 0.2}, Floor: 5, OnTrip: Hold,
	}
	if diff := cmp.Diff(wantGuards, sync.Guards); diff != "" {
		t.Errorf("guards (-want +got):\n%s", diff)
	}
	if sync.Target.URL != "https://app.example.com/scim/v2" || sync.Source.Name != "okta" {
		t.Errorf("from %s to %s", sync.Source.Name, sync.Target.URL)
	}
	if len(cfg.Warnings) > 0 {
		t.Errorf("warnings on defaults: %v", cfg.Warnings)
	}
}

func TestSections(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, text    string
		users, groups bool
	}{
		{"both left out", "", true, false},
		{"users off", "    users: off\n    groups: {members: off}\n", false, true},
		{"users false", "    users: false\n    groups: {members: false}\n", false, true},
		{"users Off", "    users: Off\n    groups: on\n", false, true},
		{"groups false", "    groups: false\n", true, false},
		{"both on", "    users: on\n    groups: true\n", true, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			sync := mustLoad(t, minimal+test.text).Syncs[0]
			if got := sync.Users != nil; got != test.users {
				t.Errorf("users on: %v", got)
			}
			if got := sync.Groups != nil; got != test.groups {
				t.Errorf("groups on: %v", got)
			}
			if strings.Contains(test.text, "members") && sync.Groups.Members != MembersOff {
				t.Errorf("members = %q, want off", sync.Groups.Members)
			}
		})
	}
}

func TestSourceWithoutUsers(t *testing.T) {
	t.Parallel()
	text := strings.Replace(minimal, "sources:\n", "sources:\n  teams: {type: grouponly}\n", 1)
	text = strings.Replace(text, "from: okta", "from: teams", 1)
	sync := mustLoad(t, text+"    groups: {members: off}\n").Syncs[0]
	if sync.Users != nil {
		t.Error("users are on although the source has none")
	}
	if _, err := loadText(t, text+"    users: on\n"); err == nil || !strings.Contains(err.Error(), "source teams has no users") {
		t.Errorf("users asked for: %v", err)
	}
}

func TestForms(t *testing.T) {
	t.Parallel()
	sync := mustLoad(t, minimal+`    users:
      leavers: {gone: keep}
      grace: 1d12h
      matching: {by: ['EMAILS[type eq "work"].value'], existing: report, rehire: refuse}
      create: off
    groups:
      leavers: delete
      matching: {existing: members_only}
    guards: {users: {max: 0, share: 0.25}, groups: {share: 7%}, memberships: {share: 12.5%}, floor: 0, on_trip: abort}
    protect: {users: [admin@example.com], groups: [BuiltInAdmins]}
`).Syncs[0]
	if want := (Leavers{Disabled: LeaveDeactivate, Gone: LeaveKeep, Unassigned: LeaveDeactivate, OutOfScope: LeaveDeactivate}); sync.Users.Leavers != want {
		t.Errorf("leavers = %v", sync.Users.Leavers)
	}
	if want := connectors.Duration(36 * time.Hour); sync.Users.Grace != want {
		t.Errorf("grace = %s", sync.Users.Grace)
	}
	if want := []string{`emails[type eq "work"].value`}; !cmp.Equal(sync.Users.Matching.By, want) {
		t.Errorf("by = %q, want the spelling of the mapping", sync.Users.Matching.By)
	}
	if sync.Users.Create || sync.Users.Matching.Existing != ReportExisting || sync.Users.Matching.Rehire != Refuse {
		t.Errorf("users = %+v", sync.Users)
	}
	if sync.Groups.Leavers != LeaveDelete || sync.Groups.Matching.Existing != MembersOnlyExisting {
		t.Errorf("groups = %+v", sync.Groups)
	}
	want := Guards{Users: Limit{0, 0.25}, Groups: Limit{50, 0.07}, Memberships: Limit{5000, 0.125}, OnTrip: Abort}
	if diff := cmp.Diff(want, sync.Guards); diff != "" {
		t.Errorf("guards (-want +got):\n%s", diff)
	}
	wantProtect := map[identity.Kind][]string{identity.User: {"admin@example.com"}, identity.Group: {"BuiltInAdmins"}}
	if diff := cmp.Diff(wantProtect, sync.Protect); diff != "" {
		t.Errorf("protect (-want +got):\n%s", diff)
	}
}

func TestOrderOfSyncs(t *testing.T) {
	t.Parallel()
	cfg := mustLoad(t, minimal+"  zebra: {from: okta, to: app}\n  ant: {from: okta, to: app}\n")
	var names []string
	for _, sync := range cfg.Syncs {
		names = append(names, sync.Name)
	}
	if want := []string{"one", "zebra", "ant"}; !cmp.Equal(names, want) {
		t.Errorf("syncs = %v, want %v", names, want)
	}
}

func TestPathsAreRelativeToTheFile(t *testing.T) {
	t.Parallel()
	text := strings.NewReplacer("{env: OKTA_TOKEN}", "{file: okta.token}\n    http: {ca_file: ca.pem, client_cert: /etc/client.pem}",
		"sources:\n", "state: var/ledger.db\nsources:\n  export: {type: file, path: ../export}\n").Replace(minimal)
	cfg := mustLoad(t, text)
	folder := filepath.Dir(cfg.Path)
	okta := cfg.Sources["okta"].Settings.(*oktaSettings)
	for got, want := range map[string]string{
		cfg.State:            filepath.Join(folder, "var", "ledger.db"),
		okta.Token.File:      filepath.Join(folder, "okta.token"),
		okta.HTTP.CAFile:     filepath.Join(folder, "ca.pem"),
		okta.HTTP.ClientCert: "/etc/client.pem",
		cfg.Sources["export"].Settings.(*fileSettings).Path: filepath.Join(filepath.Dir(folder), "export"),
	} {
		if got != want {
			t.Errorf("path %s, want %s", got, want)
		}
	}
}

func TestWarnings(t *testing.T) {
	t.Parallel()
	cfg := mustLoad(t, minimal+`    users:
      map: {active: off}
      matching: {by: ['emails[type eq "work"].value']}
      leavers: {gone: delete}
    groups: {leavers: delete}
    guards: {users: {share: 100%}, floor: 1000}
  two:
    from: okta
    to: app
    users: off
    groups: {}
`)
	var got []string
	for _, w := range cfg.Warnings {
		w.File = ""
		got = append(got, strings.TrimPrefix(w.String(), ":"))
	}
	want := []string{
		"17:13: syncs.one.users.map.active: is not mapped, so somebody disabled at the source stays active at the target",
		"18:23: syncs.one.users.matching.by[0]: matches on an e-mail address, which may be given to another person",
		"19:7: syncs.one.users.leavers: deletes accounts; deactivate can be undone",
		"20:14: syncs.one.groups.leavers: deletes groups; keep leaves them",
		"21:22: syncs.one.guards.users.share: never trips; only max (500) guards users",
		"21:36: syncs.one.guards.floor: lets every run remove up to 1000 of each kind unguarded",
		"26:5: syncs.two.groups: users are off, so this sync owns none and writes no membership; members: off says so",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("warnings (-want +got):\n%s", diff)
	}
}

func TestUnreadableFiles(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	large := filepath.Join(folder, "large.yaml")
	if err := os.WriteFile(large, make([]byte, maxSize+1), 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		filepath.Join(folder, "absent.yaml"): "does not exist",
		folder:                               "is a folder",
		"/dev/null":                          "is not a regular file",
		large:                                "is larger than 1 MiB",
	} {
		_, err := Load(path, registry())
		problems, ok := errors.AsType[*Error](err)
		if !ok || !strings.Contains(err.Error(), path+": "+want) {
			t.Errorf("%s: %v, want %q", path, err, want)
			continue
		}
		if len(problems.Problems) != 1 {
			t.Errorf("%s: %d problems", path, len(problems.Problems))
		}
	}
}

func TestUnavailableIsMarked(t *testing.T) {
	t.Parallel()
	_, err := loadText(t, strings.Replace(minimal, "    token:", "    sso_app: 0oa2\n    token:", 1))
	problems, ok := errors.AsType[*Error](err)
	if !ok || len(problems.Problems) != 1 || !problems.Problems[0].Unavailable {
		t.Errorf("error %v: want one problem that is marked unavailable", err)
	}
}

func TestByteOrderMarkAndCRLF(t *testing.T) {
	t.Parallel()
	text := "\ufeff" + strings.ReplaceAll(minimal+"    groups:\n      scope: >-\n        name != \"x\"\n", "\n", "\r\n")
	mustLoad(t, text)
}
