package scimtest

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/scimsync/scimsync/identity"
)

const sandboxHelp = `This is the application of the sandbox: a SCIM 2.0 server that keeps what it is given.
Here you play somebody else who changes it behind the agent's back.

GET    /sandbox/users               who is here
GET    /sandbox/groups              which groups, with their members
GET    /sandbox/users/NAME          one user as JSON; groups likewise; NAME is an id or a name
POST   /sandbox/users               create or replace from a JSON object; groups likewise
POST   /sandbox/edit                kind=user|group name=NAME path=title value=Boss; without value: removed
POST   /sandbox/members             group=NAME, add=USER or remove=USER
POST   /sandbox/delete              kind=user|group name=NAME
POST   /sandbox/seed                users=N groups=N members=N
POST   /sandbox/wipe                everything
GET    /sandbox/dump                everything as JSON
GET    /sandbox/requests            SCIM requests counted, and the latest ones
GET    /sandbox/hazards             faults in force, and how often each fired
POST   /sandbox/hazards             set them from a JSON object: {"EmptyMembers": true, "Throttle": {"Every": 5}}

For example: curl -d 'kind=user&name=ada@example.com&path=title&value=Countess' http://%s/sandbox/edit
`

// serveSandbox answers the requests under /sandbox/. They take no credential,
// so only this machine may send them, and no web page on it.
func (s *Server) serveSandbox(w http.ResponseWriter, r *http.Request) {
	if why := foreign(r); why != "" {
		http.Error(w, "the sandbox is for this machine only: "+why, http.StatusForbidden)
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, s.options.MaxBody)
	err := s.sandbox(w, r)
	if err == nil {
		return
	}
	status := http.StatusBadRequest
	if f, ok := errors.AsType[*fault](err); ok {
		status = f.status
	}
	http.Error(w, err.Error(), status)
}

// foreign says why a request does not come from a person on this machine. A
// browser sends Origin with every POST of a page, and a host name that was
// rebound to loopback is still a name.
func foreign(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil || !loopback(host) {
		return "the request came from elsewhere"
	}
	name := r.Host
	if h, _, err := net.SplitHostPort(name); err == nil {
		name = h
	}
	if !loopback(name) {
		return "call it by 127.0.0.1 or localhost"
	}
	if origin := r.Header.Get("Origin"); origin != "" && origin != "http://"+r.Host {
		return "a web page sent it"
	}
	return ""
}

func loopback(host string) bool {
	ip := net.ParseIP(strings.Trim(host, "[]"))
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

func (s *Server) sandbox(w http.ResponseWriter, r *http.Request) error {
	rest := strings.Trim(strings.TrimPrefix(r.URL.EscapedPath(), "/sandbox"), "/")
	verb, escaped, _ := strings.Cut(rest, "/")
	name, err := url.PathUnescape(escaped)
	if err != nil {
		return err
	}
	switch r.Method {
	case http.MethodGet:
		return s.sandboxGet(w, r, verb, name)
	case http.MethodPost:
		if name != "" {
			return notFound(r.URL.Path + ": see /sandbox/:")
		}
		if err := s.sandboxPost(r, verb); err != nil {
			return err
		}
		users, groups, memberships := s.Counts()
		fmt.Fprintf(w, "done: %d users, %d groups, %d memberships\n", users, groups, memberships)
		return nil
	}
	return &fault{http.StatusMethodNotAllowed, "", "use GET or POST; see /sandbox/"}
}

func (s *Server) sandboxGet(w http.ResponseWriter, r *http.Request, verb, name string) error {
	kind := identity.User
	if verb == "groups" {
		kind = identity.Group
	}
	if name != "" {
		if verb != "users" && verb != "groups" {
			return notFound(r.URL.Path + ": see /sandbox/:")
		}
		found, ok := s.Find(kind, name)
		if !ok {
			return notFound(string(kind) + " " + name)
		}
		return writeJSON(w, found)
	}
	switch verb {
	case "":
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		fmt.Fprintf(w, sandboxHelp, r.Host)
		return nil
	case "users":
		return s.printUsers(w)
	case "groups":
		return s.printGroups(w)
	case "dump":
		return writeJSON(w, map[string]any{"users": s.Users(), "groups": s.Groups()})
	case "requests":
		return s.printRequests(w)
	case "hazards":
		return writeJSON(w, map[string]any{"hazards": s.Hazards(), "fired": s.Fired()})
	}
	return notFound(r.URL.Path + ": see /sandbox/:")
}

func writeJSON(w http.ResponseWriter, v any) error {
	w.Header().Set("Content-Type", "application/json")
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	return encoder.Encode(v)
}

func table(w http.ResponseWriter) *tabwriter.Writer {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	return tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
}

func (s *Server) printUsers(w http.ResponseWriter) error {
	out := table(w)
	fmt.Fprintln(out, "ID\tUSERNAME\tACTIVE\tEXTERNALID")
	for _, u := range s.Users() {
		fmt.Fprintf(out, "%s\t%s\t%t\t%s\n", u.ID, u.Name, u.Active, u.ExternalID)
	}
	return out.Flush()
}

func (s *Server) printGroups(w http.ResponseWriter) error {
	names := map[string]string{}
	for _, list := range [][]Resource{s.Users(), s.Groups()} {
		for _, r := range list {
			names[r.ID] = r.Name
		}
	}
	const shown = 10
	out := table(w)
	fmt.Fprintln(out, "ID\tDISPLAYNAME\tMEMBERS\t")
	for _, g := range s.Groups() {
		var members []string
		for _, id := range g.Members[:min(shown, len(g.Members))] {
			members = append(members, names[id])
		}
		if len(g.Members) > shown {
			members = append(members, "…")
		}
		fmt.Fprintf(out, "%s\t%s\t%d\t%s\n", g.ID, g.Name, len(g.Members), strings.Join(members, ", "))
	}
	return out.Flush()
}

func (s *Server) printRequests(w http.ResponseWriter) error {
	out := table(w)
	counts := s.Requests()
	for _, kind := range slices.Sorted(maps.Keys(counts)) {
		fmt.Fprintf(out, "%d\t%s\n", counts[kind], kind)
	}
	if err := out.Flush(); err != nil {
		return err
	}
	for _, r := range s.Log() {
		path := r.Path
		if r.Query != "" {
			path += "?" + r.Query
		}
		fmt.Fprintf(w, "\n%d %s %s\n%s\n", r.Status, r.Method, path, r.Body)
	}
	return nil
}

// sandboxPost performs a change. Its parameters come as a form or in the query.
func (s *Server) sandboxPost(r *http.Request, verb string) error {
	switch verb {
	case "users", "groups", "hazards":
		return s.sandboxBody(r, verb)
	case "wipe":
		return s.Wipe()
	}
	// curl -d says form by default; Form holds the query too.
	if err := r.ParseForm(); err != nil {
		return err
	}
	kind := identity.Kind(r.Form.Get("kind"))
	if (verb == "edit" || verb == "delete") && kind != identity.User && kind != identity.Group {
		return invalidValue("kind must be user or group")
	}
	switch verb {
	case "edit":
		var value any
		if r.Form.Has("value") {
			value = typedValue(r.Form.Get("value"))
		}
		return s.Edit(kind, r.Form.Get("name"), r.Form.Get("path"), value)
	case "delete":
		return s.Delete(kind, r.Form.Get("name"))
	case "members":
		return s.sandboxMembers(r.Form)
	case "seed":
		return s.sandboxSeed(r.Form)
	}
	return notFound(r.URL.Path + ": see /sandbox/:")
}

// typedValue reads true, false and JSON lists and objects as such; everything
// else, numbers too, is text, as SCIM attributes are.
func typedValue(text string) any {
	var v any
	if json.Unmarshal([]byte(text), &v) == nil {
		switch v.(type) {
		case bool, []any, map[string]any:
			return v
		}
	}
	return text
}

func (s *Server) sandboxBody(r *http.Request, verb string) error {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return err
	}
	if verb == "hazards" {
		var h Hazards
		decoder := json.NewDecoder(strings.NewReader(string(body)))
		decoder.DisallowUnknownFields()
		if err := decoder.Decode(&h); err != nil {
			return fmt.Errorf("hazards: %w", err)
		}
		s.SetHazards(h)
		return nil
	}
	attributes, err := decodeBody(body)
	if err != nil {
		return err
	}
	kind := identity.User
	if verb == "groups" {
		kind = identity.Group
	}
	_, err = s.Put(kind, attributes)
	return err
}

func (s *Server) sandboxMembers(form url.Values) error {
	group := form.Get("group")
	switch {
	case form.Has("add"):
		return s.AddMember(group, form.Get("add"))
	case form.Has("remove"):
		return s.RemoveMember(group, form.Get("remove"))
	}
	return invalidValue("name a user with add or remove")
}

const maxSeed = 1_000_000

func (s *Server) sandboxSeed(form url.Values) error {
	count := map[string]int{}
	for _, name := range []string{"users", "groups", "members"} {
		if !form.Has(name) {
			continue
		}
		n, err := strconv.Atoi(form.Get(name))
		if err != nil || n < 0 || n > maxSeed {
			return invalidValue("%s must be a number up to %d", name, maxSeed)
		}
		count[name] = n
	}
	if err := s.Seed(count["users"]); err != nil {
		return err
	}
	return s.SeedGroups(count["groups"], count["members"])
}
