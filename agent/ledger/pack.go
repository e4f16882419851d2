package ledger

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"

	"github.com/scimsync/scimsync/identity"
)

// What is spooled in scratch tables is written and read once for every object, and
// read by nobody else, so that it is packed rather than put into JSON: a third of
// a cycle was spent on that. A text is its length and its bytes; a list its length
// and its elements, one more so that 0 says that there is none. Values are those
// that identity.Attrs promises, each behind a byte that says which.
const (
	packedNil    = '0'
	packedFalse  = 'f'
	packedTrue   = 't'
	packedNumber = 'n'
	packedText   = 's'
	packedList   = 'l'
	packedRef    = 'r'
	// Anything else, as JSON.
	packedOther = 'j'
)

func packText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// packCount begins a list; none is for one that is nil.
func packCount(b []byte, n int, none bool) []byte {
	if none {
		return append(b, 0)
	}
	return binary.AppendUvarint(b, uint64(n)+1)
}

func packValue(b []byte, v any) ([]byte, error) {
	switch v := v.(type) {
	case nil:
		return append(b, packedNil), nil
	case bool:
		if v {
			return append(b, packedTrue), nil
		}
		return append(b, packedFalse), nil
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return nil, fmt.Errorf("%v is no value of an attribute", v)
		}
		return binary.BigEndian.AppendUint64(append(b, packedNumber), math.Float64bits(v)), nil
	case string:
		return packText(append(b, packedText), v), nil
	case []string:
		b = packCount(append(b, packedList), len(v), v == nil)
		for _, s := range v {
			b = packText(b, s)
		}
		return b, nil
	case identity.Reference:
		return packText(packText(append(b, packedRef), string(v.Ref.Kind)), v.Ref.ID), nil
	}
	data, err := json.Marshal(identity.Attrs{"": v})
	return packText(append(b, packedOther), string(data)), err
}

// packEntry packs an entry without its members.
func packEntry(e identity.Entry) ([]byte, error) {
	b := make([]byte, 0, 512)
	b = packText(packText(packText(b, string(e.Ref.Kind)), e.Ref.ID), e.TargetID)
	b = packCount(b, len(e.Attrs), e.Attrs == nil)
	var err error
	for path, v := range e.Attrs {
		if b, err = packValue(packText(b, path), v); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
	}
	return b, nil
}

// unpackEntry returns what packEntry packed.
func unpackEntry(data []byte) (identity.Entry, error) {
	u := unpacker{rest: string(data)}
	e := identity.Entry{Ref: identity.Ref{Kind: identity.Kind(u.text()), ID: u.text()}, TargetID: u.text()}
	if n := u.count(); n >= 0 {
		e.Attrs = make(identity.Attrs, n)
		for range n {
			path := u.text()
			e.Attrs[path] = u.value()
		}
	}
	return e, u.end()
}

// packBody packs what of a step is not in columns.
func packBody(s stepBody) ([]byte, error) {
	b := make([]byte, 0, 512)
	b = packText(packText(b, string(s.Cause)), s.Reason)
	b = packCount(b, len(s.Attributes), s.Attributes == nil)
	var err error
	for _, a := range s.Attributes {
		b = packText(b, a.Path)
		for _, v := range [...]any{a.Before, a.After} {
			if b, err = packValue(b, v); err != nil {
				return nil, fmt.Errorf("%s: %w", a.Path, err)
			}
		}
	}
	b = packCount(b, len(s.Members), s.Members == nil)
	for _, m := range s.Members {
		b = packText(packText(packText(packText(b, string(m.Ref.Kind)), m.Ref.ID), m.TargetID), m.Name)
	}
	return b, nil
}

// unpackBody returns what packBody packed.
func unpackBody(data []byte) (stepBody, error) {
	u := unpacker{rest: string(data)}
	s := stepBody{Cause: identity.Cause(u.text()), Reason: u.text()}
	if n := u.count(); n >= 0 {
		s.Attributes = make([]identity.Attribute, n)
		for i := range s.Attributes {
			s.Attributes[i] = identity.Attribute{Path: u.text(), Before: u.value(), After: u.value()}
		}
	}
	if n := u.count(); n >= 0 {
		s.Members = make([]identity.Member, n)
		for i := range s.Members {
			s.Members[i] = identity.Member{
				Ref: identity.Ref{Kind: identity.Kind(u.text()), ID: u.text()}, TargetID: u.text(), Name: u.text(),
			}
		}
	}
	return s, u.end()
}

var errPacked = errors.New("what was spooled is not what is read back")

// unpacker reads what was packed. Texts share the memory of the whole, which is
// one piece for an object. After damage it yields nothing more; end tells.
type unpacker struct {
	rest string
	err  error
}

func (u *unpacker) damaged(err error) { u.rest, u.err = "", errors.Join(errPacked, err) }

// end fails unless everything was read and nothing is left.
func (u *unpacker) end() error {
	if u.err == nil && u.rest != "" {
		u.damaged(nil)
	}
	return u.err
}

func (u *unpacker) number() uint64 {
	var n uint64
	for i := range len(u.rest) {
		c := u.rest[i]
		if i == binary.MaxVarintLen64 {
			break
		}
		n |= uint64(c&0x7f) << (7 * i)
		if c < 0x80 {
			u.rest = u.rest[i+1:]
			return n
		}
	}
	u.damaged(nil)
	return 0
}

func (u *unpacker) take(n uint64) string {
	if n > uint64(len(u.rest)) {
		u.damaged(nil)
		return ""
	}
	s := u.rest[:n]
	u.rest = u.rest[n:]
	return s
}

func (u *unpacker) text() string { return u.take(u.number()) }

// count returns the length of a list, and -1 where there is none. An element takes
// a byte at least, so that damage asks for no more memory than there is damage.
func (u *unpacker) count() int {
	n := u.number()
	if n > uint64(len(u.rest))+1 {
		u.damaged(nil)
		return -1
	}
	return int(n) - 1
}

func (u *unpacker) value() any {
	switch kind := u.take(1); kind {
	case string(packedNil):
		return nil
	case string(packedFalse), string(packedTrue):
		return kind == string(packedTrue)
	case string(packedNumber):
		bits := u.take(8)
		if len(bits) < 8 {
			return nil
		}
		return math.Float64frombits(binary.BigEndian.Uint64([]byte(bits)))
	case string(packedText):
		return u.text()
	case string(packedList):
		return u.list()
	case string(packedRef):
		return identity.Reference{Ref: identity.Ref{Kind: identity.Kind(u.text()), ID: u.text()}}
	case string(packedOther):
		var other identity.Attrs
		if err := json.Unmarshal([]byte(u.text()), &other); err != nil {
			u.damaged(err)
		}
		return other[""]
	}
	u.damaged(nil)
	return nil
}

// list returns a list, or nil without a type where there is none.
func (u *unpacker) list() any {
	n := u.count()
	if n < 0 {
		return nil
	}
	out := make([]string, n)
	for i := range out {
		out[i] = u.text()
	}
	return out
}
