package configs

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/scimsync/scimsync/connectors"
)

type everyForm struct {
	inlined  `yaml:",inline"`
	Text     string              `yaml:"text"`
	Bool     bool                `yaml:"bool"`
	Flag     *bool               `yaml:"flag"`
	Unsigned uint8               `yaml:"unsigned"`
	Real     float64             `yaml:"real"`
	Any      any                 `yaml:"any"`
	Structs  map[string]inlined  `yaml:"structs"`
	Pointers []*inlined          `yaml:"pointers"`
	Wait     connectors.Duration `yaml:"wait"`
	Either   either              `yaml:"either"`
	Untagged string
	Hidden   string `yaml:"-"`
}

type inlined struct {
	Inner int `yaml:"inner"`
}

// either is a number, or a mapping: the form of hook that goccy/go-yaml has.
type either struct{ Inner int }

func (e *either) UnmarshalYAML(unmarshal func(any) error) error {
	var number int
	if err := unmarshal(&number); err == nil {
		e.Inner = number
		return nil
	}
	var form inlined
	if err := unmarshal(&form); err != nil {
		return err
	}
	if form.Inner > 100 {
		return errors.New("is too much")
	}
	e.Inner = form.Inner
	return nil
}

func decodeText(t *testing.T, text string) (everyForm, string) {
	t.Helper()
	root, problems := parse("f", []byte(text))
	if len(problems) > 0 {
		t.Fatal(problems[0])
	}
	d := newDecoder("f", Registry{})
	var out everyForm
	d.decodeEntries(root.entries, "", reflect.ValueOf(&out).Elem())
	return out, (&Error{sorted(d.problems)}).Error()
}

func TestDecodeForms(t *testing.T) {
	t.Parallel()
	got, problems := decodeText(t, `
inner: 1
text: "5"
bool: on
flag: false
unsigned: +7
real: -1.5
any: {a: [1, 1.5, yes, true, {b: c}]}
structs: {x: {inner: 2}}
pointers: [{inner: 3}]
wait: 0
either: {inner: 4}
untagged: z
`)
	if problems != "" {
		t.Fatal(problems)
	}
	flag := false
	want := everyForm{
		inlined: inlined{1}, Text: "5", Bool: true, Flag: &flag, Unsigned: 7, Real: -1.5,
		Any:      map[string]any{"a": []any{int64(1), 1.5, "yes", true, map[string]any{"b": "c"}}},
		Structs:  map[string]inlined{"x": {2}},
		Pointers: []*inlined{{3}},
		Either:   either{4}, Untagged: "z",
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(everyForm{}, inlined{})); diff != "" {
		t.Errorf("decoded (-want +got):\n%s", diff)
	}
}

func TestDecodeRefuses(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"text: 5":                     "f:1:7: text: expected text, found a number (put it in quotes if it is text)",
		"text: true":                  "f:1:7: text: expected text, found true or false (put it in quotes if it is text)",
		"text: [a]":                   "f:1:7: text: expected text, found a list",
		"text: ~":                     "f:1:1: text: has no value (give one or leave the key out)",
		"bool: 1":                     "f:1:7: bool: expected true or false, found a number",
		"unsigned: -1":                "f:1:11: unsigned: is out of range (it must not be negative)",
		"unsigned: 256":               "f:1:11: unsigned: is out of range (it must not be negative)",
		"inner: 1_000":                "f:1:8: inner: expected a whole number in plain decimal digits",
		"inner: 0x1F":                 "f:1:8: inner: expected a whole number in plain decimal digits",
		"inner: 99999999999999999999": "f:1:8: inner: is out of range",
		"real: .inf":                  "f:1:7: real: expected a number in plain decimal digits",
		"real: 1e999":                 "f:1:7: real: expected a number, found text",
		"either: a":                   "f:1:9: either: expected a mapping, found text (keys: inner)",
		"either: {iner: 1}":           "f:1:10: either.iner: unknown key (did you mean inner?)",
		"either: {inner: 101}":        "f:1:9: either: is too much",
		"pointers: [{inner: a}, ~]":   "f:1:11: pointers[1]: has no value (give one or leave the key out)\nf:1:20: pointers[0].inner: expected a whole number, found text",
		"hidden: x":                   "f:1:1: hidden: unknown key (keys: any, bool, either, flag, inner, pointers, real, structs, text, unsigned, untagged, wait)",
		"\"a\\nb\\e[0m\": x":          "f:1:1: a b [0m: unknown key",
	} {
		_, got := decodeText(t, text)
		if want == "f:1:1: a b [0m: unknown key" {
			got, _, _ = strings.Cut(got, " (")
		}
		if got != want {
			t.Errorf("%s\n got %s\nwant %s", text, got, want)
		}
	}
}

// TestExpressionPositions: the place of an expression's text is what a mistake
// within it is counted from.
func TestExpressionPositions(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"      scope: profil.x == 1\n":                          "17:14: ",
		"      scope: 'profil.x == 1'\n":                        "17:15: ",
		"      scope: \"profil.x == 1\"\n":                      "17:15: ",
		"      scope: |\n\n         profil.x == 1\n":            "19:10: ",
		"      scope: >-\n        profil.x == 1\n":              "18:9: ",
		"      map: {title: {when: create, value: profil.x}}\n": "17:42: ",
	} {
		_, err := loadText(t, minimal+"    users:\n"+text)
		if err == nil || !strings.Contains(err.Error(), ":"+want) || !strings.Contains(err.Error(), "profil") {
			t.Errorf("%q: %v, want a problem at %s", text, err, want)
		}
	}
}

func TestShare(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"10%": "10%", "0.1": "10%", "100%": "100%", "0": "0%", "0%": "0%", "7 %": "7%", "0.333%": "0.333%", "0.07": "7%",
		"1": "", "10": "", "1.5": "", "101%": "", "-1%": "", "%": "", "x%": "", "": "", "NaN": "", "0x1p-2": "", "010%": "",
	} {
		var s share
		err := s.UnmarshalText([]byte(text))
		if want == "" {
			if err == nil {
				t.Errorf("%q was read as %v", text, float64(s))
			}
			continue
		}
		got, _ := s.MarshalText()
		if err != nil || string(got) != want {
			t.Errorf("%q: %s, %v, want %s", text, got, err, want)
		}
	}
}

func TestNearest(t *testing.T) {
	t.Parallel()
	known := []string{"token", "url", "private_key", "http", "okta", "on_trip"}
	for name, want := range map[string]string{
		"tokn": "token", "TOKEN": "token", "privateKey": "private_key", "ulr": "url", "otka": "okta", "on-trip": "on_trip",
		"colour": "", "x": "", "": "", strings.Repeat("token", 100): "",
	} {
		if got := nearest(name, known); got != want {
			t.Errorf("nearest to %q is %q, want %q", name, got, want)
		}
	}
}
