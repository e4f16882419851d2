package scimtest

import (
	"net/url"
	"strconv"
)

// query is what a client asks of a listing, by URL or by SearchRequest (RFC
// 7644, section 3.4.3).
type query struct {
	filter               string
	sortBy, sortOrder    string
	attributes, excluded []string
	startIndex           int // 1-based
	count                int // -1: not given
	cursor               *string
}

func queryOf(values url.Values) (query, error) {
	q := query{
		filter: values.Get("filter"), sortBy: values.Get("sortBy"), sortOrder: values.Get("sortOrder"),
		attributes: splitNames(values["attributes"]), excluded: splitNames(values["excludedAttributes"]),
		startIndex: 1, count: -1,
	}
	if values.Has("filter") && q.filter == "" {
		return q, badRequest("invalidFilter", "the filter is empty")
	}
	for name, into := range map[string]*int{"startIndex": &q.startIndex, "count": &q.count} {
		if !values.Has(name) {
			continue
		}
		n, err := strconv.Atoi(values.Get(name))
		if err != nil {
			return q, invalidValue("%s must be a whole number", name)
		}
		*into = n
		if name == "count" {
			*into = max(0, n)
		}
	}
	if values.Has("cursor") {
		cursor := values.Get("cursor")
		q.cursor = &cursor
	}
	q.startIndex = max(1, q.startIndex)
	return q, nil
}

// searchOf reads a SearchRequest by writing it as the URL query it equals.
func searchOf(body map[string]any) (query, error) {
	if err := message(body, urnSearch); err != nil {
		return query{}, err
	}
	values := url.Values{}
	for _, name := range []string{"filter", "sortBy", "sortOrder", "cursor"} {
		if v, ok := field(body, name); ok {
			text, ok := v.(string)
			if !ok {
				return query{}, invalidValue("%s must be a string", name)
			}
			values.Set(name, text)
		}
	}
	for _, name := range []string{"startIndex", "count"} {
		if v, ok := field(body, name); ok {
			n, ok := v.(float64)
			if !ok || n != float64(int(n)) {
				return query{}, invalidValue("%s must be a whole number", name)
			}
			values.Set(name, strconv.Itoa(int(n)))
		}
	}
	for _, name := range []string{"attributes", "excludedAttributes"} {
		v, _ := field(body, name)
		for _, one := range asList(v) {
			text, ok := one.(string)
			if !ok {
				return query{}, invalidValue("%s must be a list of strings", name)
			}
			values.Add(name, text)
		}
	}
	return queryOf(values)
}
