package mapping

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

func listFunctions() []function {
	first := func(index int) bool { return index == 0 }
	return []function{
		{
			name: "Join", usage: "Join(separator, source1, source2, …)", min: 2, max: -1, result: new(returnsText),
			lists: func(index int) bool { return index > 0 },
			call:  callJoin,
		},
		{name: "Split", usage: "Split(source, delimiter)", min: 2, max: 2, result: new(returnsList), call: callSplit},
		{
			name: "Item", usage: "Item(list, index)", min: 2, max: 2, lists: first, result: new(returnsText),
			call: func(args []any) (any, error) {
				values, err := list(args, 0)
				if err != nil {
					return nil, err
				}
				n, err := integer(args, 1)
				switch {
				case err != nil:
					return nil, err
				case n < 1:
					return nil, errors.New("argument 2: elements count from 1")
				case n > len(values):
					return "", nil
				}
				return values[n-1], nil
			},
		},
		{
			name: "RemoveDuplicates", usage: "RemoveDuplicates(list)", min: 1, max: 1, lists: first, result: new(returnsList),
			call: func(args []any) (any, error) {
				values, err := list(args, 0)
				if err != nil {
					return nil, err
				}
				seen := make(map[string]struct{}, len(values))
				kept := make([]string, 0, len(values))
				for _, v := range values {
					if _, again := seen[v]; !again {
						seen[v] = struct{}{}
						kept = append(kept, v)
					}
				}
				return kept, nil
			},
		},
	}
}

// callJoin leaves out parts that are absent or empty, so that no separator
// stands alone.
func callJoin(args []any) (any, error) {
	separator, err := argument(args, 0)
	if err != nil {
		return nil, err
	}
	var b strings.Builder
	parts := 0
	add := func(part string) error {
		if part == "" {
			return nil
		}
		if b.Len()+len(separator)+len(part) > maxText {
			return errGrown
		}
		if parts++; parts > 1 {
			b.WriteString(separator)
		}
		b.WriteString(part)
		return nil
	}
	for i := 1; i < len(args); i++ {
		switch args[i].(type) {
		case []any, []string:
			values, err := list(args, i)
			if err != nil {
				return nil, err
			}
			for _, part := range values {
				if err := add(part); err != nil {
					return nil, err
				}
			}
		default:
			part, err := argument(args, i)
			if err != nil {
				return nil, err
			}
			if err := add(part); err != nil {
				return nil, err
			}
		}
	}
	return b.String(), nil
}

// callSplit cuts at each delimiter, takes the blanks off the parts and leaves
// out those that are empty.
func callSplit(args []any) (any, error) {
	s, err := argument(args, 0)
	if err != nil {
		return nil, err
	}
	delimiter, err := argument(args, 1)
	switch {
	case err != nil:
		return nil, err
	case delimiter == "":
		return nil, errors.New("argument 2: the delimiter is empty")
	}
	parts := []string{}
	for part := range strings.SplitSeq(s, delimiter) {
		if part = strings.TrimSpace(part); part == "" {
			continue
		}
		if len(parts) == maxElements {
			return nil, errWide
		}
		parts = append(parts, part)
	}
	return parts, nil
}

func choiceFunctions() []function {
	anywhere := func(int) bool { return true }
	return []function{
		{
			name: "Coalesce", usage: "Coalesce(source1, source2, …)", min: 1, max: -1, lists: anywhere, result: new(returnsAny),
			call: func(args []any) (any, error) {
				for _, v := range args {
					if !missing(v) {
						return v, nil
					}
				}
				return nil, nil
			},
		},
		{
			// The compiler turns a call into a conditional, so that only the
			// value that is chosen is worked out; see lower.go.
			name: "IIF", usage: "IIF(condition, valueIfTrue, valueIfFalse)", min: 3, max: 3, lists: anywhere, result: new(returnsAny),
			call: func(args []any) (any, error) {
				yes, err := condition(args[0])
				if err != nil {
					return nil, err
				}
				if yes {
					return args[1], nil
				}
				return args[2], nil
			},
		},
		{
			name: "Switch", usage: "Switch(source, default, key1, value1, …)", min: 4, max: -1, even: true, result: new(returnsAny),
			lists: func(index int) bool { return index%2 == 1 },
			call: func(args []any) (any, error) {
				source, err := argument(args, 0)
				if err != nil {
					return nil, err
				}
				for i := 2; i+1 < len(args); i += 2 {
					key, err := argument(args, i)
					if err != nil {
						return nil, err
					}
					if key == source {
						return args[i+1], nil
					}
				}
				return args[1], nil
			},
		},
		{
			name: "IsPresent", usage: "IsPresent(source)", min: 1, max: 1, lists: anywhere, result: new(returnsBool),
			call: func(args []any) (any, error) { return !missing(args[0]), nil },
		},
		{
			name: "IsNullOrEmpty", usage: "IsNullOrEmpty(source)", min: 1, max: 1, lists: anywhere, result: new(returnsBool),
			call: func(args []any) (any, error) { return missing(args[0]), nil },
		},
	}
}

// condition reads the condition of an IIF; an absent one does not hold.
func condition(v any) (bool, error) {
	switch v := v.(type) {
	case nil:
		return false, nil
	case bool:
		return v, nil
	}
	return false, fmt.Errorf("the condition must be true or false and is %s", describe(v))
}

// plainFunctions replace those of expr that write "<nil>" where a value is
// absent, stop at it, or show it in an error.
func plainFunctions() []function {
	one := func(name string, change func(string) string) function {
		return function{
			name: name, usage: name + "(source)", min: 1, max: 1, result: new(returnsText),
			call: func(args []any) (any, error) {
				s, err := argument(args, 0)
				if err != nil {
					return nil, err
				}
				return bounded(change(s))
			},
		}
	}
	return []function{
		one("lower", strings.ToLower),
		one("upper", strings.ToUpper),
		one("trim", strings.TrimSpace),
		one("string", func(s string) string { return s }),
		{
			name: "int", usage: "int(source)", min: 1, max: 1, result: new(returnsInt),
			call: func(args []any) (any, error) {
				f, err := toNumber(args[0])
				if err != nil {
					return nil, err
				}
				if math.Abs(f) > 1<<52 {
					return nil, errors.New("the number is too large")
				}
				return int(f), nil
			},
		},
		{
			name: "float", usage: "float(source)", min: 1, max: 1, result: new(returnsFloat),
			call: func(args []any) (any, error) {
				f, err := toNumber(args[0])
				if err != nil {
					return nil, err
				}
				return f, nil
			},
		},
	}
}

func toNumber(v any) (float64, error) {
	if f, ok := number(v); ok {
		return f, nil
	}
	s, ok := v.(string)
	if !ok {
		return 0, errors.New("a number is needed and " + describe(v) + " was given")
	}
	f, err := strconv.ParseFloat(strings.TrimSpace(s), 64)
	if err != nil || math.IsNaN(f) || math.IsInf(f, 0) {
		return 0, errors.New("the text is not a number")
	}
	return f, nil
}
