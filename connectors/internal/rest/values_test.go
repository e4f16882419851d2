package rest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/scimsync/scimsync/connectors"
	"github.com/scimsync/scimsync/connectors/connectortest"
)

func TestCountValues(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int{
		"": 0, "7": 0, "[]": 1, "{}": 1, "[1]": 1, "[1,2,3]": 3, `{"a":1,"b":[2,3],"c":{}}`: 6,
		`"a,b[{"`: 0, `["a,b","c\"d,e[","\\",{"f,":"\\\","}]`: 5, `["\u0022,\u005c","x"]`: 2, `["half,`: 1, `["half\`: 1,
	} {
		if got := CountValues([]byte(text)); got != want {
			t.Errorf("%s: %d, want %d", text, got, want)
		}
		for at := range len(text) + 1 {
			for second := at; second <= len(text); second++ {
				var c census
				c.add([]byte(text[:at]))
				c.add([]byte(text[at:second]))
				c.add([]byte(text[second:]))
				if c.n != want {
					t.Errorf("%s in pieces %d and %d: %d, want %d", text, at, second, c.n, want)
				}
			}
		}
	}
}

// counted returns how many values there are, and how many of them are empty lists
// and objects, by decoding the text.
func counted(v any) (values, empty int) {
	var held []any
	switch v := v.(type) {
	case []any:
		held = v
	case map[string]any:
		for _, value := range v {
			held = append(held, value)
		}
	default:
		return 1, 0
	}
	if len(held) == 0 {
		return 1, 1
	}
	values = 1
	for _, value := range held {
		n, e := counted(value)
		values, empty = values+n, empty+e
	}
	return values, empty
}

// anything draws a JSON value of at most that depth, with strings that look like
// structure.
func anything(depth int) *rapid.Generator[any] {
	text := rapid.StringOf(rapid.SampledFrom([]rune("ab\\\"{}[],:é€😀\n")))
	scalar := rapid.OneOf(rapid.Map(text, func(s string) any { return s }), rapid.SampledFrom([]any{nil, true, 1.5}))
	if depth == 0 {
		return scalar
	}
	return rapid.OneOf(scalar,
		rapid.Map(rapid.SliceOfN(anything(depth-1), 0, 4), func(l []any) any { return l }),
		rapid.Map(rapid.MapOfN(text, anything(depth-1), 0, 4), func(m map[string]any) any { return m }))
}

func TestCountValuesOfAnything(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		value := anything(4).Draw(t, "value")
		text, err := json.Marshal(value)
		if err != nil {
			t.Fatal(err)
		}
		values, empty := counted(value)
		want := values - 1 + empty
		cut := rapid.IntRange(0, len(text)).Draw(t, "cut")
		b := &body{chunks: [][]byte{text[:cut], text[cut:]}}
		if got := CountValues(text); got != want {
			t.Fatalf("%s: %d, want %d", text, got, want)
		}
		if b.crowded(want) || want > 0 && !b.crowded(want-1) {
			t.Fatalf("%s: more than %d: %t, more than %d: %t", text, want, b.crowded(want), want-1, b.crowded(want-1))
		}
	})
}

func TestIsUTF8(t *testing.T) {
	t.Parallel()
	check := func(t interface{ Fatalf(string, ...any) }, text []byte) {
		want := utf8.Valid(text)
		for at := range len(text) + 1 {
			for second := at; second <= len(text); second++ {
				b := &body{chunks: [][]byte{text[:at], text[at:second], text[second:]}}
				if got := b.isUTF8(); got != want {
					t.Fatalf("%q in pieces %d and %d: %t, want %t", text, at, second, got, want)
				}
			}
		}
	}
	for _, text := range []string{
		"", "a", "é", "€", "😀", "aé€😀z", "\xc3", "a\xe2\x82", "\xf0\x9f\x98", "\x80", "a\xffb", "\xc0\xaf", "\xed\xa0\x80", "\xe2a", "😀\x80",
	} {
		check(t, []byte(text))
	}
	rapid.Check(t, func(t *rapid.T) {
		piece := rapid.SampledFrom([]string{"a", "é", "€", "😀", "\xe2", "\x82", "\xac", "\xf0", "\xff"})
		check(t, []byte(strings.Join(rapid.SliceOfN(piece, 0, 8).Draw(t, "pieces"), "")))
	})
}

func TestIsJSON(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		"": false, " \r\n\t": false, "{": true, " \n[": true, "\xef\xbb\xbf{}": true, "\xef [": true, "<html>": false, `"a"`: false, "\x00{": false,
	} {
		for at := range len(text) + 1 {
			b := &body{chunks: [][]byte{[]byte(text[:at]), []byte(text[at:])}}
			if b.isJSON() != want {
				t.Errorf("%q in pieces at %d: want %t", text, at, want)
			}
		}
	}
}

// Only what begins as JSON, and only where it is asked for, has to be UTF-8.
func TestUTF8(t *testing.T) {
	t.Parallel()
	for text, refused := range map[string]bool{
		"[\"Jos\xe9\"]": true, "[\"José\"]": false, "Jos\xe9": false, "\xef\xbb\xbf[]": false,
	} {
		for _, asked := range []bool{true, false} {
			client := fake(t, Config{UTF8: asked}, func(r *http.Request) (*http.Response, error) { return respond(r, 200, text), nil })
			got, err := send(t, client, "GET", "https://api.example.com/v1/x", "")
			if refused && asked {
				wantClass(t, err, connectors.Incomplete)
				wantText(t, err, "the answer is not UTF-8")
			} else if err != nil || got != text {
				t.Errorf("%q: %q, %v", text, got, err)
			}
		}
	}
}

// What is small on the wire and many values is refused before anything is made of
// it, unless its reader counts by itself; what is large and few values is not.
func TestValues(t *testing.T) { //nolint:paralleltest // measures the memory of the whole process
	const much = 20 << 20
	answers := map[string]http.HandlerFunc{
		"/zeros":   connectortest.Packed("[0", ",0", "]", much),
		"/objects": connectortest.Packed(`{"x":[{}`, ",{}", "]}", much),
		"/lists":   connectortest.Packed("\xef\xbb\xbf [[]", ",[]", "]", much),
		"/most":    connectortest.Packed("[0", ",0", "]", 2*(MaxValues-1)),
		"/one":     connectortest.Packed("[0", ",0", "]", 2*MaxValues),
		"/texts":   connectortest.Packed(`["`, `,{[\"`, `"]`, much),
		"/no JSON": connectortest.Packed("a", ",", "", much),
		"/stream":  connectortest.Packed("[0", ",0", "]", much),
	}
	client, base := serve(t, Config{
		Streamed: func(r *http.Request) bool { return r.URL.Path == "/stream" },
	}, func(w http.ResponseWriter, r *http.Request) { answers[r.URL.Path](w, r) })
	for path := range answers {
		for _, method := range []string{"GET", "POST"} {
			var err error
			connectortest.Allocates(t, 64<<20, func() {
				_, err = Do(client, request(t, t.Context(), method, JoinPath(base, path[1:]).String(), ""))
			})
			switch path {
			case "/zeros", "/objects", "/lists", "/one":
				class := map[string]connectors.Class{"GET": connectors.Incomplete, "POST": connectors.Lost}[method]
				wantClass(t, err, class)
				wantText(t, err, fmt.Sprintf("the answer holds more than %d values", MaxValues))
			default:
				if err != nil {
					t.Errorf("%s %s: %v", method, path, err)
				}
			}
		}
	}
}
