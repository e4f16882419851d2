package main

import (
	"fmt"
	"net"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"
)

// limitGrowth sets how large a process may make files (prlimit(2)); what it may
// raise that to again is left alone.
func limitGrowth(pid int, size uint64) error {
	limit := syscall.Rlimit{Cur: size, Max: ^uint64(0)}
	_, _, errno := syscall.RawSyscall6(syscall.SYS_PRLIMIT64, uintptr(pid), syscall.RLIMIT_FSIZE,
		uintptr(unsafe.Pointer(&limit)), 0, 0, 0)
	if errno != 0 {
		return errno
	}
	return nil
}

// TestDaemonDiskFull takes the room for the state file away and gives it back:
// runs fail, the daemon goes on.
func TestDaemonDiskFull(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withSync(everyHour))
	w.withServer("")
	d := w.daemon(nil)
	d.ran(1)
	w.must(w.org.UpdateUser(w.activeIDs()[0], map[string]any{"firstName": "Renamed"}))
	w.must(limitGrowth(d.cmd.Process.Pid, 0))
	contains(t, d.runs(2), "result=failed", "ledger ")
	d.until("/readyz", 200)
	d.until("/healthz", 200)
	w.must(limitGrowth(d.cmd.Process.Pid, ^uint64(0)))
	contains(t, d.runs(3), "result=done")
	d.stops()
	w.settled()
}

// manager is the side of systemd that sd_notify(3) talks to.
type manager struct {
	t    *testing.T
	conn *net.UnixConn
	said []string
}

func newManager(t *testing.T, name string) *manager {
	t.Helper()
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Net: "unixgram", Name: name})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return &manager{t: t, conn: conn}
}

// hears waits for a message with an assignment.
func (m *manager) hears(assignment string) string {
	m.t.Helper()
	buffer := make([]byte, 4096)
	if err := m.conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
		m.t.Fatal(err)
	}
	for {
		n, err := m.conn.Read(buffer)
		if err != nil {
			m.t.Fatalf("%s was never said, but %q: %v", assignment, m.said, err)
		}
		text := string(buffer[:n])
		m.said = append(m.said, text)
		for line := range strings.Lines(text + "\n") {
			if strings.HasPrefix(line, assignment) {
				return text
			}
		}
	}
}

// TestDaemonUnderSystemd follows the life of a service of Type=notify.
func TestDaemonUnderSystemd(t *testing.T) {
	t.Parallel()
	for name, socket := range map[string]string{
		"path":     filepath.Join(t.TempDir(), "notify"),
		"abstract": fmt.Sprintf("@scimsync-test-%d", time.Now().UnixNano()),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newManager(t, socket)
			w := newWorld(t, withSync(everyHour))
			w.withServer("")
			d := w.start([]string{"NOTIFY_SOCKET=" + socket, "WATCHDOG_USEC=200000"}, "daemon")
			m.hears("READY=1")
			if text := m.hears("STATUS="); !strings.Contains(text, "1 sync, ") {
				t.Errorf("status: %q", text)
			}
			m.hears("WATCHDOG=1")
			before, ok := monotonic()
			d.signal(syscall.SIGHUP)
			text := m.hears("RELOADING=1")
			_, usec, _ := strings.Cut(text, "MONOTONIC_USEC=")
			at, err := strconv.ParseInt(usec, 10, 64)
			now, _ := monotonic()
			if !ok || err != nil || at < before || at > now {
				t.Errorf("%q, want a time from %d to %d", text, before, now)
			}
			m.hears("READY=1")
			d.signal(syscall.SIGTERM)
			m.hears("STOPPING=1")
			if r := d.end(); r.code != exitDone {
				t.Errorf("%s", r)
			}
		})
	}
}

func TestSupervisor(t *testing.T) {
	t.Parallel()
	env := func(pairs map[string]string) func(string) (string, bool) {
		return func(name string) (string, bool) { value, ok := pairs[name]; return value, ok }
	}
	if s, err := newSupervisor(env(nil)); err != nil || s.say("READY=1") != nil || s.watchdog != 0 || s.close() != nil {
		t.Errorf("without a manager: %v", err)
	}
	for _, socket := range []string{"relative", "vsock:2:1234", filepath.Join(t.TempDir(), "missing")} {
		if _, err := newSupervisor(env(map[string]string{"NOTIFY_SOCKET": socket})); err == nil {
			t.Errorf("%s is accepted", socket)
		}
	}
	for _, test := range []struct {
		usec, pid string
		want      time.Duration
	}{
		{"30000000", "", 30 * time.Second},
		{"30000000", "1", 0}, // another process
		{"0", "", 0},
		{"-5", "", 0},
		{"soon", "", 0},
		{"99999999999999999", "", 0},
	} {
		pairs := map[string]string{"WATCHDOG_USEC": test.usec}
		if test.pid != "" {
			pairs["WATCHDOG_PID"] = test.pid
		}
		if got := watchdog(env(pairs)); got != test.want {
			t.Errorf("%+v: %s", test, got)
		}
	}
}
