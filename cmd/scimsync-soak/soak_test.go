package main

import (
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestStartsIn reads a log as the daemon writes it, with the words for a person
// that come between.
func TestStartsIn(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "daemon.err")
	log := `{"time":"2026-03-01T12:00:00.5Z","level":"INFO","msg":"listening","addr":"127.0.0.1:9464"}
{"time":"2026-03-01T12:00:01Z","level":"INFO","msg":"job started","job":"sandbox","trigger":"schedule","fire":"2026-03-01T12:00:00Z"}
{"time":"2026-03-01T12:00:02Z","level":"INFO","msg":"job ended","job":"sandbox","trigger":"schedule","result":"done","took":93000000}
{"time":"2026-03-01T12:00:30Z","level":"INFO","msg":"job started","job":"sandbox","trigger":"hook","fire":"0001-01-01T00:00:00Z"}

Stopping after what is in flight. Press Ctrl-C again to stop at once.
{"time":"2026-03-01T12:00:3`
	if err := os.WriteFile(path, []byte(log), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := startsIn(path)
	if err != nil {
		t.Fatal(err)
	}
	noon := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	want := []start{
		{at: noon.Add(time.Second), trigger: "schedule", fire: noon, result: "done"},
		{at: noon.Add(30 * time.Second), trigger: "hook"},
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if !got[1].fire.IsZero() {
		t.Error("a hook answers a fire")
	}
}

func TestGauge(t *testing.T) {
	t.Parallel()
	const text = "# HELP go_goroutines Number of goroutines.\n# TYPE go_goroutines gauge\ngo_goroutines 17\ngo_goroutines_total 3\n"
	if n, err := gauge([]byte(text), "go_goroutines"); n != 17 || err != nil {
		t.Errorf("%v, %v", n, err)
	}
	if _, err := gauge([]byte(text), "go_threads"); err == nil {
		t.Error("what is not there was found")
	}
}

// TestMemory measures this process, which is larger than a MiB and grows by what
// it is given.
func TestMemory(t *testing.T) {
	t.Parallel()
	before, err := memory(t.Context(), os.Getpid())
	if err != nil || before < 1<<20 {
		t.Fatalf("%d bytes, %v", before, err)
	}
	held := make([]byte, 64<<20)
	for i := range held {
		held[i] = byte(i)
	}
	after, err := memory(t.Context(), os.Getpid())
	if err != nil || after-before < 32<<20 {
		t.Errorf("64 MiB more show as %d bytes, %v", after-before, err)
	}
	if held[1] != 1 { // keeps it alive
		t.Fail()
	}
	if _, err := memory(t.Context(), 1<<30); err == nil {
		t.Error("a process that does not exist was measured")
	}
}

// TestChild tells an exit code from a signal.
func TestChild(t *testing.T) {
	t.Parallel()
	sh, err := os.Stat("/bin/sh")
	if err != nil || sh.IsDir() {
		t.Skip("there is no /bin/sh to run")
	}
	dir := t.TempDir()
	code, err := finish(t.Context(), "/bin/sh", dir, "three", "-c", "echo said; exit 3")
	if code != 3 || err != nil {
		t.Errorf("exit 3: %d, %v", code, err)
	}
	if said := tail(filepath.Join(dir, "three.out")); said != "said\n" {
		t.Errorf("its output: %q", said)
	}
	c, err := launch("/bin/sh", dir, "wait", "-c", "read -r never < /dev/zero")
	if err != nil {
		t.Fatal(err)
	}
	if c.over() {
		t.Error("it is over before it was ended")
	}
	if code, err := c.end(syscall.SIGKILL); code != -1 || err != nil || !c.over() {
		t.Errorf("killed: %d, %v", code, err)
	}
}

func TestParse(t *testing.T) {
	t.Parallel()
	binary := filepath.Join(t.TempDir(), "scimsync")
	if err := os.WriteFile(binary, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		args []string
		want string // in the error; empty: none
	}{
		"defaults":      {[]string{"-binary", binary}, ""},
		"three sources": {[]string{"-binary", binary, "-from", "okta,entra,sailpoint", "-time", "2m", "-plant", "drift"}, ""},
		"no binary":     {[]string{"-binary", binary + "-not"}, "make build"},
		"too short":     {[]string{"-binary", binary, "-time", "1s"}, "-time takes at least"},
		"no such plant": {[]string{"-binary", binary, "-plant", "weed"}, "-plant takes one of"},
		"a word":        {[]string{"-binary", binary, "okta"}, "flags only"},
		"no such flag":  {[]string{"-length", "1h"}, "not defined"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := parse(test.args, io.Discard)
			if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
				t.Errorf("error %v, want %q", err, test.want)
			}
		})
	}
}

func TestTable(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	table(&out, []*evidence{sound(), sound()})
	for _, want := range []string{
		"time 30m0s 30m0s", "restarts 1 stopped, 1 killed", "40 to 40 MiB", "plan at the end empty empty",
	} {
		if !strings.Contains(strings.Join(strings.Fields(out.String()), " "), want) {
			t.Errorf("the table lacks %q\n%s", want, out.String())
		}
	}
	for line := range strings.Lines(out.String()) {
		if len(line) > 121 {
			t.Errorf("%d columns: %s", len(line), line)
		}
	}
}
