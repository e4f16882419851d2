package entratest

import (
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// maxTop is the largest page a client may ask for.
const maxTop = 999

// maxIn is how many values an "in" filter may list.
const maxIn = 15

// list answers GET /users and /groups.
func (c *call) list(kind string) {
	selected, ok := c.selection(kind)
	if !ok {
		return
	}
	keep, ok := c.filter(kind)
	if !ok {
		return
	}
	c.s.mu.RLock()
	var found []map[string]any
	rows := c.s.store.rows(kind)
	for i := range rows {
		if r := &rows[i]; r.state == live && keep(r) {
			found = append(found, view(r, selected, false))
		}
	}
	c.s.mu.RUnlock()
	c.paged(kind+"s", found)
}

// filter reads the part of $filter that this server understands: PROPERTY eq
// 'value' and id in ('a','b').
func (c *call) filter(kind string) (func(*row) bool, bool) {
	text := c.r.URL.Query().Get("$filter")
	if text == "" {
		return func(*row) bool { return true }, true
	}
	if rest, ok := strings.CutPrefix(text, "id in ("); ok && strings.HasSuffix(rest, ")") {
		values, ok := literals(strings.TrimSuffix(rest, ")"))
		if ok && len(values) > maxIn {
			c.fail(http.StatusBadRequest, "Request_UnsupportedQuery", "Too many child clauses specified in search filter expression containing 'OR' operators.")
			return nil, false
		}
		if ok {
			return func(r *row) bool { return slices.Contains(values, r.id) }, true
		}
	}
	name, literal, ok := strings.Cut(text, " eq ")
	values, quoted := literals(literal)
	if !ok || !quoted || len(values) != 1 || !slices.Contains([]string{"id", "userPrincipalName", "mail", "displayName", "mailNickname"}, name) || !known(kind, name) {
		c.fail(http.StatusBadRequest, "Request_UnsupportedQuery", "Unsupported or invalid query filter clause specified for property.")
		return nil, false
	}
	return func(r *row) bool {
		value, _ := r.props[name].(string)
		if name == "id" {
			value = r.id
		}
		return strings.EqualFold(value, values[0])
	}, true
}

// literals reads a list of OData strings, in which a quote is doubled.
func literals(text string) ([]string, bool) {
	var out []string
	for {
		text = strings.TrimLeft(text, " ")
		if !strings.HasPrefix(text, "'") {
			return nil, false
		}
		var b strings.Builder
		i := 1
		for ; ; i++ {
			if i >= len(text) {
				return nil, false
			}
			if text[i] == '\'' {
				if i+1 < len(text) && text[i+1] == '\'' {
					i++
				} else {
					break
				}
			}
			b.WriteByte(text[i])
		}
		out = append(out, b.String())
		text = strings.TrimLeft(text[i+1:], " ")
		if text == "" {
			return out, true
		}
		if text[0] != ',' {
			return nil, false
		}
		text = text[1:]
	}
}

// object answers GET /users/{id or userPrincipalName} and /groups/{id}.
func (c *call) object(kind string) {
	selected, ok := c.selection(kind)
	if !ok {
		return
	}
	key := c.r.PathValue("id")
	c.s.mu.RLock()
	var r *row
	if kind == TypeUser {
		r, ok = c.s.store.user(key)
	} else {
		r, ok = c.s.store.group(key)
	}
	var out map[string]any
	if ok {
		out = view(r, selected, false)
	}
	c.s.mu.RUnlock()
	if !ok {
		c.notFound(key)
		return
	}
	out["@odata.context"] = c.base + "/v1.0/$metadata#" + kind + "s/$entity"
	c.send(http.StatusOK, out)
}

// members answers the members of a group; cast is empty, user or group.
func (c *call) members(transitive bool, cast string) {
	if cast != "" && (!strings.EqualFold(c.r.Header.Get("ConsistencyLevel"), "eventual") || c.r.URL.Query().Get("$count") != "true") {
		c.fail(http.StatusBadRequest, "Request_UnsupportedQuery", "OData cast is an advanced query: send ConsistencyLevel: eventual and $count=true.")
		return
	}
	kind := cast
	if kind == "" {
		kind = TypeUser // a directory object takes the properties of those it may be
	}
	selected, ok := c.selection(kind)
	if !ok {
		return
	}
	id := c.r.PathValue("id")
	c.s.mu.RLock()
	g, ok := c.s.store.group(id)
	var found []map[string]any
	if ok {
		ids := g.members
		if transitive {
			ids = c.s.store.transitive(g)
		}
		for _, id := range ids {
			if at, r, there := c.s.store.object(id); there && (cast == "" || at == cast) {
				found = append(found, directoryObject(at, id, r, selected, cast != ""))
			}
		}
	}
	c.s.mu.RUnlock()
	if !ok {
		c.notFound(id)
		return
	}
	c.paged("directoryObjects", found)
}

func directoryObject(kind, id string, r *row, selected []string, cast bool) map[string]any {
	out := map[string]any{"id": id}
	if r != nil {
		out = view(r, selected, false)
	}
	if !cast {
		out["@odata.type"] = "#microsoft.graph." + kind
	}
	return out
}

// memberOf answers the groups a user is in.
func (c *call) memberOf(transitive bool) {
	id := c.r.PathValue("id")
	c.s.mu.RLock()
	u, ok := c.s.store.user(id)
	var found []map[string]any
	if ok {
		for _, group := range c.s.store.memberOf(u.id, transitive) {
			found = append(found, map[string]any{"@odata.type": "#microsoft.graph.group", "id": group})
		}
	}
	c.s.mu.RUnlock()
	if !ok {
		c.notFound(id)
		return
	}
	c.paged("directoryObjects", found)
}

func (c *call) servicePrincipal(appID string) {
	c.s.mu.RLock()
	a, ok := c.s.store.app(appID, "")
	var out map[string]any
	if ok {
		out = map[string]any{
			"@odata.context": c.base + "/v1.0/$metadata#servicePrincipals/$entity",
			"id":             a.ID, "appId": a.AppID, "displayName": a.Name, "accountEnabled": true, "appRoleAssignmentRequired": true,
		}
	}
	c.s.mu.RUnlock()
	if !ok {
		c.notFound(appID)
		return
	}
	c.send(http.StatusOK, out)
}

// application answers the app registration of a client.
func (c *call) application(appID string) {
	c.s.mu.RLock()
	client, ok := c.s.clients[appID]
	c.s.mu.RUnlock()
	if !ok {
		c.notFound(appID)
		return
	}
	passwords := []map[string]any{}
	for i, p := range client.Passwords {
		shown := map[string]any{
			"customKeyIdentifier": nil, "displayName": "Password", "endDateTime": nil, "hint": nil,
			"keyId": newID("70e00000", i+1), "secretText": nil, "startDateTime": "2025-01-01T00:00:00Z",
		}
		if !p.End.IsZero() {
			shown["endDateTime"] = p.End.UTC().Format(time.RFC3339Nano)
		}
		if p.Hint != "" {
			shown["hint"] = p.Hint
		}
		passwords = append(passwords, shown)
	}
	c.send(http.StatusOK, map[string]any{
		"@odata.context":      c.base + "/v1.0/$metadata#applications(passwordCredentials)/$entity",
		"passwordCredentials": passwords,
	})
}

// assignedTo answers what is assigned to a service principal. An app role of
// zeros is the default access.
func (c *call) assignedTo() {
	id := c.r.PathValue("id")
	c.s.mu.RLock()
	a, ok := c.s.store.app("", id)
	var found []map[string]any
	if ok {
		for i, principal := range a.Assigned {
			kind, r, there := c.s.store.object(principal)
			if !there {
				continue
			}
			name := any(nil)
			if r != nil {
				name = r.props["displayName"]
			}
			found = append(found, map[string]any{
				"id": "assignment" + strconv.Itoa(i), "appRoleId": "00000000-0000-0000-0000-000000000000",
				"createdDateTime": Epoch().Format("2006-01-02T15:04:05Z"), "deletedDateTime": nil,
				"principalId": principal, "principalDisplayName": name,
				"principalType": strings.ToUpper(kind[:1]) + kind[1:],
				"resourceId":    a.ID, "resourceDisplayName": a.Name,
			})
		}
	}
	c.s.mu.RUnlock()
	if !ok {
		c.notFound(id)
		return
	}
	c.paged("appRoleAssignments", found)
}

// paged sends one page of a list. Positions are counted by id, so that what is
// added meanwhile pushes nothing out.
func (c *call) paged(context string, found []map[string]any) {
	q := c.r.URL.Query()
	top := 100
	if text := q.Get("$top"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > maxTop {
			c.badQuery("Invalid page size specified: '" + text + "'. Must be between 1 and 999 inclusive.")
			return
		}
		top = n
	}
	start := 0
	if after, ok := parameter(q, "$skiptoken"); ok {
		start = slices.IndexFunc(found, func(o map[string]any) bool { return o["id"] == after }) + 1
	}
	end := min(start+top, len(found))
	values := found[start:end]
	if values == nil {
		values = []map[string]any{}
	}
	out := map[string]any{"@odata.context": c.base + "/v1.0/$metadata#" + context, "value": values}
	if q.Get("$count") == "true" && start == 0 {
		out["@odata.count"] = len(found)
	}
	if end < len(found) {
		last, _ := values[len(values)-1]["id"].(string)
		next := maps.Clone(q)
		next.Set("$skiptoken", last)
		c.link(out, "nextLink", c.base+c.r.URL.EscapedPath()+"?"+next.Encode())
	}
	c.send(http.StatusOK, out)
}
