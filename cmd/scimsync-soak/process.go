package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// patience bounds the wait for a process to do what it was asked for.
const patience = 2 * time.Minute

// child is a process of the program under test, with its streams in files.
type child struct {
	cmd      *exec.Cmd
	out, err string // files
	ended    chan struct{}
}

// launch starts the program; its streams go to NAME.out and NAME.err in dir.
func launch(binary, dir, name string, args ...string) (*child, error) {
	c := &child{
		cmd: exec.Command(binary, args...), //nolint:noctx // it is ended by signals, in order
		out: filepath.Join(dir, name+".out"), err: filepath.Join(dir, name+".err"), ended: make(chan struct{}),
	}
	stdout, err := os.Create(c.out)
	if err != nil {
		return nil, err
	}
	defer stdout.Close() //nolint:errcheck // the child has its own
	stderr, err := os.Create(c.err)
	if err != nil {
		return nil, err
	}
	defer stderr.Close() //nolint:errcheck // the child has its own
	c.cmd.Stdout, c.cmd.Stderr, c.cmd.Dir = stdout, stderr, dir
	c.cmd.Env = append(withoutConfig(os.Environ()), "HTTP_PROXY=", "http_proxy=")
	c.cmd.SysProcAttr = apart()
	if err := c.cmd.Start(); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	go func() {
		_ = c.cmd.Wait() // the state says how it ended
		close(c.ended)
	}()
	return c, nil
}

func withoutConfig(environ []string) []string {
	var out []string
	for _, v := range environ {
		if !strings.HasPrefix(v, "SCIMSYNC_CONFIG=") {
			out = append(out, v)
		}
	}
	return out
}

func (c *child) over() bool {
	select {
	case <-c.ended:
		return true
	default:
		return false
	}
}

// end sends a signal and returns the exit code, which is -1 for a signal.
func (c *child) end(s syscall.Signal) (int, error) {
	if err := c.cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return 0, err
	}
	select {
	case <-c.ended:
		return c.cmd.ProcessState.ExitCode(), nil
	case <-time.After(patience):
		_ = c.cmd.Process.Kill() // it has not listened
		<-c.ended
		return 0, fmt.Errorf("process %d did not end within %s of %s", c.cmd.Process.Pid, patience, s)
	}
}

// finish runs the program to its end and returns the exit code.
func finish(ctx context.Context, binary, dir, name string, args ...string) (int, error) {
	c, err := launch(binary, dir, name, args...)
	if err != nil {
		return 0, err
	}
	select {
	case <-c.ended:
		return c.cmd.ProcessState.ExitCode(), nil
	case <-time.After(patience):
		err = fmt.Errorf("%s %s does not end", binary, strings.Join(args, " "))
	case <-ctx.Done():
		err = ctx.Err()
	}
	_ = c.cmd.Process.Kill() // nobody waits for it any more
	<-c.ended
	return 0, err
}

// tail returns the end of a file, for an error.
func tail(path string) string {
	data, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	const most = 2000
	if len(data) > most {
		data = data[len(data)-most:]
	}
	return string(data)
}
