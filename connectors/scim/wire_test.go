package scim

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/scimsync/scimsync/connectors"
	"github.com/scimsync/scimsync/identity"
)

// A filter value reads back as JSON to what it was, and breaks out of nothing.
func FuzzQuote(f *testing.F) {
	for _, s := range []string{"", "ada@example.com", `a"b\c`, "o'neill", "ż\n\t\x00", "a+b&c=d%20#", `" or userName pr "`, "\u2028"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, value string) {
		quoted, err := quote(value)
		if !utf8.ValidString(value) {
			if connectors.ClassOf(err) != connectors.Rejected {
				t.Fatalf("%q: %v, want class rejected", value, err)
			}
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		var back string
		if err := json.Unmarshal([]byte(quoted), &back); err != nil || back != value {
			t.Fatalf("%q became %s, which reads as %q, %v", value, quoted, back, err)
		}
		parsed, err := url.ParseQuery(query{{"filter", "userName eq " + quoted}, {"count", "1"}}.String())
		if err != nil || parsed.Get("filter") != "userName eq "+quoted || len(parsed) != 2 {
			t.Fatalf("%q: the query reads as %v, %v", value, parsed, err)
		}
	})
}

// Whatever a server sends, a page is an error or a list of entries with ids.
func FuzzDecodePage(f *testing.F) {
	for _, s := range []string{
		`{"totalResults":1,"Resources":[{"id":"1","userName":"a","emails":[{"type":"work","value":"x"}]}]}`,
		`{"totalResults":"2","resources":[{"id":1},null,[{}],"x",{"id":"3","members":[{"value":"1"},{"value":"1"},3]}]}`,
		`{"Resources":{}}`, `{"Resources":null,"totalResults":0}`, `{"totalResults":-1}`, `{"totalResults":1e400,"Resources":[]}`,
		`{"nextCursor":"a","Resources":[{"id":"x","members":{"a":[{}]}}]}`, `{`, `{"Resources":[`, `{"status":"error","msg":"x"}`,
		`{"Resources":[{"id":"1","urn:x:User":{"a":{"b":1},"c":[1]},"name":{"givenName":7}}]}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, k := range identity.Kinds() {
			s := newStream(bytes.NewReader(data))
			p, err := decodePage(s, k)
			quick := newStream(bytes.NewReader(data))
			quick.crowded = false
			if again, other := decodePage(quick, k); (err == nil) != (other == nil) || err == nil && !cmp.Equal(p, again, cmp.AllowUnexported(listPage{})) {
				t.Fatalf("%s\nbecomes another page where values are counted:\n%+v, %v\n%+v, %v", data, p, err, again, other)
			}
			if err != nil {
				continue
			}
			if p.total < -1 || p.count != len(p.entries)+len(p.unreadable)+p.unnamed {
				t.Fatalf("total %d, %d resources, %d entries, %d unreadable", p.total, p.count, len(p.entries), len(p.unreadable)+p.unnamed)
			}
			for _, e := range p.entries {
				if e.TargetID == "" {
					t.Fatal("an entry without an id")
				}
				for path, v := range e.Attrs {
					if _, err := json.Marshal(v); err != nil {
						t.Fatalf("%s: %v", path, err)
					}
					switch v.(type) {
					case string, bool, float64, []string:
					default:
						t.Fatalf("%s is a %T", path, v)
					}
				}
			}
		}
	})
}

func TestFlatten(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, object string
		want         identity.Attrs
		err          string
	}{
		{
			"core", `{"id":"1","USERNAME":"ada","active":"True","name":{"GivenName":"Ada","formatted":null},"groups":[{"value":"g"}],"meta":{"a":1},"password":"x","n":1.5}`,
			identity.Attrs{"userName": "ada", "active": true, "name.givenName": "Ada", "n": 1.5},
			"",
		},
		{
			"typed", `{"emails":[{"type":"home","value":"h"},{"type":"Work","value":"w1","display":"d"},{"type":"work","value":"w2","primary":"true"}]}`,
			identity.Attrs{`emails[type eq "home"].value`: "h", `emails[type eq "work"].value`: "w2", `emails[type eq "work"].primary`: true},
			"",
		},
		{"lone untyped", `{"emails":[{"value":"w"}]}`, identity.Attrs{workValue: "w"}, ""},
		{
			"primary of several untyped", `{"emails":[{"value":"a"},{"value":"w","primary":true}]}`,
			identity.Attrs{workValue: "w", `emails[type eq "work"].primary`: true},
			"",
		},
		{"several untyped", `{"emails":[{"value":"a"},{"value":"b"}]}`, identity.Attrs{"emails": []string{"a", "b"}}, ""},
		{"untyped beside typed is not work", `{"emails":[{"value":"a"},{"type":"home","value":"b"}]}`, identity.Attrs{`emails[type eq "home"].value`: "b"}, ""},
		{"roles", `{"roles":[{"value":"a"},"b"]}`, identity.Attrs{"roles": []string{"b", "a"}}, ""},
		{
			"extension", `{"URN:ietf:params:scim:schemas:extension:enterprise:2.0:user":{"Department":"Q","manager":{"value":"9","$ref":"x"}}}`,
			identity.Attrs{enterpriseSchema + ":department": "Q", enterpriseSchema + ":manager.value": "9"},
			"",
		},
		{"manager as a string", `{"` + enterpriseSchema + `":{"manager":"9"}}`, identity.Attrs{enterpriseSchema + ":manager.value": "9"}, ""},
		{"numeric externalId", `{"externalId":42}`, nil, "externalId is a number"},
		{"active as text", `{"active":"yes"}`, nil, "active is a string"},
		{"userName as list", `{"userName":["ada"]}`, nil, "userName is a list"},
		{"name as list", `{"name":{"givenName":["Ada"]}}`, identity.Attrs{}, ""},
		{"address value", `{"emails":[{"type":"work","value":7}]}`, identity.Attrs{}, ""},
		{"element", `{"emails":[7]}`, identity.Attrs{"emails": []string{"7"}}, ""},
		{"mixed list", `{"favs":["ä",true,null]}`, identity.Attrs{"favs": []string{"ä", "true"}}, ""},
		{"extension as list", `{"` + enterpriseSchema + `":[]}`, identity.Attrs{}, ""},
		{"strange extension", `{"urn:acme:Custom":{"a":[1,{"b":null}]}}`, identity.Attrs{"urn:acme:Custom:a": []string{"1"}}, ""},
	} {
		decoder := json.NewDecoder(strings.NewReader(c.object))
		decoder.UseNumber()
		var object map[string]any
		if err := decoder.Decode(&object); err != nil {
			t.Fatal(err)
		}
		got, err := flatten(object)
		if c.err != "" {
			if err == nil || !strings.Contains(err.Error(), c.err) {
				t.Errorf("%s: %v, want %q", c.name, err, c.err)
			}
			continue
		}
		if diff := cmp.Diff(c.want, got); err != nil || diff != "" {
			t.Errorf("%s: %v (-want +got)\n%s", c.name, err, diff)
		}
	}
}

const workValue = `emails[type eq "work"].value`

func TestDecodeFailure(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		status        int
		body          string
		class         connectors.Class
		code, message string
	}{
		{400, `{"scimType":"invalidFilter","detail":"no"}`, "", "invalidFilter", "no"},
		{400, `{"detail":["a","b"],"status":400}`, "", "", "a; b"},
		{400, `{"scimType":"uniqueness"}`, connectors.Conflict, "uniqueness", ""},
		{403, `{"detail":"PATCH is not supported"}`, connectors.Unsupported, "", "PATCH is not supported"},
		{403, `{"detail":"no"}`, "", "", "no"},
		{405, `<html>`, connectors.Unsupported, "", ""},
		{500, `{"Errors":[{"description":"old"}]}`, "", "", "old"},
	} {
		f := decodeFailure(c.status, http.Header{}, []byte(c.body))
		if f.Class != c.class || f.Code != c.code || f.Message != c.message {
			t.Errorf("%d %s: %+v", c.status, c.body, f)
		}
	}
}

func TestBounded(t *testing.T) {
	t.Parallel()
	body := `{"totalResults":2,"Resources":[{"id":"1","userName":"` + strings.Repeat("x", 1000) + `"}]}`
	_, err := decodePage(newStream(&bounded{from: strings.NewReader(body), left: 500}), identity.User)
	if !errors.Is(readError(err), errTooLarge) || connectors.ClassOf(readError(err)) != connectors.Incomplete {
		t.Errorf("%v, want too large", err)
	}
}

// A group that is decoded whole, to be written back, has a bound of its own.
func TestReadObject(t *testing.T) {
	t.Parallel()
	const body = `{"members":[{"value":"1,2"},{"value":"3"}],"x":-7.50}`
	for values, fits := range map[int]bool{7: true, 6: false} {
		object, err := readObject(&http.Response{Body: io.NopCloser(strings.NewReader(body))}, pageBytes, values)
		if fits != (err == nil) || !fits && connectors.ClassOf(err) != connectors.Incomplete {
			t.Errorf("%d values: %v", values, err)
		}
		members, _ := object["members"].([]any)
		if err == nil && (len(members) != 2 || object["x"] != json.Number("-7.50")) {
			t.Errorf("%v", object)
		}
	}
}

// What assign writes, flatten reads, and clearing leaves nothing.
func TestAssignRoundTrip(t *testing.T) {
	t.Parallel()
	values := identity.Attrs{
		"userName": "ada", "active": false, "name.givenName": "Ada", workValue: "w", `emails[type eq "home"].value`: "h",
		enterpriseSchema + ":department": "Q", enterpriseSchema + ":manager.value": "9", "roles": []string{"a", "b"},
		`addresses[type eq "work"].locality`: "Bern", "urn:example:x:User:tags": []string{"t"},
	}
	body := map[string]any{}
	edits := func(clear bool) []edit { //nolint:revive // test
		var out []edit
		for _, path := range values.Paths() {
			p, err := identity.ParsePath(path)
			if err != nil {
				t.Fatal(err)
			}
			e := edit{path: p, name: path, after: values[path]}
			if clear {
				e.after = nil
			}
			out = append(out, e)
		}
		return out
	}
	for _, e := range edits(false) {
		assign(body, e)
	}
	got, err := flatten(plainJSON(t, body))
	if diff := cmp.Diff(values, got); err != nil || diff != "" {
		t.Errorf("%v (-want +got)\n%s", err, diff)
	}
	for _, e := range edits(true) {
		assign(body, e)
	}
	if got, err = flatten(plainJSON(t, body)); err != nil || len(got) > 0 {
		t.Errorf("after clearing: %v, %v", got, err)
	}
}

func plainJSON(t *testing.T, v any) map[string]any {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	var out map[string]any
	if err := json.Unmarshal(data, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

// Of several work addresses the one flatten shows is the one that is written.
func TestAssignChoosesShownElement(t *testing.T) {
	t.Parallel()
	body := plainJSON(t, map[string]any{"emails": []any{
		map[string]any{"type": "work", "value": "old"}, map[string]any{"type": "work", "value": "main", "primary": true},
	}})
	path, _ := identity.ParsePath(workValue)
	assign(body, edit{path: path, after: "new"})
	attrs, err := flatten(body)
	if err != nil || attrs[workValue] != "new" {
		t.Errorf("%v, %v", attrs, err)
	}
	list, _ := body["emails"].([]any)
	if !slices.ContainsFunc(list, func(v any) bool { return v.(map[string]any)["value"] == "old" }) {
		t.Errorf("the other address is gone: %v", list)
	}
}
