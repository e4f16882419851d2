package connectors_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/scimsync/scimsync/connectors"
	"github.com/scimsync/scimsync/identity"
)

const enterprise = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"

func TestNormalize(t *testing.T) {
	t.Parallel()
	user := identity.Ref{Kind: identity.User, ID: "u1"}
	full := func() identity.Attrs {
		return identity.Attrs{
			"userName":                       "Zoë.O'Neil@Example.com",
			"name.givenName":                 "Zoë",
			"names":                          "kept",
			`emails[type eq "work"].value`:   "Zoe@Example.com",
			enterprise + ":department":       "Sales",
			enterprise + "Extra:department":  "kept",
			"active":                         true,
			"entitlements":                   []string{"Admin", "Éditeur"},
			"urn:example:2.0:User:badge.tag": nil,
		}
	}
	tests := map[string]struct {
		profile connectors.Profile
		want    func(identity.Attrs)
	}{
		"nothing known": {want: func(identity.Attrs) {}},
		"a whole attribute, an extension and one path dropped": {
			profile: connectors.Profile{Dropped: map[identity.Kind][]string{identity.User: {"name", enterprise, "ACTIVE"}}},
			want: func(a identity.Attrs) {
				delete(a, "name.givenName")
				delete(a, enterprise+":department")
				delete(a, "active")
			},
		},
		"lower case": {
			profile: connectors.Profile{LowerCase: map[identity.Kind][]string{identity.User: {"userName", "emails", "entitlements", "active"}}},
			want: func(a identity.Attrs) {
				a["userName"] = "zoë.o'neil@example.com"
				a[`emails[type eq "work"].value`] = "zoe@example.com"
				a["entitlements"] = []string{"admin", "éditeur"}
			},
		},
		"rules of the other kind": {
			profile: connectors.Profile{
				Dropped:   map[identity.Kind][]string{identity.Group: {"userName"}},
				LowerCase: map[identity.Kind][]string{identity.Group: {"userName"}},
			},
			want: func(identity.Attrs) {},
		},
		"dropped wins over lower case": {
			profile: connectors.Profile{
				Dropped:   map[identity.Kind][]string{identity.User: {"userName"}},
				LowerCase: map[identity.Kind][]string{identity.User: {"userName"}},
			},
			want: func(a identity.Attrs) { delete(a, "userName") },
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			given, want := full(), full()
			test.want(want)
			got := test.profile.Normalize(identity.Entry{Ref: user, Attrs: given})
			if diff := cmp.Diff(want, got.Attrs); diff != "" {
				t.Errorf("Normalize (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(full(), given); diff != "" {
				t.Errorf("Normalize changed what it was given (-want +got):\n%s", diff)
			}
			again := test.profile.Normalize(got)
			if diff := cmp.Diff(got, again); diff != "" {
				t.Errorf("Normalize twice differs (-once +twice):\n%s", diff)
			}
		})
	}
}

func TestSame(t *testing.T) {
	t.Parallel()
	profile := connectors.Profile{
		CaseInsensitive: map[identity.Kind][]string{identity.User: {"userName", "entitlements"}},
		LowerCase:       map[identity.Kind][]string{identity.User: {"emails"}},
	}
	const mail = `emails[type eq "work"].value`
	tests := []struct {
		name          string
		kind          identity.Kind
		path          string
		desired, live any
		want          bool
	}{
		{"equal", identity.User, "title", "Dr", "Dr", true},
		{"case counts elsewhere", identity.User, "title", "Dr", "dr", false},
		{"case is nothing", identity.User, "userName", "Ada", "ada", true},
		{"path in another case", identity.User, "USERNAME", "Ada", "ada", true},
		{"blanks are a difference", identity.User, "userName", "Ada ", "ada", false},
		{"other kind", identity.Group, "userName", "Ada", "ada", false},
		{"live predates the lower-casing", identity.User, mail, "ada@example.com", "Ada@Example.com", true},
		{"lists without case and order", identity.User, "entitlements", []string{"B", "a"}, []string{"A", "b"}, true},
		{"lists differ", identity.User, "entitlements", []string{"B", "a"}, []string{"A", "c"}, false},
		{"empty is absent", identity.User, "title", "", nil, true},
		{"types differ", identity.User, "userName", "true", true, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if got := profile.Same(test.kind, test.path, test.desired, test.live); got != test.want {
				t.Errorf("Same(%s, %#v, %#v) = %v, want %v", test.path, test.desired, test.live, got, test.want)
			}
		})
	}
}
