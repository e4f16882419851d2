package sailpointtest

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// maxLimit is what every list allows; more is refused.
const maxLimit = 250

// resourceOf is one list of the API.
type resourceOf[T any] struct {
	grammar grammar
	table   func(*store) *table[T]
	field   func(T, string) any
	render  func(*store, T) map[string]any
}

const (
	words = "eq in sw"
	times = "gt ge lt le"
)

func sources() resourceOf[Connection] {
	return resourceOf[Connection]{
		grammar: grammar{
			filters: map[string]string{"id": words, "name": "eq in sw"},
			sorters: []string{"id", "name"},
		},
		table: func(st *store) *table[Connection] { return &st.sources },
		field: func(c Connection, name string) any { return map[string]any{"id": c.ID, "name": c.Name}[name] },
		render: func(_ *store, c Connection) map[string]any {
			return map[string]any{
				"id": c.ID, "name": c.Name, "description": "", "type": "Active Directory - Direct", "authoritative": false,
				"connector": "active-directory-angularsc", "features": []any{"UNSTRUCTURED_TARGETS", "ENABLE", "SYNC_PROVISIONING"},
				"created": stamp(Epoch()), "modified": stamp(Epoch()), "healthy": true, "status": "SOURCE_STATE_HEALTHY",
			}
		},
	}
}

// entitlements are described under listEntitlements (API v2025).
func entitlements() resourceOf[Entitlement] {
	return resourceOf[Entitlement]{
		grammar: grammar{
			filters: map[string]string{
				"id": words, "name": words, "type": words, "attribute": words, "value": words, "source.id": "eq in",
				"requestable": "eq", "created": times, "modified": times, "owner.id": "eq in",
			},
			sorters: []string{"id", "name", "created", "modified", "type", "attribute", "value", "source.id", "requestable"},
			plus:    plusFindsNothing,
		},
		table: func(st *store) *table[Entitlement] { return &st.entitlements },
		field: func(e Entitlement, name string) any {
			switch name {
			case "id":
				return e.ID
			case "name":
				return e.Name
			case "type":
				return e.Type
			case "attribute":
				return e.Attribute
			case "value":
				return e.Value
			case "source.id":
				return e.SourceID
			case "requestable":
				return e.Requestable
			case "created":
				return e.Created
			case "modified":
				return e.Modified
			}
			return nil
		},
		render: func(st *store, e Entitlement) map[string]any {
			source, _ := st.sources.get(e.SourceID)
			attributes := e.Attributes
			if attributes == nil {
				attributes = map[string]any{}
			}
			return map[string]any{
				"id": e.ID, "name": e.Name, "attribute": e.Attribute, "value": e.Value, "sourceSchemaObjectType": e.Type,
				"description": nullable(e.Description), "privileged": e.Privileged, "requestable": e.Requestable,
				"cloudGoverned": false, "owner": nil, "source": map[string]any{"type": "SOURCE", "id": source.ID, "name": source.Name},
				"attributes": attributes, "segments": nil, "directPermissions": []any{},
				"created": stamp(e.Created), "modified": stamp(e.Modified),
			}
		},
	}
}

// accounts are described under listAccounts (API v2025).
func accounts() resourceOf[Account] {
	return resourceOf[Account]{
		grammar: grammar{
			filters: map[string]string{
				"id": words, "identityId": words, "name": words, "nativeIdentity": words, "sourceId": words,
				"uncorrelated": "eq", "hasEntitlements": "eq", "created": times, "modified": times,
			},
			sorters: []string{"id", "name", "created", "modified", "sourceId", "identityId", "nativeIdentity", "uuid"},
		},
		table: func(st *store) *table[Account] { return &st.accounts },
		field: func(a Account, name string) any {
			switch name {
			case "id":
				return a.ID
			case "identityId":
				return a.IdentityID
			case "name":
				return a.Name
			case "nativeIdentity":
				return a.NativeIdentity
			case "sourceId":
				return a.SourceID
			case "uuid":
				return a.UUID
			case "uncorrelated":
				return a.Uncorrelated
			case "hasEntitlements":
				return len(held(a, "memberOf")) > 0
			case "created":
				return a.Created
			case "modified":
				return a.Modified
			}
			return nil
		},
		render: func(st *store, a Account) map[string]any {
			source, _ := st.sources.get(a.SourceID)
			var owner any
			if a.IdentityID != "" {
				owner = map[string]any{"type": "IDENTITY", "id": a.IdentityID, "name": a.Name}
			}
			attributes := any(a.Attributes)
			if a.Attributes == nil {
				attributes = nil
			}
			return map[string]any{
				"id": a.ID, "name": a.Name, "nativeIdentity": a.NativeIdentity, "uuid": nullable(a.UUID),
				"sourceId": a.SourceID, "sourceName": source.Name, "identityId": nullable(a.IdentityID), "identity": owner,
				"description": nil, "disabled": a.Disabled, "locked": a.Locked, "uncorrelated": a.Uncorrelated,
				"systemAccount": a.SystemAccount, "isMachine": a.IsMachine, "authoritative": false, "manuallyCorrelated": false,
				"hasEntitlements": len(held(a, "memberOf")) > 0, "cloudLifecycleState": nullable(a.CloudLifecycleState),
				"connectionType": "direct", "origin": "AGGREGATED", "features": "ENABLE",
				"attributes": attributes, "created": stamp(a.Created), "modified": stamp(a.Modified),
			}
		},
	}
}

// profiles are described under listAccessProfiles (API v2025), which cannot be
// sorted by id.
func profiles() resourceOf[AccessProfile] {
	return resourceOf[AccessProfile]{
		grammar: grammar{
			filters: map[string]string{
				"id": "eq in", "name": "eq sw", "created": "gt ge le", "modified": times, "owner.id": "eq in",
				"requestable": "eq", "source.id": "eq in",
			},
			sorters: []string{"name", "created", "modified"},
			plus:    plusFindsNothing,
		},
		table: func(st *store) *table[AccessProfile] { return &st.profiles },
		field: func(p AccessProfile, name string) any {
			return map[string]any{
				"id": p.ID, "name": p.Name, "source.id": p.SourceID, "created": p.Created, "modified": p.Modified, "requestable": true,
			}[name]
		},
		render: func(st *store, p AccessProfile) map[string]any {
			source, _ := st.sources.get(p.SourceID)
			held := []any{}
			for _, id := range p.Entitlements {
				e, _ := st.entitlements.get(id)
				held = append(held, map[string]any{"type": "ENTITLEMENT", "id": id, "name": e.Name})
			}
			return map[string]any{
				"id": p.ID, "name": p.Name, "description": nullable(p.Description), "enabled": !p.Disabled, "requestable": true,
				"created": stamp(p.Created), "modified": stamp(p.Modified),
				"owner":  map[string]any{"type": "IDENTITY", "id": "2c9180a46faadee4016fb4e018c20639", "name": "Sandbox Admin"},
				"source": map[string]any{"type": "SOURCE", "id": source.ID, "name": source.Name}, "entitlements": held,
				"accessRequestConfig": nil, "revocationRequestConfig": nil, "segments": []any{}, "provisioningCriteria": nil,
			}
		},
	}
}

func (s *Server) listSources(c *call)      { page(c, sources()) }
func (s *Server) listEntitlements(c *call) { page(c, entitlements()) }
func (s *Server) listAccounts(c *call)     { page(c, accounts()) }
func (s *Server) listProfiles(c *call)     { page(c, profiles()) }
func (s *Server) getSource(c *call)        { one(c, sources()) }
func (s *Server) getEntitlement(c *call)   { one(c, entitlements()) }
func (s *Server) getAccount(c *call)       { one(c, accounts()) }
func (s *Server) getProfile(c *call)       { one(c, profiles()) }

// mostRows is what a list answers at a time: 250, and 50 access profiles in the
// versions before v2024.
func (c *call) mostRows(name string) int {
	if name == "GET /access-profiles" && (c.version == "beta" || c.version == "v3") {
		return 50
	}
	return maxLimit
}

// page answers one page of a list: limit at most 250, offset in rows, filters and
// sorters of the listed fields only.
func page[T any](c *call, res resourceOf[T]) {
	q := c.r.URL.Query()
	e, _, _ := c.s.route(c.r)
	most := c.mostRows(e.name)
	limit, err := number(q.Get("limit"), most, most)
	if err != nil {
		c.fail(invalid("limit " + err.Error()))
		return
	}
	offset, err := number(q.Get("offset"), 0, 1<<31-1)
	if err != nil {
		c.fail(invalid("offset " + err.Error()))
		return
	}
	if c.options.PageCap > 0 {
		limit = min(limit, c.options.PageCap)
	}
	var keep condition
	if text := q.Get("filters"); text != "" {
		if keep, err = parseFilter(text, res.grammar); err != nil {
			c.fail(invalid("Invalid filter: " + err.Error()))
			return
		}
	}
	if q.Has("account-id") && keep != nil {
		c.fail(invalid("filters and account-id cannot be given together"))
		return
	}
	order, err := ordering(res, q.Get("sorters"))
	if err != nil {
		c.fail(invalid("Invalid sorter: " + err.Error()))
		return
	}
	rows, total := selectRows(c, res, keep, order, offset, limit)
	if q.Get("count") == "true" && !c.options.HideTotal {
		c.w.Header().Set("X-Total-Count", strconv.Itoa(total))
	}
	c.send(200, rows)
}

func selectRows[T any](c *call, res resourceOf[T], keep condition, order func(a, b T) int, offset, limit int) ([]map[string]any, int) {
	c.s.mu.RLock()
	defer c.s.mu.RUnlock()
	st := c.s.store
	var chosen []T
	for _, row := range res.table(st).rows {
		if keep == nil || keep(func(name string) any { return res.field(row, name) }) {
			chosen = append(chosen, row)
		}
	}
	if order != nil {
		slices.SortStableFunc(chosen, order)
	}
	start := min(offset, len(chosen))
	out := []map[string]any{}
	for _, row := range chosen[start:min(start+limit, len(chosen))] {
		out = append(out, res.render(st, row))
	}
	return out, len(chosen)
}

// ordering reads sorters: fields by commas, a minus sign for descending.
func ordering[T any](res resourceOf[T], text string) (func(a, b T) int, error) {
	if text == "" { // the order of the table
		return nil, nil
	}
	fields := strings.Split(text, ",")
	for _, field := range fields {
		if !slices.Contains(res.grammar.sorters, strings.TrimPrefix(field, "-")) {
			return nil, fmt.Errorf("sorting by %q is not supported", field)
		}
	}
	if text == "id" { // the order of the table
		return nil, nil
	}
	return func(a, b T) int {
		for _, field := range fields {
			name, descending := strings.CutPrefix(field, "-")
			order := cmp.Compare(sortKey(res.field(a, name)), sortKey(res.field(b, name)))
			if descending {
				order = -order
			}
			if order != 0 {
				return order
			}
		}
		return 0
	}, nil
}

func sortKey(v any) string {
	if t, ok := v.(time.Time); ok {
		return stamp(t)
	}
	return fmt.Sprint(v)
}

func one[T any](c *call, res resourceOf[T]) {
	c.s.mu.RLock()
	row, ok := res.table(c.s.store).get(c.id)
	var out map[string]any
	if ok {
		out = res.render(c.s.store, row)
	}
	c.s.mu.RUnlock()
	if !ok {
		c.fail(missing(c.id))
		return
	}
	c.send(200, out)
}

func number(text string, usual, most int) (int, error) {
	if text == "" {
		return usual, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 || n > most {
		return 0, fmt.Errorf("must be a number from 0 to %d", most)
	}
	return n, nil
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

func nullable(s string) any {
	if s == "" {
		return nil
	}
	return s
}
