package oktatest

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
)

// sandboxRoutes are the changes over HTTP, for people trying things out:
//
//	GET    /sandbox/                              what there is
//	POST   /sandbox/users                         {"status":…, "profile":{"login":…}}
//	POST   /sandbox/users/{id}                    {"status":…, "profile":{…}}: update, rename, disable
//	POST   /sandbox/users/{id}/disable            to DEPROVISIONED; …/suspend, …/enable
//	DELETE /sandbox/users/{id}
//	POST   /sandbox/groups                        {"type":…, "profile":{"name":…}, "members":[…]}
//	POST   /sandbox/groups/{id}                   {"profile":{…}}: update, rename
//	DELETE /sandbox/groups/{id}
//	PUT    /sandbox/groups/{id}/users/{user}      DELETE takes it away
//	PUT    /sandbox/apps/{id}/users/{user}        DELETE takes it away
//	PUT    /sandbox/apps/{id}/groups/{group}      DELETE takes it away
//
// A user may be named by id or login. No credential is asked for, so a request
// that a web page makes a browser send is refused.
func (s *Server) sandboxRoutes() {
	admin := func(pattern string, do func(r *http.Request, in change) (any, error)) {
		s.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			s.serveSandbox(w, r, do)
		})
	}
	v := func(r *http.Request, name string) string { return r.PathValue(name) }
	admin("GET /sandbox/{$}", func(*http.Request, change) (any, error) { return s.summary(), nil })
	admin("POST /sandbox/users", func(_ *http.Request, in change) (any, error) {
		id, err := s.CreateUser(User{ID: in.ID, Status: in.Status, Profile: Profile(in.Profile)})
		return map[string]string{"id": id}, err
	})
	admin("POST /sandbox/users/{id}", func(r *http.Request, in change) (any, error) {
		key := v(r, "id")
		if in.Status != "" {
			if err := s.SetStatus(key, in.Status); err != nil {
				return nil, err
			}
		}
		if len(in.Profile) == 0 {
			return nil, nil
		}
		return nil, s.UpdateUser(key, in.Profile)
	})
	for step, status := range map[string]string{"disable": Deprovisioned, "suspend": Suspended, "enable": Active} {
		admin("POST /sandbox/users/{id}/"+step, func(r *http.Request, _ change) (any, error) {
			return nil, s.SetStatus(v(r, "id"), status)
		})
	}
	admin("DELETE /sandbox/users/{id}", func(r *http.Request, _ change) (any, error) { return nil, s.DeleteUser(v(r, "id")) })
	admin("POST /sandbox/groups", func(_ *http.Request, in change) (any, error) {
		id, err := s.CreateGroup(Group{ID: in.ID, Type: in.Type, Profile: Profile(in.Profile), Members: in.Members})
		return map[string]string{"id": id}, err
	})
	admin("POST /sandbox/groups/{id}", func(r *http.Request, in change) (any, error) {
		return nil, s.UpdateGroup(v(r, "id"), in.Profile)
	})
	admin("DELETE /sandbox/groups/{id}", func(r *http.Request, _ change) (any, error) { return nil, s.DeleteGroup(v(r, "id")) })
	admin("PUT /sandbox/groups/{id}/users/{user}", func(r *http.Request, _ change) (any, error) {
		return nil, s.AddMember(v(r, "id"), v(r, "user"))
	})
	admin("DELETE /sandbox/groups/{id}/users/{user}", func(r *http.Request, _ change) (any, error) {
		return nil, s.RemoveMember(v(r, "id"), v(r, "user"))
	})
	admin("PUT /sandbox/apps/{id}/users/{user}", func(r *http.Request, in change) (any, error) {
		return nil, s.AssignUser(v(r, "id"), AppUser{ID: v(r, "user"), Status: in.Status, Profile: Profile(in.Profile)})
	})
	admin("DELETE /sandbox/apps/{id}/users/{user}", func(r *http.Request, _ change) (any, error) {
		return nil, s.UnassignUser(v(r, "id"), v(r, "user"))
	})
	admin("PUT /sandbox/apps/{id}/groups/{group}", func(r *http.Request, _ change) (any, error) {
		return nil, s.AssignGroup(v(r, "id"), v(r, "group"))
	})
	admin("DELETE /sandbox/apps/{id}/groups/{group}", func(r *http.Request, _ change) (any, error) {
		return nil, s.UnassignGroup(v(r, "id"), v(r, "group"))
	})
}

// change is the body of a request below /sandbox/.
type change struct {
	ID      string         `json:"id"`
	Status  string         `json:"status"`
	Type    string         `json:"type"`
	Profile map[string]any `json:"profile"`
	Members []string       `json:"members"`
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

// Summary counts what an org holds.
type Summary struct {
	Users       map[string]int `json:"users"` // by status
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
		if u := &s.store.users[i]; !u.deleted {
			sum.Users[u.status]++
		}
	}
	for i := range s.store.groups {
		if g := &s.store.groups[i]; !g.deleted {
			sum.Groups++
			sum.Memberships += len(g.in)
		}
	}
	for i := range s.store.apps {
		sum.Apps = append(sum.Apps, fmt.Sprintf("%s %s", s.store.apps[i].id, cmp.Or(s.store.apps[i].label, "unnamed")))
	}
	return sum
}
