package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

const largestAnswer = 16 << 20

// asker sends requests to servers on this machine.
type asker struct{ client *http.Client }

func newAsker() asker {
	return asker{&http.Client{
		Timeout:   10 * time.Second,
		Transport: &http.Transport{DisableKeepAlives: true}, // no proxy, and no connection to a process that has gone
	}}
}

// ask returns the status and body of an answer.
func (a asker) ask(ctx context.Context, method, url, token string) (int, []byte, error) {
	r, err := http.NewRequestWithContext(ctx, method, url, http.NoBody)
	if err != nil {
		return 0, nil, err
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	answer, err := a.client.Do(r)
	if err != nil {
		return 0, nil, err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(io.LimitReader(answer.Body, largestAnswer))
	return answer.StatusCode, body, err
}

// decode asks and decodes a JSON answer.
func (a asker) decode(ctx context.Context, method, url string, into any) error {
	status, body, err := a.ask(ctx, method, url, "")
	if err != nil {
		return err
	}
	if status != http.StatusOK {
		return fmt.Errorf("%s %s: status %d: %.200s", method, url, status, body)
	}
	if err := json.Unmarshal(body, into); err != nil {
		return fmt.Errorf("%s %s: %w", method, url, err)
	}
	return nil
}

// gauge reads one figure without labels from metrics in Prometheus's text form.
func gauge(metrics []byte, name string) (float64, error) {
	for line := range strings.Lines(string(metrics)) {
		if value, ok := strings.CutPrefix(line, name+" "); ok {
			return strconv.ParseFloat(strings.TrimSpace(value), 64)
		}
	}
	return 0, fmt.Errorf("the metrics have no %s", name)
}

// memory returns what a process holds in main memory, in bytes: VmRSS of Linux's
// /proc, or what ps says.
func memory(ctx context.Context, pid int) (int64, error) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err == nil {
		for line := range strings.Lines(string(data)) {
			if value, ok := strings.CutPrefix(line, "VmRSS:"); ok {
				return kilobytes(strings.TrimSuffix(strings.TrimSpace(value), " kB"))
			}
		}
		return 0, errors.New("/proc does not say how much memory the process has")
	}
	out, err := exec.CommandContext(ctx, "ps", "-o", "rss=", "-p", strconv.Itoa(pid)).Output()
	if err != nil {
		return 0, fmt.Errorf("ps: %w", err)
	}
	return kilobytes(strings.TrimSpace(string(out)))
}

func kilobytes(text string) (int64, error) {
	n, err := strconv.ParseInt(text, 10, 64)
	return n << 10, err
}
