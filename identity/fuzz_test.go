package identity_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/scimsync/scimsync/identity"
)

// A path that is read is written in one way, which reads as the same path; what
// it names are names, and a filter's value survives whatever it holds.
func FuzzParsePath(f *testing.F) {
	for _, s := range []string{
		"userName", "name.givenName", `emails[type eq "work"].value`, `emails[ type EQ "a\"]b\\" ].value`, "members.$ref", "_x",
		"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.value", `urn:x:a[type eq "u:v"].value`, "urn:", "URN:a:b",
		"", ".", "a.", "a..b", "a[", "a[]", `a[b eq ""].`, `a[b eq c].d`, `a[b eq "c"]`, `a[b eq "\u0041"].d`, "a.b.c", "a b", "é", `a[b eq "` + "\x00" + `"].c`,
		"urn:ietf:params:scim:schemas:core:2.0:User",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		p, err := identity.ParsePath(text)
		if err != nil {
			if !strings.Contains(err.Error(), "SCIM attribute name") && !strings.Contains(err.Error(), `"`) {
				t.Fatalf("%q: %v does not say where", text, err)
			}
			return
		}
		if p.Attribute == "" || strings.ContainsAny(p.Attribute+p.Sub+p.Filter.Attribute, " .[]\"") {
			t.Fatalf("%q: %+v", text, p)
		}
		again, err := identity.ParsePath(p.String())
		if err != nil || again != p {
			t.Fatalf("%q is %+v, written %q, which is %+v, %v", text, p, p, again, err)
		}
	})
}

// Attribute values that are read from a plan or the journal are written as they
// were read.
func FuzzAttrs(f *testing.F) {
	for _, s := range []string{
		`{"userName":"a","active":true,"n":1.5,"x":null,"emails":["a","b"]}`, `{"manager":{"$reference":{"kind":"user","id":"1"}}}`,
		`{"a":{}}`, `{"a":{"$reference":null}}`, `{"a":[1]}`, `{"a":[]}`, `null`, `{}`, `[]`, `{"a":1e400}`, `{"a":"\ud800"}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var a, b identity.Attrs
		if json.Unmarshal(data, &a) != nil {
			return
		}
		for path, v := range a {
			switch v.(type) {
			case nil, string, bool, float64, []string, identity.Reference:
			default:
				t.Fatalf("%s is a %T", path, v)
			}
		}
		written, err := json.Marshal(a)
		if err != nil {
			t.Fatalf("%v cannot be written: %v", a, err)
		}
		if err := json.Unmarshal(written, &b); err != nil {
			t.Fatalf("%s: %v", written, err)
		}
		for _, path := range a.Paths() {
			if !identity.Equal(a[path], b[path]) || !identity.Equal(b[path], a[path]) {
				t.Fatalf("%s: %#v was written as %s", path, a[path], written)
			}
		}
		if len(a) != len(b) {
			t.Fatalf("%v was written as %s", a, written)
		}
	})
}
