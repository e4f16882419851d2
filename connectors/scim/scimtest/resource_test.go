package scimtest

import (
	"strings"
	"testing"

	"github.com/scimsync/scimsync/identity"
)

func TestCreateChecksTheSchema(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name, more string
		strict     string // scimType when refused
		lenient    string
	}{
		{"plain", ``, "", ""},
		{"everything", `,"name":{"givenName":"Ada"},"emails":[{"value":"a@example.com","type":"work","primary":true}],"active":false`, "", ""},
		{"names in any case", `,"DISPLAYNAME":"Ada","Emails":[{"VALUE":"a@example.com"}]`, "", ""},
		{"null and empty are unassigned", `,"title":null,"emails":[]`, "", ""},
		{"read-only is ignored", `,"id":"mine","meta":{"version":"9"},"groups":[{"value":"g"}]`, "", ""},
		{"unknown attribute", `,"shoeSize":"41"`, "invalidSyntax", ""},
		{"unknown sub-attribute", `,"name":{"nick":"A"}`, "invalidSyntax", ""},
		{"twice", `,"title":"a","Title":"b"`, "invalidSyntax", "invalidSyntax"},
		{"boolean as string", `,"active":"True"`, "invalidValue", ""},
		{"boolean as number", `,"active":1`, "invalidValue", "invalidValue"},
		{"string as number", `,"title":5`, "invalidValue", "invalidValue"},
		{"single for list", `,"emails":{"value":"a@example.com"}`, "invalidValue", "invalidValue"},
		{"string for object", `,"name":"Ada"`, "invalidValue", "invalidValue"},
		{"null in list", `,"emails":[null]`, "invalidValue", "invalidValue"},
		{"two primary", `,"emails":[{"value":"a","primary":true},{"value":"b","primary":true}]`, "invalidValue", "invalidValue"},
		{"extension not listed", `,"` + urnEnterprise + `":{"department":"Math"}`, "invalidSyntax", ""},
		{"bad base64", `,"x509Certificates":[{"value":"?"}]`, "invalidValue", "invalidValue"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			for scimType, h := range map[*string]*harness{&c.strict: newHarness(t), &c.lenient: newHarness(t, lenient)} {
				status := 400
				if *scimType == "" {
					status = 201
				}
				h.want(h.do("POST", "/Users", userBody("ada@example.com", c.more)), status, *scimType)
			}
		})
	}
}

func TestSchemasAreRequired(t *testing.T) {
	t.Parallel()
	for body, scimType := range map[string]string{
		`{"userName":"a"}`:                                               "invalidSyntax",
		`{"schemas":[],"userName":"a"}`:                                  "invalidSyntax",
		`{"schemas":["` + urnGroup + `"],"userName":"a"}`:                "invalidSyntax",
		`{"schemas":["` + urnUser + `","urn:x:y"],"userName":"a"}`:       "invalidSyntax",
		`{"schemas":["` + urnUser + `"]}`:                                "invalidValue",
		`{"schemas":["` + urnUser + `"],"userName":" "}`:                 "invalidValue",
		`{"schemas":["` + strings.ToUpper(urnUser) + `"],"userName":""}`: "invalidValue",
	} {
		h := newHarness(t)
		h.want(h.do("POST", "/Users", body), 400, scimType)
	}
	h := newHarness(t, lenient)
	h.want(h.do("POST", "/Users", `{"schemas":["`+urnUser+`","urn:x:y"],"userName":"a"}`), 201, "")
}

func TestLifeOfAUser(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	created := h.do("POST", "/Users", `{"schemas":["`+urnUser+`","`+urnEnterprise+`"],"userName":"Ada@example.com","password":"secret","externalId":"00u1",
		"`+urnEnterprise+`":{"department":"Math","manager":{"value":"1"}}}`)
	h.want(created, 201, "")
	id := created.text("id")
	location := "http://example.com/scim/v2/Users/" + id
	if created.header.Get("Location") != location || created.text("meta", "location") != location || len(id) != 36 {
		t.Errorf("location %q, meta %s", created.header.Get("Location"), created.text("meta"))
	}
	if created.header.Get("Content-Type") != mediaType || created.text("meta", "resourceType") != "User" {
		t.Errorf("answer %v %s", created.header, created.raw)
	}
	if created.text("active") != "true" || strings.Contains(created.raw, "secret") {
		t.Errorf("created %s", created.raw)
	}
	if got := created.text(urnEnterprise, "department"); got != "Math" {
		t.Errorf("department %s", got)
	}
	h.want(h.do("POST", "/Users", userBody("ADA@EXAMPLE.COM", "")), 409, "uniqueness")

	put := h.do("PUT", "/Users/"+id, userBody("ada@example.com", `,"title":"Countess","id":"other"`))
	h.want(put, 200, "")
	if put.text("externalId") != "null" || put.text(urnEnterprise) != "null" || put.text("title") != "Countess" || put.text("id") != id {
		t.Errorf("PUT does not replace: %s", put.raw)
	}
	if put.text("meta", "created") != created.text("meta", "created") || put.text("meta", "version") == created.text("meta", "version") {
		t.Errorf("meta after PUT: %s", put.text("meta"))
	}
	again := h.do("PUT", "/Users/"+id, userBody("ada@example.com", `,"title":"Countess"`))
	if again.text("meta") != put.text("meta") {
		t.Errorf("a PUT that changes nothing changed meta: %s", again.text("meta"))
	}
	other := h.user("bob@example.com", "")
	h.want(h.do("PUT", "/Users/"+other, userBody("Ada@example.com", "")), 409, "uniqueness")

	h.want(h.do("DELETE", "/Users/"+id, ""), 204, "")
	for _, method := range []string{"GET", "DELETE"} {
		h.want(h.do(method, "/Users/"+id, ""), 404, "")
	}
	h.want(h.do("PUT", "/Users/"+id, userBody("ada@example.com", "")), 404, "")
	h.user("ada@example.com", "")
}

func TestMembersFollowUsers(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	ada, bob := h.user("ada@example.com", `,"displayName":"Ada"`), h.user("bob@example.com", "")
	inner := h.group("Inner", ada)
	outer := h.group("Outer", ada, bob, inner, bob)
	if got := h.members(outer); len(got) != 3 {
		t.Fatalf("members %v", got)
	}
	got := h.do("GET", "/Groups/"+outer, "")
	first := got.doc["members"].([]any)[0].(map[string]any)
	if first["display"] != "Ada" || first["type"] != "User" || first["$ref"] != "http://example.com/scim/v2/Users/"+ada {
		t.Errorf("member %v", first)
	}
	third := got.doc["members"].([]any)[2].(map[string]any)
	if third["type"] != "Group" {
		t.Errorf("nested member %v", third)
	}
	if groups := h.do("GET", "/Users/"+ada, "").doc["groups"].([]any); len(groups) != 2 {
		t.Errorf("groups of ada: %v", groups)
	}
	h.want(h.do("POST", "/Groups", groupBody("Bad", "nobody")), 400, "invalidValue")
	h.want(h.do("POST", "/Groups", groupBody("OUTER")), 409, "uniqueness")
	h.want(h.do("PUT", "/Groups/"+outer, groupBody("Outer", outer)), 400, "invalidValue")

	before, _ := h.Find(identity.Group, outer)
	h.want(h.do("DELETE", "/Users/"+ada, ""), 204, "")
	after, _ := h.Find(identity.Group, outer)
	if len(after.Members) != 2 || after.Version == before.Version {
		t.Errorf("a ghost stayed: %+v", after)
	}
	if h.do("GET", "/Groups/"+inner, "").doc["members"] != nil {
		t.Error("inner still has members")
	}
	h.want(h.do("DELETE", "/Groups/"+inner, ""), 204, "")
	h.want(h.do("PUT", "/Groups/"+outer, groupBody("Outer")), 200, "")
	if got := h.do("GET", "/Users/"+bob, "").doc["groups"]; got != nil {
		t.Errorf("bob still has groups %v", got)
	}
	shared := newHarness(t, func(o *Options) { o.SharedGroupNames = true })
	shared.group("Same")
	shared.group("Same")
}

func TestSelection(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	id := h.user("ada@example.com", `,"title":"Countess","name":{"givenName":"Ada","familyName":"Lovelace"},"emails":[{"value":"a@example.com","type":"work"}]`)
	g := h.group("Math", id)
	cases := []struct {
		path    string
		has, no []string
	}{
		{"/Users/" + id + "?attributes=title", []string{"id", "schemas", "title", "Countess"}, []string{"userName", "emails", "meta", "groups"}},
		{"/Users/" + id + "?attributes=NAME.givenname,emails.value", []string{"givenName", "a@example.com"}, []string{"Lovelace", "work", "title"}},
		{"/Users/" + id + "?attributes=" + urnUser + ":title", []string{"Countess"}, []string{"userName"}},
		{"/Users/" + id + "?attributes=groups", []string{g}, []string{"userName"}},
		{"/Users/" + id + "?attributes=nothing", []string{"id"}, []string{"userName"}},
		{"/Users/" + id + "?excludedAttributes=id,name.familyName,emails", []string{`"id"`, "Ada", "Countess"}, []string{"Lovelace", "emails"}},
		{"/Groups/" + g + "?excludedAttributes=members", []string{"Math"}, []string{"members", id}},
		{"/Groups?excludedAttributes=members", []string{"Math"}, []string{"members", id}},
		{"/Groups?attributes=displayName", []string{"Math"}, []string{"members", id, "meta"}},
		{"/Groups?attributes=members.value", []string{id}, []string{"$ref", "Math"}},
	}
	for _, c := range cases {
		r := h.do("GET", c.path, "")
		h.want(r, 200, "")
		for _, text := range c.has {
			if !strings.Contains(r.raw, text) {
				t.Errorf("%s lacks %s: %s", c.path, text, r.raw)
			}
		}
		for _, text := range c.no {
			if strings.Contains(r.raw, text) {
				t.Errorf("%s holds %s: %s", c.path, text, r.raw)
			}
		}
	}
}

func TestVersions(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	id := h.user("ada@example.com", "")
	tag := h.do("GET", "/Users/"+id, "").header.Get("ETag")
	if tag == "" {
		t.Fatal("no ETag")
	}
	h.want(h.do("GET", "/Users/"+id, "", "If-None-Match", tag), 304, "")
	h.want(h.do("GET", "/Users/"+id, "", "If-None-Match", `W/"7"`), 200, "")
	title := patchBody(`{"op":"replace","path":"title","value":"x"}`)
	h.want(h.do("PATCH", "/Users/"+id, title, "If-Match", `W/"7"`), 412, "")
	h.want(h.do("PUT", "/Users/"+id, userBody("ada@example.com", ""), "If-Match", `W/"7"`), 412, "")
	h.want(h.do("DELETE", "/Users/"+id, "", "If-Match", `W/"7"`), 412, "")
	h.want(h.do("PATCH", "/Users/"+id, title, "If-Match", tag), 200, "")
	h.want(h.do("PATCH", "/Users/"+id, title, "If-Match", tag), 412, "")
	h.want(h.do("DELETE", "/Users/"+id, "", "If-Match", "*"), 204, "")

	h = newHarness(t, func(o *Options) { o.NoETag = true })
	id = h.user("ada@example.com", "")
	r := h.do("GET", "/Users/"+id, "", "If-Match", `W/"7"`)
	if r.header.Get("ETag") != "" || r.text("meta", "version") != "null" {
		t.Errorf("versions though switched off: %s", r.raw)
	}
}
