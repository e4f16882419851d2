package scimtest

import (
	"fmt"
	"strings"
	"testing"
)

const patchSubject = `,"title":"Countess","name":{"givenName":"Ada","familyName":"Lovelace"},
	"emails":[{"value":"w@example.com","type":"work","primary":true},{"value":"h@example.com","type":"home"}]`

func TestPatchUser(t *testing.T) {
	t.Parallel()
	dept := urnEnterprise + ":department"
	cases := []struct {
		name, operations string
		status           int
		want             string // scimType, or "path=value" where path is dotted
	}{
		{"replace", `{"op":"replace","path":"title","value":"x"}`, 200, "title=x"},
		{"add simple replaces", `{"op":"add","path":"title","value":"x"}`, 200, "title=x"},
		{"name in any case", `{"op":"replace","path":"TITLE","value":"x"}`, 200, "title=x"},
		{"core urn", `{"op":"replace","path":"` + urnUser + `:title","value":"x"}`, 200, "title=x"},
		{"remove", `{"op":"remove","path":"title"}`, 200, "title=null"},
		{"remove absent", `{"op":"remove","path":"nickName"}`, 200, "title=Countess"},
		{"replace by null", `{"op":"replace","path":"title","value":null}`, 200, "title=null"},
		{"sub", `{"op":"replace","path":"name.givenName","value":"x"}`, 200, `name={\"familyName\":\"Lovelace\",\"givenName\":\"x\"}`},
		{"remove sub", `{"op":"remove","path":"name.givenName"}`, 200, `name={\"familyName\":\"Lovelace\"}`},
		{"complex merges", `{"op":"replace","path":"name","value":{"givenName":"x","familyName":null}}`, 200, `name={\"givenName\":\"x\"}`},
		{"extension attribute", `{"op":"add","path":"` + dept + `","value":"x"}`, 200, urnEnterprise + "|department=x"},
		{"extension sub", `{"op":"add","path":"` + urnEnterprise + `:manager.value","value":"x"}`, 200, urnEnterprise + "|manager|value=x"},
		{"whole extension", `{"op":"add","path":"` + urnEnterprise + `","value":{"department":"x"}}`, 200, urnEnterprise + "|department=x"},
		{"remove extension", `{"op":"add","path":"` + dept + `","value":"x"},{"op":"remove","path":"` + urnEnterprise + `"}`, 200, urnEnterprise + "=null"},
		{"no path", `{"op":"replace","value":{"title":"x","name":{"givenName":"y"},"active":false}}`, 200, "active=false"},
		{"no path, extension", `{"op":"add","value":{"` + urnEnterprise + `":{"department":"x"}}}`, 200, urnEnterprise + "|department=x"},
		{"no path keeps the rest", `{"op":"replace","value":{"active":false}}`, 200, "title=Countess"},
		{"add to list", `{"op":"add","path":"emails","value":[{"value":"o@example.com","type":"other"}]}`, 200, "emails#3"},
		{"add one object", `{"op":"add","path":"emails","value":{"value":"o@example.com"}}`, 200, "emails#3"},
		{"add again", `{"op":"add","path":"emails","value":[{"value":"h@example.com","type":"home"}]}`, 200, "emails#2"},
		{"add primary", `{"op":"add","path":"emails","value":[{"value":"o@example.com","primary":true}]}`, 200, "emails#3"},
		{"replace list", `{"op":"replace","path":"emails","value":[{"value":"o@example.com"}]}`, 200, "emails#1"},
		{"replace list by none", `{"op":"replace","path":"emails","value":[]}`, 200, "emails=null"},
		{"remove list", `{"op":"remove","path":"emails"}`, 200, "emails=null"},
		{
			"filter and sub", `{"op":"replace","path":"emails[type eq \"work\"].value","value":"x"}`, 200,
			`emails=[{\"primary\":true,\"type\":\"work\",\"value\":\"x\"},{\"type\":\"home\",\"value\":\"h@example.com\"}]`,
		},
		{
			"filter replaces element", `{"op":"replace","path":"emails[type eq \"home\"]","value":{"value":"x"}}`, 200,
			`emails=[{\"primary\":true,\"type\":\"work\",\"value\":\"w@example.com\"},{\"value\":\"x\"}]`,
		},
		{
			"filter adds to element", `{"op":"add","path":"emails[type eq \"home\"]","value":{"primary":true}}`, 200,
			`emails=[{\"primary\":false,\"type\":\"work\",\"value\":\"w@example.com\"},{\"primary\":true,\"type\":\"home\",\"value\":\"h@example.com\"}]`,
		},
		{"filter removes", `{"op":"remove","path":"emails[value sw \"w\" and primary eq true]"}`, 200, "emails#1"},
		{"filter removes sub", `{"op":"remove","path":"emails[type eq \"work\"].primary"}`, 200, "emails#2"},
		{
			"add creates element", `{"op":"add","path":"phoneNumbers[type eq \"work\"].value","value":"1"}`, 200,
			`phoneNumbers=[{\"type\":\"work\",\"value\":\"1\"}]`,
		},
		{"sub of all", `{"op":"remove","path":"emails.type"}`, 200, "emails#2"},
		{"externalId", `{"op":"add","path":"externalId","value":"00u1"}`, 200, "externalId=00u1"},
		{"in order", `{"op":"remove","path":"title"},{"op":"add","path":"title","value":"x"}`, 200, "title=x"},
		{"own id without path", `{"op":"replace","value":{"id":"$ID","title":"x"}}`, 200, "title=x"},

		{"no target", `{"op":"replace","path":"emails[type eq \"other\"].value","value":"x"}`, 400, "noTarget"},
		{"no target to remove", `{"op":"remove","path":"emails[type eq \"other\"]"}`, 400, "noTarget"},
		{"add cannot create", `{"op":"add","path":"emails[type ne \"work\" and type ne \"home\"].value","value":"x"}`, 400, "noTarget"},
		{"sub of none", `{"op":"replace","path":"ims.value","value":"x"}`, 400, "noTarget"},
		{"remove without path", `{"op":"remove"}`, 400, "noTarget"},
		{"remove with value", `{"op":"remove","path":"title","value":"Countess"}`, 400, "invalidValue"},
		{"required", `{"op":"remove","path":"userName"}`, 400, "mutability"},
		{"read-only", `{"op":"replace","path":"id","value":"x"}`, 400, "mutability"},
		{"read-only sub", `{"op":"replace","path":"meta.version","value":"x"}`, 400, "mutability"},
		{"read-only list", `{"op":"add","path":"groups","value":[{"value":"x"}]}`, 400, "mutability"},
		{"schemas", `{"op":"add","path":"schemas","value":["urn:x:y"]}`, 400, "mutability"},
		{"unknown", `{"op":"replace","path":"shoeSize","value":"x"}`, 400, "invalidPath"},
		{"unknown urn", `{"op":"replace","path":"urn:x:y:title","value":"x"}`, 400, "invalidPath"},
		{"bad path", `{"op":"replace","path":"emails[type eq work].value","value":"x"}`, 400, "invalidPath"},
		{"trailing", `{"op":"replace","path":"title ","value":"x"}`, 400, "invalidPath"},
		{"filter on simple", `{"op":"replace","path":"title[value eq \"x\"]","value":"x"}`, 400, "invalidPath"},
		{"empty path", `{"op":"replace","path":"","value":"x"}`, 400, "invalidPath"},
		{"unknown without path", `{"op":"replace","value":{"shoeSize":"x"}}`, 400, "invalidSyntax"},
		{"dotted without path", `{"op":"replace","value":{"name.givenName":"x"}}`, 400, "invalidSyntax"},
		{"string without path", `{"op":"replace","value":"x"}`, 400, "invalidValue"},
		{"no value", `{"op":"replace","path":"title"}`, 400, "invalidValue"},
		{"add null", `{"op":"add","path":"title","value":null}`, 400, "invalidValue"},
		{"wrong type", `{"op":"replace","path":"active","value":"False"}`, 400, "invalidValue"},
		{"wrong type without path", `{"op":"replace","value":{"active":"False"}}`, 400, "invalidValue"},
		{"two primary", `{"op":"replace","path":"emails.primary","value":true}`, 400, "invalidValue"},
		{"capital", `{"op":"Replace","path":"title","value":"x"}`, 400, "invalidSyntax"},
		{"no such op", `{"op":"move","path":"title","value":"x"}`, 400, "invalidSyntax"},
		{"extra key", `{"op":"replace","path":"title","value":"x","was":"y"}`, 400, "invalidSyntax"},
		{"taken", `{"op":"replace","path":"userName","value":"BOB@example.com"}`, 409, "uniqueness"},
		{"atomic", `{"op":"replace","path":"title","value":"x"},{"op":"remove","path":"userName"}`, 400, "mutability"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			h := newHarness(t)
			h.t = t
			h.user("bob@example.com", "")
			id := h.user("ada@example.com", patchSubject)
			before := h.do("GET", "/Users/"+id, "").raw
			r := h.do("PATCH", "/Users/"+id, patchBody(strings.ReplaceAll(c.operations, "$ID", id)))
			if c.status != 200 {
				h.want(r, c.status, c.want)
				if after := h.do("GET", "/Users/"+id, "").raw; after != before {
					t.Errorf("a refused PATCH changed the user:\n%s\n%s", before, after)
				}
				return
			}
			h.want(r, 200, "")
			h.check(r, c.want)
			if read := h.do("GET", "/Users/"+id, "").raw; read != r.raw {
				t.Errorf("PATCH answered\n%s\nand GET\n%s", r.raw, read)
			}
		})
	}
}

// check reads "path=value", or "path#length" of a list.
func (h *harness) check(r reply, want string) {
	h.t.Helper()
	if path, length, ok := strings.Cut(want, "#"); ok {
		list := asList(r.doc[path])
		if fmt.Sprint(len(list)) != length {
			h.t.Errorf("%s has %d values, want %s: %s", path, len(list), length, r.raw)
		}
		primary := 0
		for _, v := range list {
			if m, ok := v.(map[string]any); ok && m["primary"] == true {
				primary++
			}
		}
		if primary > 1 {
			h.t.Errorf("%d primary values: %s", primary, r.raw)
		}
		return
	}
	path, value, _ := strings.Cut(want, "=")
	keys := strings.Split(path, "|")
	var v any = r.doc
	for _, k := range keys {
		m, _ := v.(map[string]any)
		v = m[k]
	}
	if got := strings.Trim(string(encode(v)), `"`); got != strings.ReplaceAll(value, `\"`, `"`) {
		h.t.Errorf("%s is %s, want %s", path, got, value)
	}
}

func TestPatchLenient(t *testing.T) {
	t.Parallel()
	for operations, want := range map[string]string{
		`{"op":"Replace","path":"active","value":"False"}`:                        "active=false",
		`{"op":"replace","value":{"name.givenName":"x","shoeSize":"41"}}`:         `name={"familyName":"Lovelace","givenName":"x"}`,
		`{"op":"add","value":{"` + urnEnterprise + `:department":"x"}}`:           urnEnterprise + "|department=x",
		`{"op":"replace","value":{"emails[type eq \"work\"].value":"x"}}`:         "emails#2",
		`{"op":"remove","path":"emails[type eq \"other\"]"}`:                      "emails#2",
		`{"op":"remove","path":"title","value":"Countess"}`:                       "title=null",
		`{"op":"add","path":"urn:ietf:params:scim:schemas:x:User:a","value":"b"}`: "title=Countess",
		`{"op":"replace","path":"title","value":"x","was":"y"}`:                   "title=x",
		`{"op":"replace","value":{"meta":{"version":"x"},"id":"y","title":"z"}}`:  "title=z",
	} {
		h := newHarness(t, lenient)
		id := h.user("ada@example.com", patchSubject)
		r := h.do("PATCH", "/Users/"+id, patchBody(operations))
		h.want(r, 200, "")
		h.check(r, want)
	}
}

func TestPatchMembers(t *testing.T) {
	t.Parallel()
	value := func(names ...string) string {
		var list []string
		for _, n := range names {
			list = append(list, `{"value":"`+n+`"}`)
		}
		return `"value":[` + strings.Join(list, ",") + `]`
	}
	cases := []struct {
		name, operations string
		status           int
		want             string
	}{
		{"add", `{"op":"add","path":"members",` + value("$C") + `}`, 200, "a b c"},
		{"add again", `{"op":"add","path":"members",` + value("$A") + `}`, 200, "a b"},
		{"add one", `{"op":"add","path":"members","value":{"value":"$C"}}`, 200, "a b c"},
		{"add without path", `{"op":"add","value":{"members":[{"value":"$C"}]}}`, 200, "a b c"},
		{"replace", `{"op":"replace","path":"members",` + value("$C") + `}`, 200, "c"},
		{"replace by none", `{"op":"replace","path":"members","value":[]}`, 200, ""},
		{"remove", `{"op":"remove","path":"members[value eq \"$A\"]"}`, 200, "b"},
		{"remove several", `{"op":"remove","path":"members[value eq \"$A\" or value eq \"$B\"]"}`, 200, ""},
		{"remove by display", `{"op":"remove","path":"members[display sw \"b\"]"}`, 200, "a"},
		{"remove all", `{"op":"remove","path":"members"}`, 200, ""},
		{"remove and add", `{"op":"remove","path":"members[value eq \"$A\"]"},{"op":"add","path":"members",` + value("$A") + `}`, 200, "a b"},
		{"add and remove", `{"op":"add","path":"members",` + value("$C") + `},{"op":"remove","path":"members[value eq \"$C\"]"}`, 200, "a b"},
		{"clear and add", `{"op":"remove","path":"members"},{"op":"add","path":"members",` + value("$B", "$C") + `}`, 200, "b c"},
		{"with a rename", `{"op":"replace","path":"displayName","value":"New"},{"op":"add","path":"members",` + value("$C") + `}`, 200, "a b c"},
		{"not a member", `{"op":"remove","path":"members[value eq \"$C\"]"}`, 400, "noTarget"},
		{"unknown", `{"op":"add","path":"members",` + value("$C", "nobody") + `}`, 400, "invalidValue"},
		{"no value", `{"op":"add","path":"members","value":[{"display":"x"}]}`, 400, "invalidValue"},
		{"value list", `{"op":"remove","path":"members",` + value("$A") + `}`, 400, "invalidValue"},
		{"change", `{"op":"replace","path":"members[value eq \"$A\"]","value":{"value":"$C"}}`, 400, "mutability"},
		{"change sub", `{"op":"replace","path":"members[value eq \"$A\"].value","value":"$C"}`, 400, "mutability"},
		{"itself", `{"op":"add","path":"members",` + value("$G") + `}`, 400, "invalidValue"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			h := newHarness(t)
			ids := map[string]string{"$A": h.user("a", ""), "$B": h.user("b", ""), "$C": h.user("c", "")}
			ids["$G"] = h.group("Group", ids["$A"], ids["$B"])
			operations := c.operations
			for k, id := range ids {
				operations = strings.ReplaceAll(operations, k, id)
			}
			before := h.do("GET", "/Groups/"+ids["$G"], "").text("meta", "version")
			r := h.do("PATCH", "/Groups/"+ids["$G"], patchBody(operations))
			if c.status != 200 {
				h.want(r, c.status, c.want)
				c.want = "a b"
			} else {
				h.want(r, 200, "")
			}
			got := h.memberNames(ids["$G"])
			if got != c.want {
				t.Errorf("members %q, want %q", got, c.want)
			}
			same := got == "a b" && c.name != "with a rename"
			if after := h.do("GET", "/Groups/"+ids["$G"], "").text("meta", "version"); (after == before) != same {
				t.Errorf("version was %s and is %s", before, after)
			}
		})
	}
}

func (h *harness) memberNames(group string) string {
	h.t.Helper()
	names := map[string]string{}
	for _, u := range h.Users() {
		names[u.ID] = u.Name
	}
	var out []string
	for _, id := range h.members(group) {
		out = append(out, names[id])
	}
	return strings.Join(out, " ")
}

func TestPatchNoContent(t *testing.T) {
	t.Parallel()
	h := newHarness(t, func(o *Options) { o.PatchNoContent = true })
	id := h.user("ada@example.com", "")
	r := h.do("PATCH", "/Users/"+id, patchBody(`{"op":"replace","path":"title","value":"x"}`))
	if r.status != 204 || r.raw != "" {
		t.Errorf("status %d, body %q", r.status, r.raw)
	}
	for _, body := range []string{`{}`, `{"schemas":["` + urnPatch + `"]}`, patchBody(``), patchBody(`5`), `{"schemas":["` + urnPatch + `"],"Operations":{}}`} {
		h.want(h.do("PATCH", "/Users/"+id, body), 400, "invalidSyntax")
	}
	h.want(h.do("PATCH", "/Users/x", patchBody(`{"op":"replace","path":"title","value":"x"}`)), 404, "")
}
