package sailpointtest

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// ErrNotFound says that the object to be changed does not exist.
var ErrNotFound = errors.New("no such object")

// table is one kind of object, in the order of ids.
type table[T any] struct {
	rows []T
	id   func(T) string
}

func (t *table[T]) find(id string) (int, bool) {
	return slices.BinarySearchFunc(t.rows, id, func(row T, id string) int { return cmp.Compare(t.id(row), id) })
}

// put adds a row or replaces the one with its id.
func (t *table[T]) put(row T) {
	at, found := t.find(t.id(row))
	if found {
		t.rows[at] = row
		return
	}
	t.rows = slices.Insert(t.rows, at, row)
}

func (t *table[T]) get(id string) (T, bool) {
	at, found := t.find(id)
	if !found {
		var none T
		return none, false
	}
	return t.rows[at], true
}

func (t *table[T]) remove(id string) bool {
	at, found := t.find(id)
	if found {
		t.rows = slices.Delete(t.rows, at, at+1)
	}
	return found
}

func newTable[T any](kind string, rows []T, id func(T) string) (table[T], error) {
	t := table[T]{rows: slices.Clone(rows), id: id}
	slices.SortFunc(t.rows, func(a, b T) int { return cmp.Compare(id(a), id(b)) })
	for i := range t.rows {
		switch {
		case id(t.rows[i]) == "":
			return t, fmt.Errorf("%s without an id", kind)
		case i > 0 && id(t.rows[i]) == id(t.rows[i-1]):
			return t, fmt.Errorf("%s %s is there twice", kind, id(t.rows[i]))
		}
	}
	return t, nil
}

type store struct {
	sources      table[Connection]
	entitlements table[Entitlement]
	accounts     table[Account]
	profiles     table[AccessProfile]
}

func newStore(w World) (*store, error) {
	st := &store{}
	var errs [4]error
	st.sources, errs[0] = newTable("source", w.Sources, func(c Connection) string { return c.ID })
	st.entitlements, errs[1] = newTable("entitlement", w.Entitlements, func(e Entitlement) string { return e.ID })
	st.accounts, errs[2] = newTable("account", w.Accounts, func(a Account) string { return a.ID })
	st.profiles, errs[3] = newTable("access profile", w.AccessProfiles, func(p AccessProfile) string { return p.ID })
	if err := errors.Join(errs[:]...); err != nil {
		return nil, err
	}
	for i, e := range st.entitlements.rows {
		if _, ok := st.sources.get(e.SourceID); !ok {
			return nil, fmt.Errorf("entitlement %s is of source %q, which does not exist", e.ID, e.SourceID)
		}
		st.entitlements.rows[i] = settledEntitlement(e, Epoch())
	}
	for i, a := range st.accounts.rows {
		if _, ok := st.sources.get(a.SourceID); !ok {
			return nil, fmt.Errorf("account %s is of source %q, which does not exist", a.ID, a.SourceID)
		}
		st.accounts.rows[i] = settledAccount(a, Epoch())
	}
	for i, p := range st.profiles.rows {
		if _, ok := st.sources.get(p.SourceID); !ok {
			return nil, fmt.Errorf("access profile %s is of source %q, which does not exist", p.ID, p.SourceID)
		}
		st.profiles.rows[i] = settledProfile(p, Epoch())
	}
	return st, nil
}

func settledProfile(p AccessProfile, now time.Time) AccessProfile {
	p.Entitlements = slices.Clone(p.Entitlements)
	if p.Created.IsZero() {
		p.Created = now
	}
	if p.Modified.IsZero() {
		p.Modified = p.Created
	}
	return p
}

func settledEntitlement(e Entitlement, now time.Time) Entitlement {
	e = e.clone()
	e.Type, e.Attribute = cmp.Or(e.Type, "group"), cmp.Or(e.Attribute, "memberOf")
	if e.Created.IsZero() {
		e.Created = now
	}
	if e.Modified.IsZero() {
		e.Modified = e.Created
	}
	return e
}

func settledAccount(a Account, now time.Time) Account {
	a = a.clone()
	if a.Created.IsZero() {
		a.Created = now
	}
	if a.Modified.IsZero() {
		a.Modified = a.Created
	}
	return a
}

// PutAccount adds an account or replaces the one with its id.
func (s *Server) PutAccount(a Account) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.store.sources.get(a.SourceID); !ok || a.ID == "" {
		return fmt.Errorf("account %q of source %q: an id and a source that exists are needed", a.ID, a.SourceID)
	}
	a.Modified = s.now()
	s.store.accounts.put(settledAccount(a, s.now()))
	return nil
}

// PutEntitlement adds an entitlement or replaces the one with its id. Accounts
// are left as they are.
func (s *Server) PutEntitlement(e Entitlement) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.store.sources.get(e.SourceID); !ok || e.ID == "" {
		return fmt.Errorf("entitlement %q of source %q: an id and a source that exists are needed", e.ID, e.SourceID)
	}
	e.Modified = s.now()
	s.store.entitlements.put(settledEntitlement(e, s.now()))
	return nil
}

// PutAccessProfile adds an access profile or replaces the one with its id, whose
// time of creation stays.
func (s *Server) PutAccessProfile(p AccessProfile) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.store.sources.get(p.SourceID); !ok || p.ID == "" {
		return fmt.Errorf("access profile %q of source %q: an id and a source that exists are needed", p.ID, p.SourceID)
	}
	if old, ok := s.store.profiles.get(p.ID); ok {
		p.Created = old.Created
	}
	p.Modified = s.now()
	s.store.profiles.put(settledProfile(p, s.now()))
	return nil
}

// RemoveAccessProfile takes an access profile away.
func (s *Server) RemoveAccessProfile(id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.store.profiles.remove(id) {
		return fmt.Errorf("access profile %s: %w", id, ErrNotFound)
	}
	return nil
}

// UpdateAccount lets change edit an account; its id stays.
func (s *Server) UpdateAccount(id string, change func(*Account)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	a, ok := s.store.accounts.get(id)
	if !ok {
		return fmt.Errorf("account %s: %w", id, ErrNotFound)
	}
	a = a.clone()
	change(&a)
	a.ID, a.Modified = id, s.now()
	s.store.accounts.put(a)
	return nil
}

// RemoveAccount takes an account away.
func (s *Server) RemoveAccount(id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.store.accounts.remove(id) {
		return fmt.Errorf("account %s: %w", id, ErrNotFound)
	}
	return nil
}

// RenameEntitlement gives an entitlement another name and value under the same
// id; the accounts that hold it show the new value, as after an aggregation. An
// empty name or value stays as it is.
func (s *Server) RenameEntitlement(id, name, value string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	e, ok := s.store.entitlements.get(id)
	if !ok {
		return fmt.Errorf("entitlement %s: %w", id, ErrNotFound)
	}
	old := e
	e.Name, e.Value, e.Modified = cmp.Or(name, e.Name), cmp.Or(value, e.Value), s.now()
	s.store.entitlements.put(e)
	if e.Value == old.Value {
		return nil
	}
	for i, a := range s.store.accounts.rows {
		if a.SourceID == e.SourceID && holds(a, old) {
			s.store.accounts.rows[i] = with(without(a, old), e)
		}
	}
	return nil
}

// RemoveEntitlement takes an entitlement away, also from the accounts.
func (s *Server) RemoveEntitlement(id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	e, ok := s.store.entitlements.get(id)
	if !ok {
		return fmt.Errorf("entitlement %s: %w", id, ErrNotFound)
	}
	s.store.entitlements.remove(id)
	for i, a := range s.store.accounts.rows {
		if a.SourceID == e.SourceID && holds(a, e) {
			s.store.accounts.rows[i] = without(a, e)
		}
	}
	return nil
}

// Grant gives an account an entitlement.
func (s *Server) Grant(entitlement, account string) error {
	return s.edit(entitlement, account, with)
}

// Revoke takes it away again.
func (s *Server) Revoke(entitlement, account string) error {
	return s.edit(entitlement, account, without)
}

func (s *Server) edit(entitlement, account string, change func(Account, Entitlement) Account) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	e, okE := s.store.entitlements.get(entitlement)
	a, okA := s.store.accounts.get(account)
	if !okE || !okA {
		return fmt.Errorf("entitlement %s, account %s: %w", entitlement, account, ErrNotFound)
	}
	a = change(a, e)
	a.Modified = s.now()
	s.store.accounts.put(a)
	return nil
}

// held returns the values of the entitlement's attribute.
func held(a Account, attribute string) []any {
	switch v := a.Attributes[attribute].(type) {
	case nil:
		return nil
	case []any:
		return v
	default:
		return []any{v}
	}
}

func holds(a Account, e Entitlement) bool {
	return slices.ContainsFunc(held(a, e.Attribute), func(v any) bool { return same(v, e) })
}

// same reports whether a value names the entitlement, spelled in any of the ways
// Synthetic does.
func same(v any, e Entitlement) bool {
	s, ok := v.(string)
	return ok && strings.EqualFold(strings.ReplaceAll(s, " ", ""), strings.ReplaceAll(e.Value, " ", ""))
}

func with(a Account, e Entitlement) Account {
	a = without(a, e)
	a.Attributes[e.Attribute] = append(held(a, e.Attribute), e.Value)
	return a
}

// without drops the entitlement's value, however it is spelled.
func without(a Account, e Entitlement) Account {
	a = a.clone()
	if a.Attributes == nil {
		a.Attributes = map[string]any{}
	}
	a.Attributes[e.Attribute] = slices.DeleteFunc(slices.Clone(held(a, e.Attribute)), func(v any) bool { return same(v, e) })
	return a
}
