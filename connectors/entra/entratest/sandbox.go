package entratest

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
)

// sandboxRoutes are the changes over HTTP, for people trying things out:
//
//	GET    /sandbox/                              what there is
//	POST   /sandbox/users                         {"id":…, "properties":{"userPrincipalName":…}}
//	POST   /sandbox/users/{id}                    {"properties":{…}}: update, rename
//	POST   /sandbox/users/{id}/disable            …/enable, …/restore
//	DELETE /sandbox/users/{id}                    ?purge=true for good
//	POST   /sandbox/groups                        {"id":…, "properties":{"displayName":…}, "members":[…]}
//	POST   /sandbox/groups/{id}                   {"properties":{…}}: update, rename
//	DELETE /sandbox/groups/{id}
//	PUT    /sandbox/groups/{id}/members/{member}  DELETE takes it away
//	PUT    /sandbox/apps/{id}/assigned/{id}       DELETE takes it away; the app by appId
//	POST   /sandbox/expire                        ends every delta token
//
// A user may be named by id or userPrincipalName. No credential is asked for, so
// a request that a web page makes a browser send is refused.
func (s *Server) sandboxRoutes() {
	admin := func(pattern string, do func(r *http.Request, in change) (any, error)) {
		s.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) { s.serveSandbox(w, r, do) })
	}
	v := func(r *http.Request, name string) string { return r.PathValue(name) }
	admin("GET /sandbox/{$}", func(*http.Request, change) (any, error) { return s.summary(), nil })
	admin("POST /sandbox/users", func(_ *http.Request, in change) (any, error) {
		id, err := s.CreateUser(User{ID: in.ID, Properties: in.Properties})
		return map[string]string{"id": id}, err
	})
	admin("POST /sandbox/users/{id}", func(r *http.Request, in change) (any, error) {
		return nil, s.UpdateUser(v(r, "id"), in.Properties)
	})
	admin("POST /sandbox/users/{id}/disable", func(r *http.Request, _ change) (any, error) { return nil, s.SetEnabled(v(r, "id"), false) })
	admin("POST /sandbox/users/{id}/enable", func(r *http.Request, _ change) (any, error) { return nil, s.SetEnabled(v(r, "id"), true) })
	admin("POST /sandbox/users/{id}/restore", func(r *http.Request, _ change) (any, error) { return nil, s.RestoreUser(v(r, "id")) })
	admin("DELETE /sandbox/users/{id}", func(r *http.Request, _ change) (any, error) {
		if r.URL.Query().Get("purge") == "true" {
			return nil, s.PurgeUser(v(r, "id"))
		}
		return nil, s.DeleteUser(v(r, "id"))
	})
	admin("POST /sandbox/groups", func(_ *http.Request, in change) (any, error) {
		id, err := s.CreateGroup(Group(in))
		return map[string]string{"id": id}, err
	})
	admin("POST /sandbox/groups/{id}", func(r *http.Request, in change) (any, error) {
		return nil, s.UpdateGroup(v(r, "id"), in.Properties)
	})
	admin("DELETE /sandbox/groups/{id}", func(r *http.Request, _ change) (any, error) { return nil, s.DeleteGroup(v(r, "id")) })
	admin("PUT /sandbox/groups/{id}/members/{member}", func(r *http.Request, _ change) (any, error) {
		return nil, s.AddMember(v(r, "id"), v(r, "member"))
	})
	admin("DELETE /sandbox/groups/{id}/members/{member}", func(r *http.Request, _ change) (any, error) {
		return nil, s.RemoveMember(v(r, "id"), v(r, "member"))
	})
	admin("PUT /sandbox/apps/{id}/assigned/{principal}", func(r *http.Request, _ change) (any, error) {
		return nil, s.Assign(v(r, "id"), v(r, "principal"))
	})
	admin("DELETE /sandbox/apps/{id}/assigned/{principal}", func(r *http.Request, _ change) (any, error) {
		return nil, s.Unassign(v(r, "id"), v(r, "principal"))
	})
	admin("POST /sandbox/expire", func(*http.Request, change) (any, error) {
		s.ExpireTokens()
		return nil, nil
	})
}

// change is the body of a request below /sandbox/.
type change struct {
	ID         string         `json:"id"`
	Properties map[string]any `json:"properties"`
	Members    []string       `json:"members"`
}

func (s *Server) serveSandbox(w http.ResponseWriter, r *http.Request, do func(*http.Request, change) (any, error)) {
	if r.Header.Get("Origin") != "" || r.Header.Get("Sec-Fetch-Site") != "" && r.Method != http.MethodGet {
		sandboxAnswer(w, http.StatusForbidden, map[string]string{"error": "not for web pages: use curl"})
		return
	}
	var in change
	decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<20))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&in); err != nil && !errors.Is(err, io.EOF) {
		sandboxAnswer(w, http.StatusBadRequest, map[string]string{"error": err.Error()})
		return
	}
	out, err := do(r, in)
	switch {
	case errors.Is(err, ErrNotFound):
		sandboxAnswer(w, http.StatusNotFound, map[string]string{"error": err.Error()})
	case err != nil:
		sandboxAnswer(w, http.StatusConflict, map[string]string{"error": err.Error()})
	case out == nil:
		w.WriteHeader(http.StatusNoContent)
	default:
		sandboxAnswer(w, http.StatusOK, out)
	}
}

func sandboxAnswer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	// A client that has gone away is its own business.
	_ = json.NewEncoder(w).Encode(v)
}

// Summary counts what a tenant holds.
type Summary struct {
	Users       map[string]int `json:"users"` // enabled, disabled, deleted
	Groups      int            `json:"groups"`
	Memberships int            `json:"memberships"`
	Apps        []string       `json:"apps"`
	Requests    map[string]int `json:"requests"`
}

func (s *Server) summary() Summary {
	sum := Summary{Users: map[string]int{}, Apps: []string{}, Requests: s.Requests()}
	s.mu.RLock()
	defer s.mu.RUnlock()
	for i := range s.store.users {
		u := &s.store.users[i]
		switch {
		case u.state != live:
			sum.Users["deleted"]++
		case u.props["accountEnabled"] == true:
			sum.Users["enabled"]++
		default:
			sum.Users["disabled"]++
		}
	}
	for i := range s.store.groups {
		if g := &s.store.groups[i]; g.state == live {
			sum.Groups++
			sum.Memberships += len(g.members)
		}
	}
	for i := range s.store.apps {
		sum.Apps = append(sum.Apps, s.store.apps[i].AppID+" "+s.store.apps[i].Name)
	}
	return sum
}
