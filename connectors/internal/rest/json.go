package rest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"

	"github.com/scimsync/scimsync/connectors"
)

// ReadJSON decodes the body of an answer of this package's clients into v and
// closes it. The body must be one JSON value and nothing else, whatever its
// content type says; numbers and unknown fields are encoding/json's defaults. An
// answer that is something else is an error that says what it is: of class
// Incomplete after a read, Lost after a POST or PATCH, which seem to have
// happened.
func ReadJSON(resp *http.Response, v any) error {
	defer func() { _ = resp.Body.Close() }() // all that is wanted has been read
	body, err := readAll(resp.Body)
	if err == nil {
		err = decode(resp.Header, body, v)
	}
	if err == nil {
		return nil
	}
	out := &connectors.Error{Class: connectors.Incomplete, Err: err}
	if r := resp.Request; r != nil {
		if !idempotent(r.Method) {
			out.Class = connectors.Lost
		}
		out.Err = fmt.Errorf("%s %s: %w", method(r), clip(clean(r.URL.EscapedPath()), maxPath), err)
	}
	return out
}

// readAll returns the body, in place where it is in memory already.
func readAll(from io.Reader) ([]byte, error) {
	if known, ok := from.(*body); ok {
		if data, ok := known.whole(); ok {
			return data, nil
		}
	}
	data, err := io.ReadAll(io.LimitReader(from, defaultMaxBody+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("the answer broke off after %d bytes", len(data))
	case len(data) > defaultMaxBody:
		return nil, fmt.Errorf("the answer is larger than %d MiB", defaultMaxBody>>20)
	}
	return data, nil
}

func decode(h http.Header, body []byte, v any) error {
	// Some Windows servers start with a byte order mark.
	body = bytes.TrimPrefix(body, []byte("\xef\xbb\xbf"))
	if len(bytes.TrimSpace(body)) == 0 {
		return errors.New("answered nothing where JSON was expected")
	}
	if isHTML(h, body) {
		return fmt.Errorf("answered with %s instead of JSON: is the address that of the API?", describe(h, body))
	}
	err := json.Unmarshal(body, v)
	if err == nil {
		return nil
	}
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return fmt.Errorf("%s in the answer is a JSON %s, which does not fit", fieldName(wrong.Field), wrong.Value)
	}
	// The decoder's text names a character and an offset, no content.
	if kind, _, _ := mime.ParseMediaType(h.Get("Content-Type")); kind != "" && !isJSONType(kind) {
		return fmt.Errorf("answered with %s instead of JSON: %s", clip(clean(kind), maxCode), clip(clean(err.Error()), maxText))
	}
	return fmt.Errorf("the answer is not JSON: %s", clip(clean(err.Error()), maxText))
}

func fieldName(path string) string {
	if path == "" {
		return "the value"
	}
	return clip(clean(path), maxCode)
}

func isJSONType(kind string) bool {
	return kind == "application/json" || kind == "text/json" || len(kind) > 5 && kind[len(kind)-5:] == "+json"
}
