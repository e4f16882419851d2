package mapping

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/language"
	"golang.org/x/text/unicode/norm"
)

func textFunctions() []function {
	culture := func(int) map[int]literal { return map[int]literal{1: {parse: parseCulture}} }
	return []function{
		{
			name: "Append", usage: "Append(source, suffix)", min: 2, max: 2, result: new(returnsText),
			call: func(args []any) (any, error) {
				a, err := argument(args, 0)
				if err != nil {
					return nil, err
				}
				b, err := argument(args, 1)
				if err != nil {
					return nil, err
				}
				return concat(a, b)
			},
		},
		{
			name: "Left", usage: "Left(source, count)", min: 2, max: 2, result: new(returnsText),
			call: func(args []any) (any, error) {
				s, err := argument(args, 0)
				if err != nil {
					return nil, err
				}
				n, err := integer(args, 1)
				if err != nil {
					return nil, err
				}
				if n < 0 {
					return s, nil
				}
				return s[:runeOffset(s, n)], nil
			},
		},
		{name: "Mid", usage: "Mid(source, start, length)", min: 3, max: 3, result: new(returnsText), call: callMid},
		{name: "InStr", usage: "InStr(source, part, start, compareType)", min: 2, max: 4, result: new(returnsInt), call: callInStr},
		{name: "Word", usage: "Word(source, number, delimiters)", min: 3, max: 3, result: new(returnsText), call: callWord},
		{
			name: "ToLower", usage: "ToLower(source, culture)", min: 1, max: 2, literals: culture, result: new(returnsText),
			call: func(args []any) (any, error) {
				return changeCase(args, strings.ToLower, func(t language.Tag) cases.Caser { return cases.Lower(t) })
			},
		},
		{
			name: "ToUpper", usage: "ToUpper(source, culture)", min: 1, max: 2, literals: culture, result: new(returnsText),
			call: func(args []any) (any, error) {
				return changeCase(args, strings.ToUpper, func(t language.Tag) cases.Caser { return cases.Upper(t) })
			},
		},
		{name: "PCase", usage: "PCase(source, wordSeparators)", min: 1, max: 2, result: new(returnsText), call: callPCase},
		{
			name: "StripSpaces", usage: "StripSpaces(source)", min: 1, max: 1, result: new(returnsText),
			call: func(args []any) (any, error) {
				s, err := argument(args, 0)
				return strings.Map(func(r rune) rune {
					if unicode.IsSpace(r) {
						return -1
					}
					return r
				}, s), err
			},
		},
		{
			name: "NormalizeDiacritics", usage: "NormalizeDiacritics(source)", min: 1, max: 1, result: new(returnsText),
			call: func(args []any) (any, error) {
				s, err := argument(args, 0)
				if err != nil {
					return nil, err
				}
				if len(s) > maxText {
					return nil, errInput
				}
				return normalizeDiacritics(s), nil
			},
		},
	}
}

func concat(a, b string) (any, error) {
	if len(a)+len(b) > maxText {
		return nil, errGrown
	}
	return a + b, nil
}

func callMid(args []any) (any, error) {
	s, err := argument(args, 0)
	if err != nil {
		return nil, err
	}
	start, err := integer(args, 1)
	if err != nil {
		return nil, err
	}
	length, err := integer(args, 2)
	switch {
	case err != nil:
		return nil, err
	case start < 1:
		return nil, errors.New("argument 2: characters count from 1")
	case length < 0:
		return nil, errors.New("argument 3: the length is negative")
	}
	s = s[runeOffset(s, start-1):]
	return s[:runeOffset(s, length)], nil
}

// callInStr returns the place of a text in another, counted in characters from
// 1, and 0 where it is not in it. An empty part is found where the search
// starts, as in Visual Basic.
func callInStr(args []any) (any, error) {
	s, err := argument(args, 0)
	if err != nil {
		return nil, err
	}
	part, err := argument(args, 1)
	if err != nil {
		return nil, err
	}
	start := 1
	if len(args) > 2 && args[2] != nil {
		if start, err = integer(args, 2); err != nil {
			return nil, err
		}
		if start < 1 {
			return nil, errors.New("argument 3: characters count from 1")
		}
	}
	if len(args) > 3 {
		compare, err := argument(args, 3)
		if err != nil {
			return nil, err
		}
		switch compare {
		case "", "vbBinaryCompare":
		case "vbTextCompare":
			// Folded letter by letter, so that places stay what they are.
			s, part = strings.Map(foldRune, s), strings.Map(foldRune, part)
		default:
			return nil, errors.New(`argument 4 must be "vbBinaryCompare" or "vbTextCompare"`)
		}
	}
	if s == "" || start > utf8.RuneCountInString(s) {
		return 0, nil
	}
	from := runeOffset(s, start-1)
	at := strings.Index(s[from:], part)
	if at < 0 {
		return 0, nil
	}
	return start + utf8.RuneCountInString(s[from:from+at]), nil
}

// callWord returns one word, counted from 1. Delimiters in a row count as one.
func callWord(args []any) (any, error) {
	s, err := argument(args, 0)
	if err != nil {
		return nil, err
	}
	n, err := integer(args, 1)
	if err != nil {
		return nil, err
	}
	delimiters, err := argument(args, 2)
	if err != nil {
		return nil, err
	}
	for word := range strings.FieldsFuncSeq(s, func(r rune) bool { return strings.ContainsRune(delimiters, r) }) {
		if n--; n == 0 {
			return word, nil
		}
	}
	return "", nil
}

func parseCulture(name string) (any, error) {
	if name == "" {
		return language.Und, nil
	}
	tag, err := language.Parse(name)
	if err != nil {
		return nil, fmt.Errorf("%q is not a culture such as \"tr-TR\"", name)
	}
	return tag, nil
}

// changeCase converts by the rules of no language unless one is named.
func changeCase(args []any, plain func(string) string, by func(language.Tag) cases.Caser) (any, error) {
	s, err := argument(args, 0)
	if err != nil {
		return nil, err
	}
	if len(args) < 2 || missing(args[1]) {
		return bounded(plain(s))
	}
	tag, ok := args[1].(language.Tag)
	if !ok {
		name, err := argument(args, 1)
		if err != nil {
			return nil, err
		}
		parsed, err := parseCulture(name)
		if err != nil {
			return nil, errors.New("argument 2 is not a culture")
		}
		tag, _ = parsed.(language.Tag)
	}
	if tag == language.Und {
		return bounded(plain(s))
	}
	// A Caser holds state, so each call has its own.
	return bounded(by(tag).String(s))
}

// callPCase writes the first letter of each word large and the others small.
// Unless separators are given, a word goes on over letters, marks, digits and
// apostrophes.
func callPCase(args []any) (any, error) {
	s, err := argument(args, 0)
	if err != nil {
		return nil, err
	}
	separator := func(r rune) bool {
		return r != '\'' && r != '’' && !unicode.IsLetter(r) && !unicode.IsMark(r) && !unicode.IsDigit(r)
	}
	if len(args) > 1 && args[1] != nil {
		given, err := argument(args, 1)
		if err != nil {
			return nil, err
		}
		separator = func(r rune) bool { return strings.ContainsRune(given, r) }
	}
	start := true
	return bounded(strings.Map(func(r rune) rune {
		switch {
		case separator(r):
			start = true
			return r
		case start:
			start = false
			return unicode.ToTitle(r)
		}
		return unicode.ToLower(r)
	}, s))
}

// plainLetters are Latin letters that carry their sign inside, so that Unicode
// does not take them apart. The spellings are those Entra documents, and for
// the rest the usual ones.
func plainLetter(r rune) (string, bool) {
	switch r {
	case 'æ':
		return "ae", true
	case 'Æ':
		return "AE", true
	case 'ø', 'œ':
		return "oe", true
	case 'Ø', 'Œ':
		return "OE", true
	case 'ß':
		return "ss", true
	case 'ẞ':
		return "SS", true
	case 'ł':
		return "l", true
	case 'Ł':
		return "L", true
	case 'đ', 'ð':
		return "d", true
	case 'Đ', 'Ð':
		return "D", true
	case 'þ':
		return "th", true
	case 'Þ':
		return "TH", true
	case 'ı':
		return "i", true
	case 'ħ':
		return "h", true
	case 'Ħ':
		return "H", true
	case 'ŧ':
		return "t", true
	case 'Ŧ':
		return "T", true
	case 'ŋ':
		return "n", true
	case 'Ŋ':
		return "N", true
	case 'ĸ':
		return "k", true
	}
	return "", false
}

// normalizeDiacritics takes the marks off Latin and Greek letters. In other
// scripts the same kind of mark is a vowel or makes another letter, and stays.
func normalizeDiacritics(s string) string {
	ascii := true
	for i := 0; i < len(s); i++ {
		if s[i] >= utf8.RuneSelf {
			ascii = false
			break
		}
	}
	if ascii {
		return s
	}
	var b strings.Builder
	b.Grow(len(s))
	marked := false // the last base letter is one whose marks go
	for _, r := range norm.NFD.String(s) {
		if unicode.Is(unicode.Mn, r) {
			if !marked {
				b.WriteRune(r)
			}
			continue
		}
		marked = unicode.Is(unicode.Latin, r) || unicode.Is(unicode.Greek, r)
		if plain, ok := plainLetter(r); ok {
			b.WriteString(plain)
			continue
		}
		b.WriteRune(r)
	}
	return norm.NFC.String(b.String())
}
