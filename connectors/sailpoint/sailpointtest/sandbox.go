package sailpointtest

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
)

// sandboxRoutes are the changes over HTTP, for people trying things out:
//
//	GET    /sandbox/                                  what there is
//	POST   /sandbox/accounts                          {"id":…, "name":…, "attributes":{…}}: add
//	POST   /sandbox/accounts/{id}                     {"name":…, "disabled":…, "attributes":{…}}: update
//	DELETE /sandbox/accounts/{id}
//	POST   /sandbox/entitlements                      {"id":…, "name":…, "value":…}: add a group
//	POST   /sandbox/entitlements/{id}                 {"name":…, "value":…}: rename, move
//	DELETE /sandbox/entitlements/{id}
//	PUT    /sandbox/entitlements/{id}/accounts/{account}   DELETE takes it away
//	POST   /sandbox/access-profiles                   {"id":…, "name":…, "entitlements":[…], "disabled":…}: add or replace
//	DELETE /sandbox/access-profiles/{id}
//
// No credential is asked for, so a request that a web page makes a browser send
// is refused.
func (s *Server) sandboxRoutes() {
	admin := func(pattern string, do func(r *http.Request, in change) (any, error)) {
		s.sandbox.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) { serveSandbox(w, r, do) })
	}
	id := func(r *http.Request) string { return r.PathValue("id") }
	admin("GET /sandbox/{$}", func(*http.Request, change) (any, error) { return s.summary(), nil })
	admin("POST /sandbox/accounts", func(_ *http.Request, in change) (any, error) {
		a := Account{
			ID: in.ID, SourceID: cmp.Or(in.SourceID, s.firstSource()), Name: in.Name,
			NativeIdentity: cmp.Or(in.Value, DN(in.Name, "People")), IdentityID: "identity-" + in.ID, CloudLifecycleState: "active",
		}
		in.apply(&a)
		return nil, s.PutAccount(a)
	})
	admin("POST /sandbox/accounts/{id}", func(r *http.Request, in change) (any, error) { return nil, s.UpdateAccount(id(r), in.apply) })
	admin("DELETE /sandbox/accounts/{id}", func(r *http.Request, _ change) (any, error) { return nil, s.RemoveAccount(id(r)) })
	admin("POST /sandbox/entitlements", func(_ *http.Request, in change) (any, error) {
		e := Group(in.ID, in.Name, cmp.Or(in.Value, DN(in.Name, "Groups")))
		e.SourceID = cmp.Or(in.SourceID, s.firstSource())
		return nil, s.PutEntitlement(e)
	})
	admin("POST /sandbox/entitlements/{id}", func(r *http.Request, in change) (any, error) {
		return nil, s.RenameEntitlement(id(r), in.Name, in.Value)
	})
	admin("DELETE /sandbox/entitlements/{id}", func(r *http.Request, _ change) (any, error) { return nil, s.RemoveEntitlement(id(r)) })
	admin("PUT /sandbox/entitlements/{id}/accounts/{account}", func(r *http.Request, _ change) (any, error) {
		return nil, s.Grant(id(r), r.PathValue("account"))
	})
	admin("DELETE /sandbox/entitlements/{id}/accounts/{account}", func(r *http.Request, _ change) (any, error) {
		return nil, s.Revoke(id(r), r.PathValue("account"))
	})
	admin("POST /sandbox/access-profiles", func(_ *http.Request, in change) (any, error) {
		p := Profile(in.ID, in.Name, in.Entitlements...)
		p.SourceID = cmp.Or(in.SourceID, s.firstSource())
		p.Disabled = in.Disabled != nil && *in.Disabled
		return nil, s.PutAccessProfile(p)
	})
	admin("DELETE /sandbox/access-profiles/{id}", func(r *http.Request, _ change) (any, error) { return nil, s.RemoveAccessProfile(id(r)) })
}

// change is the body of a request below /sandbox/.
type change struct {
	ID         string         `json:"id"`
	SourceID   string         `json:"sourceId"`
	Name       string         `json:"name"`
	Value      string         `json:"value"`
	Disabled   *bool          `json:"disabled"`
	Attributes map[string]any `json:"attributes"`
	// Entitlements are those of an access profile.
	Entitlements []string `json:"entitlements"`
}

// apply makes the change to an account.
func (c change) apply(a *Account) {
	a.Name = cmp.Or(c.Name, a.Name)
	if c.Disabled != nil {
		a.Disabled = *c.Disabled
	}
	if a.Attributes == nil {
		a.Attributes = map[string]any{}
	}
	maps.Copy(a.Attributes, c.Attributes)
}

func (s *Server) firstSource() string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if len(s.store.sources.rows) == 0 {
		return ""
	}
	return s.store.sources.rows[0].ID
}

func serveSandbox(w http.ResponseWriter, r *http.Request, do func(*http.Request, change) (any, error)) {
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
	Sources      []string       `json:"sources"`
	Entitlements int            `json:"entitlements"`
	Accounts     int            `json:"accounts"`
	Disabled     int            `json:"disabled"`
	Profiles     int            `json:"accessProfiles"`
	Requests     map[string]int `json:"requests"`
}

func (s *Server) summary() Summary {
	sum := Summary{Sources: []string{}, Requests: s.Requests()}
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, c := range s.store.sources.rows {
		sum.Sources = append(sum.Sources, fmt.Sprintf("%s %s", c.ID, c.Name))
	}
	sum.Entitlements, sum.Accounts = len(s.store.entitlements.rows), len(s.store.accounts.rows)
	sum.Profiles = len(s.store.profiles.rows)
	for _, a := range s.store.accounts.rows {
		if a.Disabled {
			sum.Disabled++
		}
	}
	return sum
}
