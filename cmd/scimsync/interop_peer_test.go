package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// peer is a SCIM server that is not ours, in a process of its own: SCIMMY, as
// interop/server.mjs sets it up.
type peer struct {
	t   *testing.T
	url string // ends in /scim
}

// startPeer starts the server, or skips the test where it cannot run. With
// SCIMSYNC_INTEROP=required it fails instead, so that a build machine notices.
func startPeer(t *testing.T) *peer {
	t.Helper()
	missing := t.Skipf
	if os.Getenv("SCIMSYNC_INTEROP") == "required" {
		missing = t.Fatalf
	}
	folder := filepath.Join("..", "..", "interop")
	node, err := exec.LookPath("node")
	if err != nil {
		missing("node is not installed: %v", err)
	}
	if _, err := os.Stat(filepath.Join(folder, "node_modules", "scimmy-routers")); err != nil {
		missing("interop/node_modules is not complete (npm ci --prefix interop): %v", err)
	}
	var problems bytes.Buffer
	server := exec.CommandContext(t.Context(), node, "server.mjs")
	server.Dir, server.Env, server.Stderr = folder, append(os.Environ(), "SCIMMY_TOKEN="+scimToken), &problems
	server.WaitDelay = 10 * time.Second
	// The server ends with its standard input, also when this process is killed.
	hold, err := server.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := server.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		hold.Close()
		_ = server.Wait() // killed by then: the test's context has ended
		if problems.Len() > 0 {
			t.Logf("standard error of the server:\n%s", problems.String())
		}
	})
	first := make(chan string, 1)
	go func() {
		line, _ := bufio.NewReader(out).ReadString('\n')
		first <- strings.TrimSpace(line)
	}()
	select {
	case line := <-first:
		if u, err := url.Parse(line); err != nil || u.Host == "" {
			t.Fatalf("the server began with %q, not with its URL", line)
		}
		return &peer{t, line}
	case <-time.After(30 * time.Second):
		t.Fatal("the server did not say its URL within 30 s")
	}
	return nil
}

// call sends one request as any client would and demands its status.
func (p *peer) call(method, path string, body any, want int) []byte {
	p.t.Helper()
	var data []byte
	if body != nil {
		var err error
		if data, err = json.Marshal(body); err != nil {
			p.t.Fatal(err)
		}
	}
	r, err := http.NewRequestWithContext(p.t.Context(), method, p.url+path, bytes.NewReader(data))
	if err != nil {
		p.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+scimToken)
	r.Header.Set("Content-Type", "application/scim+json")
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		p.t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	if answer.StatusCode != want {
		p.t.Fatalf("%s %s: status %d, want %d: %s", method, path, answer.StatusCode, want, text)
	}
	return text
}

// create makes a resource behind scimsync's back and returns its id.
func (p *peer) create(collection string, attributes map[string]any) string {
	p.t.Helper()
	schema := "urn:ietf:params:scim:schemas:core:2.0:" + strings.TrimSuffix(collection, "s")
	attributes["schemas"] = []string{schema}
	var made peerResource
	if err := json.Unmarshal(p.call(http.MethodPost, "/"+collection, attributes, http.StatusCreated), &made); err != nil {
		p.t.Fatal(err)
	}
	return made.ID
}

// patch edits a resource behind scimsync's back.
func (p *peer) patch(path string, operations ...map[string]any) {
	p.t.Helper()
	p.call(http.MethodPatch, path, map[string]any{
		"schemas":    []string{"urn:ietf:params:scim:api:messages:2.0:PatchOp"},
		"Operations": operations,
	}, http.StatusOK)
}

// peerResource is a user or group at the peer.
type peerResource struct {
	ID, ExternalID, UserName, NickName, DisplayName, Title string
	Active                                                 bool
	Name                                                   struct{ GivenName, FamilyName string }
	Emails                                                 []struct{ Type, Value string }
	Members                                                []struct{ Value string }
	Enterprise                                             struct{ EmployeeNumber, Department string } `json:"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"`
}

func (a peerResource) email() string {
	for _, e := range a.Emails {
		if e.Type == "work" {
			return e.Value
		}
	}
	return ""
}

func (a peerResource) members() []string {
	ids := []string{}
	for _, m := range a.Members {
		ids = append(ids, m.Value)
	}
	return ids
}

// list returns all resources of a collection, by the one request of SCIMMY's
// that honours count.
func (p *peer) list(collection string) []peerResource {
	p.t.Helper()
	var page struct {
		TotalResults int
		Resources    []peerResource
	}
	answer := p.call(http.MethodPost, "/"+collection+"/.search", map[string]any{
		"schemas":    []string{"urn:ietf:params:scim:api:messages:2.0:SearchRequest"},
		"startIndex": 1, "count": 1_000_000,
	}, http.StatusOK)
	if err := json.Unmarshal(answer, &page); err != nil {
		p.t.Fatal(err)
	}
	if len(page.Resources) != page.TotalResults {
		p.t.Fatalf("the listing of %s holds %d of %d", collection, len(page.Resources), page.TotalResults)
	}
	return page.Resources
}

// named returns the one resource of a name.
func (p *peer) named(collection, name string) peerResource {
	p.t.Helper()
	for _, a := range p.list(collection) {
		if strings.EqualFold(a.UserName, name) || collection == "Groups" && a.DisplayName == name {
			return a
		}
	}
	p.t.Fatalf("%s: no %s", collection, name)
	return peerResource{}
}

// requests returns the counts of requests since the server started.
func (p *peer) requests() map[string]int {
	p.t.Helper()
	r, err := http.NewRequestWithContext(p.t.Context(), http.MethodGet, strings.TrimSuffix(p.url, "/scim")+"/requests", nil)
	if err != nil {
		p.t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		p.t.Fatal(err)
	}
	defer answer.Body.Close()
	counts := map[string]int{}
	if err := json.NewDecoder(answer.Body).Decode(&counts); err != nil {
		p.t.Fatal(err)
	}
	return counts
}
