package mapping

import (
	"errors"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/scimsync/scimsync/identity"
)

// What an attribute may hold at most. A text that is longer was mapped from
// the wrong field; a certificate or a photo stays well below.
const (
	maxValue  = 10_000 // characters
	maxValues = 1_000  // elements of a list
)

var (
	errControl   = errors.New("the value contains a control character")
	errLine      = errors.New("the value contains a line break or a tab")
	errUTF8      = errors.New("the value is not valid UTF-8")
	errLong      = errors.New("the value is longer than 10,000 characters")
	errMany      = errors.New("the list has more than 1,000 values")
	errNotFinite = errors.New("the value is no finite number")
)

// convert turns the result of an expression into an attribute value: a string,
// a bool, a []string, or nil for an empty one.
func convert(value any, r *rule) (any, error) {
	converted, err := plain(value)
	if err != nil {
		return nil, err
	}
	switch v := converted.(type) {
	case nil:
		return nil, nil
	case string:
		if r.reference != "" {
			return identity.Reference{Ref: identity.Ref{Kind: r.reference, ID: v}}, checkText(v, kindLine)
		}
		if r.kind == kindBool {
			return nil, errors.New("the value must be true or false and is a text")
		}
		return v, checkText(v, r.kind)
	case bool:
		if r.reference != "" {
			return nil, errors.New("the value must be the id of an object and is true or false")
		}
		if r.kind == kindText || r.kind == kindLine {
			return nil, errors.New("the value must be a text and is true or false")
		}
		return v, nil
	case []string:
		if r.single() {
			return nil, errors.New("the value is a list where the attribute takes one value")
		}
		for _, element := range v {
			if err := checkText(element, r.kind); err != nil {
				return nil, err
			}
		}
		return v, nil
	}
	return nil, errors.New("the value is of no kind an attribute can hold")
}

// plain returns the value as a string, bool, []string or nil. Numbers become
// texts: no attribute of RFC 7643 is numeric. An empty text or list is nil.
func plain(value any) (any, error) {
	switch v := value.(type) {
	case nil:
		return nil, nil
	case bool:
		return v, nil
	case []string:
		return plainList(len(v), func(i int) any { return v[i] })
	case []any:
		return plainList(len(v), func(i int) any { return v[i] })
	case map[string]any:
		return nil, errors.New("the value is an object; name the field of it that is meant")
	}
	s, err := text(value)
	if err != nil || s == "" {
		return nil, err
	}
	return s, nil
}

func plainList(n int, at func(int) any) (any, error) {
	if n > maxValues {
		return nil, errMany
	}
	list := make([]string, 0, n)
	for i := range n {
		s, err := text(at(i))
		if err != nil {
			return nil, errors.New("an element of the list is not a text")
		}
		if s != "" {
			list = append(list, s)
		}
	}
	if len(list) == 0 {
		return nil, nil
	}
	return list, nil
}

// text returns a single value as text: nil is "", a number has no exponent.
// Lists and objects are errors that do not show what they hold.
func text(value any) (string, error) {
	switch v := value.(type) {
	case nil:
		return "", nil
	case string:
		return v, nil
	case bool:
		return strconv.FormatBool(v), nil
	case int:
		return strconv.Itoa(v), nil
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return "", errNotFinite
		}
		return strconv.FormatFloat(v, 'f', -1, 64), nil
	case int64:
		return strconv.FormatInt(v, 10), nil
	case uint64:
		return strconv.FormatUint(v, 10), nil
	}
	return "", errors.New("one value is needed and " + describe(value) + " was given")
}

// number returns a JSON number, and false for anything else.
func number(value any) (float64, bool) {
	switch v := value.(type) {
	case float64:
		return v, true
	case int:
		return float64(v), true
	case int64:
		return float64(v), true
	case uint64:
		return float64(v), true
	}
	return 0, false
}

// checkText refuses what no attribute should carry: text that is not UTF-8,
// too long, or has control characters in it, which end up in logs, headers and
// file names of the target. Line breaks and tabs are part of some attributes,
// such as addresses, but of no name.
func checkText(s string, kind attributeKind) error {
	if len(s) > maxValue && utf8.RuneCountInString(s) > maxValue {
		return errLong
	}
	ascii := true
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c >= utf8.RuneSelf:
			ascii = false
		case c == '\n' || c == '\r' || c == '\t':
			if kind == kindLine {
				return errLine
			}
		case c < ' ' || c == 0x7f:
			return errControl
		}
	}
	if !ascii && !utf8.ValidString(s) {
		return errUTF8
	}
	return nil
}

// blank reports whether a value that identifies an object is missing.
func blank(value any) bool {
	s, ok := value.(string)
	return !ok || strings.TrimSpace(s) == ""
}
