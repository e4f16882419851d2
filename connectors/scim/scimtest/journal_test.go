package scimtest

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/scimsync/scimsync/identity"
)

func withFile(path string) func(*Options) { return func(o *Options) { o.File = path } }

func TestRestart(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "target.jsonl")
	h := newHarness(t, withFile(path))
	ada, bob := h.user("ada@example.com", `,"externalId":"00u1"`), h.user("bob@example.com", "")
	inner := h.group("Inner", ada)
	outer := h.group("Outer", inner, ada, bob)
	gone := h.user("gone@example.com", "")
	h.do("PATCH", "/Groups/"+outer, patchBody(`{"op":"add","path":"members","value":[{"value":"`+gone+`"}]}`))
	h.do("PATCH", "/Groups/"+outer, patchBody(`{"op":"remove","path":"members[value eq \"`+ada+`\"]"},{"op":"replace","path":"displayName","value":"Renamed"}`))
	h.do("DELETE", "/Users/"+gone, "")
	h.SetHazards(Hazards{SoftDelete: true, DuplicateMembersKept: true})
	h.do("PATCH", "/Groups/"+outer, patchBody(`{"op":"add","path":"members","value":[{"value":"`+inner+`"}]}`))
	h.do("DELETE", "/Users/"+bob, "")

	for round := range 3 { // the second and third read what the first compacted
		next := newHarness(t, withFile(path))
		if diff := cmp.Diff(h.Users(), next.Users()); diff != "" {
			t.Errorf("round %d: users (-was +is):\n%s", round, diff)
		}
		if diff := cmp.Diff(h.Groups(), next.Groups()); diff != "" {
			t.Errorf("round %d: groups (-was +is):\n%s", round, diff)
		}
		if got := next.names("/Groups" + filterQuery(`members.value eq "`+inner+`"`)); got != "renamed" {
			t.Errorf("round %d: index finds %q", round, got)
		}
		if err := h.Server.Close(); err != nil {
			t.Fatal(err)
		}
		h = next
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v: %v", info.Mode(), err)
	}
	if err := h.Wipe(); err != nil {
		t.Fatal(err)
	}
	if users, groups, _ := newHarness(t, withFile(path)).Counts(); users+groups != 0 {
		t.Errorf("%d users and %d groups came back", users, groups)
	}
}

func TestTornAndForeignLines(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "target.jsonl")
	h := newHarness(t, withFile(path))
	h.user("ada@example.com", "")
	add := func(text string) {
		f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.WriteString(text); err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
	add(`{"op":"put","kind":"user","id":"tor`)
	h = newHarness(t, withFile(path))
	h.user("bob@example.com", "")
	if got := newHarness(t, withFile(path)).names("/Users"); got != "ada bob" {
		t.Errorf("after a torn line: %q", got)
	}
	for _, line := range []string{"not JSON\n", `{"op":"move"}` + "\n", `{"op":"put","kind":"user","id":"x"}` + "\n", `{"op":"put","kind":"cat","id":"x","attrs":{"a":1}}` + "\n"} {
		add(line)
		_, err := New(Options{Token: token, File: path})
		if err == nil || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "line 3") {
			t.Errorf("%q: %v", line, err)
		}
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(strings.TrimSuffix(string(content), line)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func TestCompaction(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "target.jsonl")
	h := newHarness(t, withFile(path))
	h.user("ada@example.com", "")
	for i := range compactAbove + 100 {
		if err := h.Edit(identity.User, "ada@example.com", "title", fmt.Sprint(i)); err != nil {
			t.Fatal(err)
		}
	}
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if lines := strings.Count(string(content), "\n"); lines > 200 {
		t.Errorf("the file holds %d lines", lines)
	}
	u, _ := newHarness(t, withFile(path)).Find(identity.User, "ada@example.com")
	if u.Attributes["title"] != fmt.Sprint(compactAbove+99) || u.Version != compactAbove+101 {
		t.Errorf("after compaction: %+v", u)
	}
}

// TestKilled kills a server that is being written to: every write that was
// answered is there afterwards.
func TestKilled(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "target.jsonl")
	child := exec.Command(os.Args[0], "-test.run=^TestKilledServer$")
	child.Env = append(os.Environ(), "SCIMTEST_FILE="+path)
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = child.Process.Kill() }) // wherever the test ends
	base := ""
	for lines := bufio.NewScanner(out); base == "" && lines.Scan(); {
		base, _ = strings.CutPrefix(lines.Text(), "serving ")
	}
	if !strings.HasPrefix(base, "http://") {
		t.Fatalf("the server did not start: %q", base)
	}
	const answered = 50
	for i := range answered {
		if status, _, err := post(t, base+"/Users", userBody(fmt.Sprintf("u%d@example.com", i), "")); status != 201 {
			t.Fatalf("status %d: %v", status, err)
		}
	}
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := child.Wait(); err == nil {
		t.Error("the server was not killed")
	}
	if users, _, _ := newHarness(t, withFile(path)).Counts(); users != answered {
		t.Errorf("%d users survived, want %d", users, answered)
	}
}

// TestKilledServer is the server of TestKilled, in a process of its own.
func TestKilledServer(t *testing.T) {
	t.Parallel()
	path := os.Getenv("SCIMTEST_FILE")
	if path == "" {
		t.Skip("it is the other half of TestKilled")
	}
	s, err := New(Options{Token: token, File: path})
	if err != nil {
		t.Fatal(err)
	}
	base, _ := s.Start()
	fmt.Printf("serving %s\n", base)
	<-t.Context().Done()
}
