package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"time"
)

// supervisor tells systemd how the daemon is doing, over the socket that the
// service manager names in the environment (sd_notify(3)). Without one it tells
// nobody.
type supervisor struct {
	conn *net.UnixConn
	// watchdog is how often systemd wants to hear that we live; 0: never.
	watchdog time.Duration
}

// newSupervisor reads the environment through look, as os.LookupEnv does.
func newSupervisor(look func(string) (string, bool)) (*supervisor, error) {
	s := &supervisor{}
	socket, ok := look("NOTIFY_SOCKET")
	if !ok || socket == "" {
		return s, nil
	}
	if !strings.HasPrefix(socket, "/") && !strings.HasPrefix(socket, "@") { // @: an abstract one
		return nil, fmt.Errorf("NOTIFY_SOCKET %q is neither a path nor an abstract socket", socket)
	}
	var err error
	if s.conn, err = net.DialUnix("unixgram", nil, &net.UnixAddr{Net: "unixgram", Name: socket}); err != nil {
		return nil, fmt.Errorf("NOTIFY_SOCKET: %w", err)
	}
	s.watchdog = watchdog(look)
	return s, nil
}

// watchdog returns the interval of WatchdogSec=, where it is meant for this
// process.
func watchdog(look func(string) (string, bool)) time.Duration {
	if pid, ok := look("WATCHDOG_PID"); ok && pid != strconv.Itoa(os.Getpid()) {
		return 0
	}
	text, _ := look("WATCHDOG_USEC")
	usec, err := strconv.ParseInt(text, 10, 64)
	if err != nil || usec <= 0 || usec > int64(24*time.Hour/time.Microsecond) {
		return 0
	}
	return time.Duration(usec) * time.Microsecond
}

// say sends assignments, one message.
func (s *supervisor) say(assignments ...string) error {
	if s.conn == nil {
		return nil
	}
	if err := s.conn.SetWriteDeadline(time.Now().Add(time.Second)); err != nil {
		return err
	}
	_, err := s.conn.Write([]byte(strings.Join(assignments, "\n")))
	return err
}

// status is the line that systemctl status shows.
func status(format string, args ...any) string {
	return "STATUS=" + strings.ReplaceAll(fmt.Sprintf(format, args...), "\n", " ")
}

// reloading says that a reload begins; READY=1 ends it. The time lets systemd
// tell this reload from an earlier one.
func (s *supervisor) reloading() error {
	if usec, ok := monotonic(); ok {
		return s.say("RELOADING=1", "MONOTONIC_USEC="+strconv.FormatInt(usec, 10))
	}
	return s.say("RELOADING=1")
}

func (s *supervisor) close() error {
	if s.conn == nil {
		return nil
	}
	if err := s.conn.Close(); !errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil
}
