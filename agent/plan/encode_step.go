package plan

import (
	"strconv"
	"unicode/utf8"

	"github.com/scimsync/scimsync/identity"
)

// A step is written once for its digest and once more for its reader. What nearly
// all steps hold is written here, byte for byte as encoding/json writes a stepJSON;
// anything else encoding/json does write.

func (e *encoder) step(s Step) {
	e.text(`{"op":`)
	e.quoted(string(s.Op))
	e.text(`,"kind":`)
	e.quoted(string(s.Ref.Kind))
	e.text(`,"source_id":`)
	e.quoted(s.Ref.ID)
	e.text(`,"target_id":`)
	e.quoted(s.TargetID)
	e.text(`,"name":`)
	e.quoted(s.Name)
	e.text(`,"cause":`)
	e.quoted(string(s.Cause))
	e.text(`,"reason":`)
	e.quoted(s.Reason)
	e.text(`,"attributes":[`)
	for i, a := range s.Attributes {
		e.attribute(i, a)
	}
	e.text(`],"members":[`)
	for i, m := range s.Members {
		e.member(i, m)
	}
	e.text(`],"wave":`)
	e.number(int(s.Place.Wave))
	e.text(`,"level":`)
	e.number(s.Place.Level)
	for _, optional := range [...]struct{ name, value string }{
		{`,"rule":`, string(s.Held)}, {`,"outcome":`, string(s.Outcome)}, {`,"error":`, s.Error},
	} {
		if optional.value != "" {
			e.text(optional.name)
			e.quoted(optional.value)
		}
	}
	e.text("}")
}

func (e *encoder) attribute(i int, a identity.Attribute) {
	e.comma(i)
	e.text(`{"path":`)
	e.quoted(a.Path)
	e.text(`,"before":`)
	e.plain(a.Before)
	e.text(`,"after":`)
	e.plain(a.After)
	e.text("}")
}

func (e *encoder) member(i int, m identity.Member) {
	e.comma(i)
	e.text(`{"source_id":`)
	e.quoted(m.Ref.ID)
	e.text(`,"target_id":`)
	e.quoted(m.TargetID)
	e.text(`,"name":`)
	e.quoted(m.Name)
	if m.Ref.Kind != identity.User && m.Ref.Kind != "" {
		e.text(`,"kind":`)
		e.quoted(string(m.Ref.Kind))
	}
	e.text("}")
}

func (e *encoder) comma(i int) {
	if i > 0 {
		e.text(",")
	}
}

func (e *encoder) number(n int) {
	var digits [20]byte
	e.bytes(strconv.AppendInt(digits[:0], int64(n), 10))
}

// plain writes the value of an attribute.
func (e *encoder) plain(v any) {
	switch v := v.(type) {
	case nil:
		e.text("null")
	case bool:
		e.text(strconv.FormatBool(v))
	case string:
		e.quoted(v)
	default:
		e.value(v)
	}
}

// quoted writes a string. Control characters, the two line separators that JSON
// has and JavaScript has not, and what is not UTF-8 are left to encoding/json.
func (e *encoder) quoted(s string) {
	for i := 0; i < len(s); {
		c := s[i]
		if c >= utf8.RuneSelf {
			r, size := utf8.DecodeRuneInString(s[i:])
			if r == utf8.RuneError && size == 1 || r == '\u2028' || r == '\u2029' {
				e.value(s)
				return
			}
			i += size
			continue
		}
		if c < ' ' {
			e.value(s)
			return
		}
		i++
	}
	e.text(`"`)
	from := 0
	for i := range len(s) {
		if s[i] == '"' || s[i] == '\\' {
			e.text(s[from:i])
			e.text(`\`)
			from = i
		}
	}
	e.text(s[from:])
	e.text(`"`)
}
