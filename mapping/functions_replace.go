package mapping

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// replaceFunction is Replace in the short form (source, old, new) and in the
// forms Entra documents, which are told apart by the arguments that are there:
//
//	oldValue, replacementValue            every oldValue in source becomes replacementValue
//	oldValue, template                    every oldValue in template becomes source
//	regexPattern, replacementValue        every match becomes replacementValue, which may name groups: ${name}
//	regexPattern, regexGroupName,
//	  replacementValue                    what the group matched becomes replacementValue
//	regexPattern, regexGroupName,
//	  replacementAttribute                an empty source becomes what the group matches in replacementAttribute
//
// Patterns are RE2, whose work grows with the text and not beyond.
func replaceFunction() function {
	return function{
		name:  "Replace",
		usage: "Replace(source, oldValue, replacementValue) or Replace(source, oldValue, regexPattern, regexGroupName, replacementValue, replacementAttribute, template)",
		min:   3, max: 7, result: new(returnsText),
		literals: func(count int) map[int]literal {
			if count == 3 {
				return nil
			}
			return map[int]literal{2: {parse: parsePattern, required: true}}
		},
		call: callReplace,
	}
}

func parsePattern(pattern string) (any, error) {
	if pattern == "" {
		return nil, nil
	}
	re, err := regexp.Compile(pattern)
	if err != nil {
		return nil, fmt.Errorf("%w; patterns are RE2, without look-around and back-references", err)
	}
	return re, nil
}

func callReplace(args []any) (any, error) {
	source, err := argument(args, 0)
	if err != nil {
		return nil, err
	}
	if len(source) > maxText {
		return nil, errInput
	}
	if len(args) == 3 {
		old, err := argument(args, 1)
		if err != nil {
			return nil, err
		}
		replacement, err := argument(args, 2)
		if err != nil {
			return nil, err
		}
		return replaceAll(source, old, replacement)
	}
	args = append(slices.Clip(args), nil, nil, nil)
	pattern, _ := args[2].(*regexp.Regexp)
	group, err := argument(args, 3)
	if err != nil {
		return nil, err
	}
	var old, replacement, template string
	for _, want := range []struct {
		index int
		into  *string
	}{{1, &old}, {4, &replacement}, {6, &template}} {
		if *want.into, err = argument(args, want.index); err != nil {
			return nil, err
		}
	}
	switch {
	case pattern == nil && old != "" && args[6] != nil:
		if source == "" {
			return "", nil
		}
		return replaceAll(template, old, source)
	case pattern == nil && old != "" && args[4] != nil:
		return replaceAll(source, old, replacement)
	case pattern == nil:
		return nil, errors.New("neither oldValue with replacementValue or template, nor regexPattern with replacementValue or replacementAttribute are given")
	case group == "" && args[4] != nil:
		return replaceMatches(source, pattern, replacement)
	}
	index := pattern.SubexpIndex(group)
	switch {
	case index < 0:
		return nil, errors.New("the regexPattern has no group of the name regexGroupName")
	case args[4] != nil:
		return replaceGroup(source, pattern, index, replacement)
	case source != "":
		return source, nil
	}
	other, err := argument(args, 5)
	switch {
	case err != nil:
		return nil, err
	case len(other) > maxText:
		return nil, errInput
	}
	match := pattern.FindStringSubmatchIndex(other)
	if match == nil || match[2*index] < 0 {
		return "", nil
	}
	return other[match[2*index]:match[2*index+1]], nil
}

// replaceAll replaces every old by replacement. An old that is empty is none.
func replaceAll(s, old, replacement string) (any, error) {
	if old == "" {
		return bounded(s)
	}
	if len(s)+strings.Count(s, old)*(len(replacement)-len(old)) > maxText {
		return nil, errGrown
	}
	return bounded(strings.ReplaceAll(s, old, replacement))
}

func replaceMatches(s string, pattern *regexp.Regexp, replacement string) (any, error) {
	var out []byte
	last, groups := 0, strings.Count(replacement, "$")
	for _, match := range pattern.FindAllStringSubmatchIndex(s, -1) {
		// A replacement may name a long group many times.
		if groups*(match[1]-match[0])+len(replacement) > 16*maxText {
			return nil, errGrown
		}
		out = append(out, s[last:match[0]]...)
		out = pattern.ExpandString(out, replacement, s, match)
		last = match[1]
		if len(out) > maxText {
			return nil, errGrown
		}
	}
	return bounded(string(append(out, s[last:]...)))
}

func replaceGroup(s string, pattern *regexp.Regexp, index int, replacement string) (any, error) {
	var b strings.Builder
	last := 0
	for _, match := range pattern.FindAllStringSubmatchIndex(s, -1) {
		from, to := match[2*index], match[2*index+1]
		if from < last {
			continue // the group took no part in this match
		}
		b.WriteString(s[last:from])
		b.WriteString(replacement)
		last = to
		if b.Len() > maxText {
			return nil, errGrown
		}
	}
	b.WriteString(s[last:])
	return bounded(b.String())
}
