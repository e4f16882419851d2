package rest

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/scimsync/scimsync/connectors"
)

func TestNextLinks(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		lines []string
		want  map[string]string // nil: an error
	}{
		{"none", nil, map[string]string{}},
		{
			"Okta, two lines",
			[]string{`<https://a.example/u?limit=2>; rel="self"`, `<https://a.example/u?after=x&limit=2>; rel="next"`},
			map[string]string{"self": "https://a.example/u?limit=2", "next": "https://a.example/u?after=x&limit=2"},
		},
		{
			"joined, self first",
			[]string{`<https://a.example/u>; rel="self", <https://a.example/u?after=x>; rel="next"`},
			map[string]string{"self": "https://a.example/u", "next": "https://a.example/u?after=x"},
		},
		{"comma and semicolon in the target", []string{`</u?ids=1,2;3>;rel=next`}, map[string]string{"next": "/u?ids=1,2;3"}},
		{
			"comma and semicolon in quotes",
			[]string{`</a>; title="x, y; z=\"<q>\""; rel="next", </b>; rel=prev`},
			map[string]string{"next": "/a", "prev": "/b"},
		},
		{"several relations, any case", []string{`</a>; REL="Next LAST"`}, map[string]string{"next": "/a", "last": "/a"}},
		{"first rel counts", []string{`</a>; rel=next; rel=prev`}, map[string]string{"next": "/a"}},
		{"another context", []string{`</a>; rel=next; anchor="#x"`}, map[string]string{}},
		{"empty elements", []string{` , </a>; rel=next;, ,`}, map[string]string{"next": "/a"}},
		{"blanks", []string{"<\t/a > ; \t rel = \"next\" "}, map[string]string{"next": "/a"}},
		{"parameter without a value", []string{`</a>; crossorigin; rel=next`}, map[string]string{"next": "/a"}},
		{"same twice", []string{`</a>; rel=next, </a>; rel=next`}, map[string]string{"next": "/a"}},
		{"no rel", []string{`</a>`}, map[string]string{}},
		{"two targets", []string{`</a>; rel=next, </b>; rel=next`}, nil},
		{"not closed", []string{`</a; rel=next`}, nil},
		{"no bracket", []string{`/a; rel=next`}, nil},
		{"quote not closed", []string{`</a>; rel="next`}, nil},
		{"rubbish after", []string{`</a> rel=next`}, nil},
		{"no name", []string{`</a>; =next`}, nil},
		{"no target", []string{`<>; rel=next`}, nil},
		{"huge", []string{"<" + strings.Repeat("a", maxLinkHeader) + ">; rel=next"}, nil},
		{"many", []string{strings.Repeat("</a>;rel=next,", maxLinks+1)}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			h := http.Header{"Link": c.lines}
			got, err := NextLinks(h)
			if c.want == nil {
				wantClass(t, err, connectors.Incomplete)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func FuzzNextLinks(f *testing.F) {
	f.Add(`<https://a.example/u?after=x>; rel="next"`, "/b?c=1,2;3")
	f.Add(`</a>; title="x, y"; rel=prev, `, "x")
	f.Add(`</a>; rel="`, "<")
	f.Fuzz(func(t *testing.T, line, target string) {
		links, err := NextLinks(http.Header{"Link": {line}})
		if err == nil {
			for rel, link := range links {
				if rel == "" || link == "" || strings.Contains(link, ">") || !strings.Contains(line, link) {
					t.Fatalf("%q: %q is %q", line, rel, link)
				}
			}
		}
		// Whatever stands before, a well-formed link on a line of its own is
		// found, or the header is refused; it is never lost.
		target = strings.Trim(strings.ReplaceAll(target, ">", ""), " \t\r\n\v\f\u0085\u00a0")
		if target == "" || strings.TrimSpace(target) != target {
			return
		}
		links, err = NextLinks(http.Header{"Link": {line, "<" + target + `>; rel="next"`}})
		if err == nil && links["next"] != target {
			t.Fatalf("%q hides %q: %v", line, target, links)
		}
	})
}
