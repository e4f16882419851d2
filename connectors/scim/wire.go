package scim

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"path"
	"strings"

	"github.com/scimsync/scimsync/connectors"
	"github.com/scimsync/scimsync/connectors/internal/rest"
)

// The bounds of an answer in bytes. A page that grows beyond pageBytes, or beyond
// groupPageBytes of groups, is asked for again in smaller pieces; one group may take
// objectBytes, since a group with a million members is one object; nobody's account
// is larger than userBytes.
const (
	objectBytes    = 256 << 20
	pageBytes      = 32 << 20
	groupPageBytes = 16 << 20
	userBytes      = 4 << 20
	discoveryBytes = 4 << 20
)

// answerBytes is how much of the answer to a request is read: no more than the
// largest honest one, because a few kilobytes of gzip fill any room there is.
func answerBytes(r *http.Request) int64 {
	folder, last := path.Split(r.URL.Path)
	switch folder = path.Base(folder); {
	case last == "Users", last == ".search":
		return pageBytes
	case last == "Groups" && r.URL.Query().Get("count") != "1":
		return groupPageBytes
	case last == "Groups", folder == "Groups":
		return objectBytes
	case folder == "Users":
		return userBytes
	}
	return discoveryBytes
}

// streamed reports whether the answer to a request is a listing, or of a group: they are
// read one object, and one member, at a time, and are counted meanwhile.
func streamed(r *http.Request) bool {
	folder, last := path.Split(r.URL.Path)
	return last == "Users" || last == "Groups" || path.Base(folder) == "Groups"
}

const contentType = "application/scim+json"

// codeNotJSON is the code of an answer that is not the SCIM service's.
const codeNotJSON = "notJSON"

// errTooLarge says that an answer exceeded the bound it was read with.
var errTooLarge = errors.New("the answer is larger than the agent reads")

// send sends one request and returns its open answer. An answer of 400 or more
// is an error: the transport classes it.
func (s *session) send(ctx context.Context, method string, u *url.URL, body any, etag string) (*http.Response, error) {
	var reader io.Reader
	if body != nil {
		data, err := json.Marshal(body)
		if err != nil {
			return nil, connectors.Errorf(connectors.Rejected, "encode the request: %w", err)
		}
		reader = bytes.NewReader(data)
	}
	req, err := http.NewRequestWithContext(ctx, method, u.String(), reader)
	if err != nil {
		return nil, connectors.Errorf(connectors.Rejected, "build the request: the address is not valid")
	}
	req.Header.Set("Accept", contentType+", application/json;q=0.9")
	if body != nil {
		req.Header.Set("Content-Type", contentType)
	}
	if etag != "" {
		req.Header.Set("If-Match", etag)
	}
	return rest.Do(s.client, req)
}

// answer is a whole answer in memory.
type answer struct {
	resource *resource // nil where the answer had no body
	etag     string
}

// exchange sends a request and reads the resource it answers with, if any.
func (s *session) exchange(ctx context.Context, method string, u *url.URL, body any, etag string) (answer, error) {
	resp, err := s.send(ctx, method, u, body, etag)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	r, err := readResource(resp)
	if err != nil {
		if method == http.MethodPost || method == http.MethodPatch {
			// The write was accepted; what it led to could not be read.
			return answer{}, lost(err)
		}
		return answer{}, err
	}
	return answer{resource: r, etag: resp.Header.Get("ETag")}, nil
}

// lost turns an unreadable answer to a write into class Lost, unless its class
// says more. What is not JSON at all was not said by the SCIM service: a login
// wall or a page of maintenance tells nothing of what became of the write.
func lost(err error) error {
	class := connectors.ClassOf(err)
	if codeOf(err) == codeNotJSON {
		class = connectors.Incomplete
	}
	switch class {
	case connectors.Unclassified, connectors.Transient, connectors.Incomplete:
		return connectors.Errorf(connectors.Lost, "the request was sent, its answer could not be read: %w", err)
	}
	return err
}

// openObject returns a stream that stands before the object an answer holds, or
// nil where the answer is empty.
func openObject(resp *http.Response, limit int64) (*stream, error) {
	crowded := rest.Crowded(resp)
	body := &bounded{from: resp.Body, left: limit}
	first, err := firstByte(body)
	switch {
	case errors.Is(err, io.EOF):
		return nil, nil
	case err != nil:
		return nil, readError(err)
	case first != '{':
		return nil, notJSON(resp, first)
	}
	s := newStream(io.MultiReader(bytes.NewReader([]byte{first}), body))
	s.crowded = crowded
	return s, nil
}

// readObject reads one JSON object of at most so many values as it is; an empty
// answer is nil.
func readObject(resp *http.Response, limit int64, values int) (map[string]any, error) {
	s, err := openObject(resp, limit)
	if s == nil {
		return nil, err
	}
	s.left, s.most = values, values
	value, err := s.value()
	if err != nil {
		return nil, readError(err)
	}
	object, _ := value.(map[string]any) // it begins as one does
	if err := envelope(object); err != nil {
		return nil, err
	}
	return object, nil
}

// readResource reads one user or group; an empty answer is nil.
func readResource(resp *http.Response) (*resource, error) {
	s, err := openObject(resp, objectBytes)
	if s == nil {
		return nil, err
	}
	r, err := decodeResource(s)
	if err != nil {
		return nil, readError(err)
	}
	if err := envelope(r.object); err != nil {
		return nil, err
	}
	return &r, nil
}

// firstByte returns the first byte that is not blank.
func firstByte(r io.Reader) (byte, error) {
	one := make([]byte, 1)
	for {
		if _, err := io.ReadFull(r, one); err != nil {
			return 0, err
		}
		switch one[0] {
		case ' ', '\t', '\r', '\n':
		case 0xEF, 0xBB, 0xBF: // a byte order mark, which JSON does not know
		default:
			return one[0], nil
		}
	}
}

// notJSON says what came instead of JSON.
func notJSON(resp *http.Response, first byte) error {
	kind := "something that is not JSON"
	if first == '<' {
		kind = "an HTML or XML page"
	}
	if first == '[' {
		kind = "a bare JSON list"
	}
	e := connectors.Errorf(connectors.Rejected,
		"%s answered %s (content type %.60q) instead of a SCIM object; check that url is the base of the SCIM service and that no login page or proxy stands before it",
		resp.Request.URL.Path, kind, resp.Header.Get("Content-Type"))
	e.Code = codeNotJSON
	return e
}

// readError classes a failure to read an answer to its end.
func readError(err error) error {
	if e, ok := errors.AsType[*connectors.Error](err); ok {
		return e
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	if errors.Is(err, errTooLarge) {
		return connectors.Errorf(connectors.Incomplete, "read the answer: %w", err)
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return connectors.Errorf(connectors.Incomplete, "the answer ends in the middle")
	}
	if _, ok := errors.AsType[*json.SyntaxError](err); ok {
		return connectors.Errorf(connectors.Incomplete, "the answer is not whole JSON: %w", err)
	}
	return connectors.Errorf(connectors.Transient, "read the answer: %w", err)
}

// bounded fails with errTooLarge instead of reading on without an end.
type bounded struct {
	from io.Reader
	left int64
}

// Read implements io.Reader.
func (b *bounded) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, errTooLarge
	}
	if int64(len(p)) > b.left {
		p = p[:b.left]
	}
	n, err := b.from.Read(p)
	b.left -= int64(n)
	return n, err
}

// envelope finds an error that was sent with a status of 200: a SCIM error
// (RFC 7644, section 3.12), or the envelope of some other API, which is how
// Casdoor refuses a credential.
func envelope(object map[string]any) error {
	code := text(object, "status")
	message := firstText(object, "detail", "msg", "message", "error_description", "error")
	if hasSchema(object, errorSchema) {
		return connectors.Errorf(classOfCode(code), "answered 200 with an error: %s", sentence(message))
	}
	if lookup(object, "id") != nil || lookup(object, "Resources") != nil || lookup(object, "totalResults") != nil ||
		lookup(object, "schemas") != nil {
		return nil
	}
	if strings.EqualFold(code, "error") || lookup(object, "error") != nil || lookup(object, "msg") != nil && code != "ok" {
		return connectors.Errorf(connectors.Unauthorized,
			"answered 200 with an error that is not SCIM: %s; check the credential and url", sentence(message))
	}
	return nil
}

// classOfCode classes the status member of a SCIM error body.
func classOfCode(status string) connectors.Class {
	switch status {
	case "401":
		return connectors.Unauthorized
	case "403":
		return connectors.Forbidden
	case "404":
		return connectors.Missing
	case "409":
		return connectors.Conflict
	case "501":
		return connectors.Unsupported
	}
	return connectors.Rejected
}

// sentence makes foreign text fit for a line of a log: printable and short.
func sentence(message string) string {
	const longest = 200
	clean := strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7F {
			return ' '
		}
		return r
	}, message)
	if clean = strings.TrimSpace(clean); clean == "" {
		return "no message"
	}
	if runes := []rune(clean); len(runes) > longest {
		return string(runes[:longest]) + "…"
	}
	return clean
}
