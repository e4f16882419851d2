package main

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/scimsync/scimsync/connectors/connectortest"
	"github.com/scimsync/scimsync/connectors/entra/entratest"
)

// trick is one hostile answer.
type trick struct {
	// act answers a request to the side under siege.
	act func(s *siege) http.HandlerFunc
	// says is what the run has to say of it, whichever side it is.
	says string
	// waits says that it is tried again for some seconds, or waited for.
	waits bool
	// only restricts it to some sides, by a part of their names; empty is all.
	only string
	// but leaves sides out.
	but string
}

func (k trick) applies(side string) bool {
	fits := k.only == ""
	for part := range strings.SplitSeq(k.only, ",") {
		fits = fits || part == side
	}
	for part := range strings.SplitSeq(k.but, ",") {
		fits = fits && part != side
	}
	return fits
}

// respond is a trick that writes headers, given as pairs, and a body.
func respond(status int, body string, headers ...string) func(*siege) http.HandlerFunc {
	return func(*siege) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			for i := 0; i < len(headers); i += 2 {
				w.Header().Add(headers[i], headers[i+1])
			}
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body)
		}
	}
}

// redirect is a trick that sends the client to where says, with a status.
func redirect(status int, where func(s *siege, r *http.Request) string) func(*siege) http.HandlerFunc {
	return func(s *siege) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			w.Header()["Location"] = []string{where(s, r)}
			w.WriteHeader(status)
		}
	}
}

// link is a trick that names a next page.
func link(where func(s *siege, r *http.Request) string) func(*siege) http.HandlerFunc {
	return func(s *siege) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) { s.page(w, where(s, r)) }
	}
}

// raw is a trick that writes bytes to the connection, which it then closes.
func raw(write func(w io.Writer)) func(*siege) http.HandlerFunc {
	return func(*siege) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			conn, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				panic(http.ErrAbortHandler)
			}
			defer conn.Close()
			write(conn)
		}
	}
}

// text is a raw trick of a fixed text.
func text(answer string) func(*siege) http.HandlerFunc {
	return raw(func(w io.Writer) { _, _ = io.WriteString(w, answer) })
}

const okJSON = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"

// endless writes a piece again and again until the client leaves, or much of it.
func endless(head, piece string) func(*siege) http.HandlerFunc {
	const much = 1 << 30
	return raw(func(w io.Writer) {
		if _, err := io.WriteString(w, head); err != nil {
			return
		}
		block := bytes.Repeat([]byte(piece), max(1, 1<<16/len(piece)))
		for sent := 0; sent < much; sent += len(block) {
			if _, err := w.Write(block); err != nil {
				return
			}
		}
	})
}

// drip writes a head and then a byte at a time, slower than anybody waits.
func drip(head string) func(*siege) http.HandlerFunc {
	return func(*siege) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			conn, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				panic(http.ErrAbortHandler)
			}
			defer conn.Close()
			_, _ = io.WriteString(conn, head)
			tick := time.NewTicker(20 * time.Millisecond)
			defer tick.Stop()
			for range tick.C {
				if _, err := conn.Write([]byte(" ")); err != nil {
					return
				}
			}
		}
	}
}

// bombBytes is what a decompression bomb grows to: beyond the bound of any page.
const bombBytes = 72 << 20

// bomb and twice are a bomb, and a bomb in a bomb.
var (
	bomb  = sync.OnceValue(func() []byte { return gzipped(1) })
	twice = sync.OnceValue(func() []byte { return gzipped(2) })
)

// gzipped is a bomb of blanks, packed times over.
func gzipped(times int) []byte {
	var data bytes.Buffer
	packer, _ := gzip.NewWriterLevel(&data, gzip.BestSpeed) // the level is one there is
	blanks := bytes.Repeat([]byte(" "), 1<<20)
	for range bombBytes / len(blanks) {
		_, _ = packer.Write(blanks) // to memory
	}
	_ = packer.Close()
	for ; times > 1; times-- {
		var outer bytes.Buffer
		packer := gzip.NewWriter(&outer)
		_, _ = packer.Write(data.Bytes())
		_ = packer.Close()
		data = outer
	}
	return data.Bytes()
}

func deflated() string {
	var data bytes.Buffer
	packer, _ := flate.NewWriter(&data, flate.BestSpeed)
	_, _ = packer.Write(bytes.Repeat([]byte(" "), 1<<20))
	_ = packer.Close()
	return data.String()
}

// packed is a trick that answers with data in some codings.
func packed(data func() []byte, codings ...string) func(*siege) http.HandlerFunc {
	return func(*siege) http.HandlerFunc {
		body := data()
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.Header()["Content-Encoding"] = codings
			_, _ = w.Write(body)
		}
	}
}

// deep is a trick that answers with an object that is nested without measure.
func deep(s *siege) http.HandlerFunc {
	const depth = 200_000
	body := s.object(`"schemas":` + strings.Repeat("[", depth) + strings.Repeat("]", depth))
	return respond(http.StatusOK, body)(s)
}

// countless is a trick that answers with an object of more values than anybody has, in as
// many bytes as a page may take.
func countless(s *siege) http.HandlerFunc {
	const bytes, piece = 30 << 20, ",{}"
	head, tail, _ := strings.Cut(s.object(`"x":[{}MORE]`), "MORE")
	return connectortest.Packed(head, piece, tail, bytes)
}

// otherPort is the side's own host and another port.
func otherPort(s *siege) string {
	return s.url[:strings.LastIndexByte(s.url, ':')] + ":1"
}

// discovery answers with a metadata document of the authority's own, but for the
// token endpoint.
func discovery(s *siege, endpoint string) http.HandlerFunc {
	own := s.url + "/" + entratest.DefaultTenant
	return respond(http.StatusOK, fmt.Sprintf(`{"issuer":"%[1]s/v2.0","authorization_endpoint":"%[1]s/oauth2/v2.0/authorize","token_endpoint":%[2]q}`, own, endpoint))(s)
}

// tricks are the matrix: each is played to each side it applies to.
func tricks() map[string]trick {
	const notHere = "nothing was sent there"
	const sources, linked = "okta,entra,sailpoint,scim", "okta,entra"
	const issuers = "okta token,entra token,sailpoint token,scim token"
	const tokens = issuers + ",entra discovery"
	away := func(s *siege, _ *http.Request) string { return s.away.url + "/stolen" }
	var turn atomic.Int64
	all := map[string]trick{
		// Redirects. A token endpoint's are not followed wherever they lead.
		"redirect 302 elsewhere":      {act: redirect(302, away), says: notHere, only: sources},
		"redirect 303 elsewhere":      {act: redirect(303, away), says: notHere, only: sources},
		"redirect 307 elsewhere":      {act: redirect(307, away), says: notHere, only: sources},
		"redirect 308 elsewhere":      {act: redirect(308, away), says: notHere, only: sources},
		"redirect without a scheme":   {act: redirect(302, func(s *siege, _ *http.Request) string { return "//" + s.away.host() + "/stolen" }), says: notHere, only: sources},
		"redirect to another port":    {act: redirect(302, func(s *siege, _ *http.Request) string { return otherPort(s) + "/" }), says: notHere, only: sources},
		"redirect with user info":     {act: redirect(302, func(s *siege, r *http.Request) string { return "http://" + r.Host + "@" + s.away.host() + "/" }), says: notHere, only: sources},
		"redirect home, user info":    {act: redirect(302, func(_ *siege, r *http.Request) string { return "http://user:pass@" + r.Host + r.URL.Path }), says: notHere, only: sources},
		"redirect to metadata":        {act: redirect(302, func(*siege, *http.Request) string { return "http://169.254.169.254/latest/meta-data/" }), says: notHere, only: sources},
		"redirect to a file":          {act: redirect(302, func(*siege, *http.Request) string { return "file:///etc/passwd" }), says: notHere, only: sources},
		"redirect to another scheme":  {act: redirect(302, func(_ *siege, r *http.Request) string { return "https://" + r.Host + r.URL.Path }), says: notHere, only: sources},
		"redirect in a circle":        {act: redirect(302, func(_ *siege, r *http.Request) string { return r.URL.RequestURI() }), says: "redirects in a row", only: sources},
		"redirect to nowhere":         {act: respond(302, ""), says: "redirected to nowhere", only: sources},
		"redirect to no address":      {act: redirect(302, func(*siege, *http.Request) string { return "http://[::1" }), says: "redirect", only: sources},
		"token redirect 302":          {act: redirect(302, away), says: "redirect", only: tokens},
		"token redirect 307":          {act: redirect(307, away), says: "redirect", only: tokens},
		"token redirect 308":          {act: redirect(308, away), says: "redirect", only: tokens},
		"token redirect to metadata":  {act: redirect(307, func(*siege, *http.Request) string { return "http://169.254.169.254/" }), says: "redirect", only: tokens},
		"token redirect home":         {act: redirect(307, func(_ *siege, r *http.Request) string { return r.URL.RequestURI() }), says: "redirect", only: tokens},
		"token redirect without more": {act: respond(302, ""), says: "redirect", only: tokens},
		"token endpoint elsewhere": {act: func(s *siege) http.HandlerFunc {
			return discovery(s, strings.Replace(s.away.url, "http:", "https:", 1)+"/t")
		}, says: notHere, only: "entra discovery"},
		"token endpoint at metadata": {act: func(s *siege) http.HandlerFunc {
			return discovery(s, "https://169.254.169.254/t")
		}, says: notHere, only: "entra discovery"},
		"token endpoint in the clear": {act: func(s *siege) http.HandlerFunc {
			return discovery(s, strings.Replace(s.url, "https:", "http:", 1)+"/t")
		}, says: "", only: "entra discovery"},
		"another issuer": {act: func(s *siege) http.HandlerFunc {
			return respond(200, fmt.Sprintf(`{"token_endpoint":"%[1]s/t","issuer":"%[1]s","authorization_endpoint":"%[1]s/a"}`, strings.Replace(s.away.url, "http:", "https:", 1)))(s)
		}, says: "without a token", only: "entra discovery"},

		// Pagination links.
		"link elsewhere":           {act: link(away), says: notHere, only: linked},
		"link without a scheme":    {act: link(func(s *siege, _ *http.Request) string { return "//" + s.away.host() + "/" }), says: notHere, only: linked},
		"link to another port":     {act: link(func(s *siege, _ *http.Request) string { return otherPort(s) + "/" }), says: notHere, only: linked},
		"link with user info":      {act: link(func(s *siege, r *http.Request) string { return "http://" + r.Host + "@" + s.away.host() + "/" }), says: notHere, only: linked},
		"link home with user info": {act: link(func(_ *siege, r *http.Request) string { return "http://user:pass@" + r.Host + r.URL.RequestURI() }), says: notHere, only: linked},
		"link to metadata":         {act: link(func(*siege, *http.Request) string { return "http://169.254.169.254/latest/meta-data/" }), says: notHere, only: linked},
		"link to a file":           {act: link(func(*siege, *http.Request) string { return "file:///etc/passwd" }), says: notHere, only: linked},
		"link to https":            {act: link(func(_ *siege, r *http.Request) string { return "https://" + r.Host + r.URL.RequestURI() }), says: notHere, only: linked},
		"link with a backslash":    {act: link(func(s *siege, _ *http.Request) string { return `\\` + s.away.host() + `\` }), says: "link", only: linked},
		"link that climbs":         {act: link(func(_ *siege, r *http.Request) string { return r.URL.Path + "/%2e%2e/%2e%2e/admin" }), says: "link", only: linked},
		"link to itself":           {act: link(func(_ *siege, r *http.Request) string { return r.URL.RequestURI() }), says: "read before", only: linked},
		"links in a circle": {act: link(func(_ *siege, r *http.Request) string {
			return r.URL.Path + "?$skiptoken=" + map[bool]string{true: "a", false: "b"}[r.URL.Query().Get("$skiptoken") == "b"]
		}), says: "read before", only: linked},
		"links without end": {act: link(func(_ *siege, r *http.Request) string {
			return r.URL.Path + "?$skiptoken=" + strconv.FormatInt(turn.Add(1), 10)
		}), says: "empty pages", only: linked},
		"link of a megabyte": {act: link(func(s *siege, r *http.Request) string {
			return s.url + r.URL.Path + "?a=" + strings.Repeat("x", 40<<10)
		}), says: "ink", only: linked},
		"link that is no link":          {act: link(func(*siege, *http.Request) string { return "http://[::1" }), says: "link", only: linked},
		"two next links":                {act: respond(200, "[]", "Link", `</a>; rel="next"`, "Link", `</b>; rel="next"`), says: "two targets", only: "okta"},
		"a link header no one can read": {act: respond(200, "[]", "Link", "next page please"), says: "Link header", only: "okta"},
		"a thousand links":              {act: respond(200, "[]", "Link", strings.TrimSuffix(strings.Repeat("</a>; rel=x, ", 1000), ", ")), says: "Link header", only: "okta"},
		"a nextLink that is a number":   {act: respond(200, `{"value":[],"@odata.nextLink":7}`), says: "", only: "entra"},

		// Bodies that are too much.
		"a length of 10 GiB":      {act: text(okJSON + "Content-Length: 10737418240\r\n\r\n["), says: "larger than"},
		"endless blanks":          {act: endless(okJSON+"\r\n", " "), says: "larger than"},
		"an endless string":       {act: endless(okJSON+"\r\n"+`{"a":"`, "x"), says: "larger than"},
		"a gzip bomb":             {act: packed(bomb, "gzip"), says: "larger than"},
		"gzip in gzip":            {act: packed(twice, "gzip, gzip"), says: "Content-Encoding"},
		"gzip twice, in two":      {act: packed(twice, "gzip", "gzip"), says: ""},
		"deflate":                 {act: packed(func() []byte { return []byte(deflated()) }, "deflate"), says: "Content-Encoding"},
		"deep nesting":            {act: deep, says: ""},
		"ten million values":      {act: countless, says: "00000 values", only: sources},
		"endless headers":         {act: endless("HTTP/1.1 200 OK\r\n", "X-More: "+strings.Repeat("x", 100)+"\r\n"), says: "header of the answer is larger"},
		"an endless header":       {act: endless("HTTP/1.1 200 OK\r\nX-More: ", "x"), says: "header of the answer is larger"},
		"thirty thousand headers": {act: text("HTTP/1.1 200 OK\r\n" + strings.Repeat("X-Many: y\r\n", 100_000) + "\r\n"), says: "header of the answer is larger"},

		// Bodies that are something else.
		"HTML":                 {act: respond(200, "<!DOCTYPE html><title>Sign in</title><form>", "Content-Type", "text/html"), says: ""},
		"HTML said to be JSON": {act: respond(200, "<!DOCTYPE html><title>Sign in</title><form>"), says: ""},
		"nothing":              {act: respond(200, ""), says: ""},
		"204 with a body":      {act: text("HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n[{\"id\":\"canary\"}]"), says: ""},
		"part of an answer":    {act: respond(206, "[]", "Content-Range", "bytes 0-1/9000"), says: "206 Partial Content, which was not asked for"},
		"null":                 {act: respond(200, "null"), says: ""},
		"a number":             {act: respond(200, "7"), says: ""},
		"a text":               {act: respond(200, `"ok"`), says: ""},
		"two values":           {act: respond(200, "[][]"), says: ""},
		"Latin-1": {act: func(s *siege) http.HandlerFunc {
			return respond(200, s.object(`"id":"1","name":"Jos`+"\xe9"+`"`))(s)
		}, says: "not UTF-8", only: "okta,entra,sailpoint"},
		"zeros":               {act: respond(200, strings.Repeat("\x00", 1000)), says: ""},
		"switching protocols": {act: text("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n"), says: ""},
		"value twice": {act: func(s *siege) http.HandlerFunc {
			return respond(200, `{"value":[{"id":"a"}],"value":[],"@odata.deltaLink":"`+s.url+`/v1.0/users/delta?$deltatoken=x"}`)(s)
		}, says: "twice", only: "entra"},
		"Resources twice":        {act: respond(200, `{"totalResults":0,"Resources":[],"resources":[]}`), says: "twice", only: "scim"},
		"an envelope of success": {act: respond(200, `{"status":"error","msg":"please log in"}`), says: "", but: tokens},

		// Tokens that are none.
		"a token with a line break": {act: respond(200, `{"access_token":"a\r\nX-Evil: 1","token_type":"Bearer","expires_in":3600}`), says: "unusable", only: issuers},
		"a token of a megabyte":     {act: respond(200, `{"access_token":"`+strings.Repeat("x", 900<<10)+`","token_type":"Bearer","expires_in":3600}`), says: "", only: issuers},
		"a token of another type":   {act: respond(200, `{"access_token":"canary","token_type":"DPoP","expires_in":3600}`), says: `tokens of type "DPoP"`, only: issuers},
		"no token":                  {act: respond(200, `{"token_type":"Bearer"}`), says: "", only: issuers},
		"an empty token":            {act: respond(200, `{"access_token":"","token_type":"Bearer"}`), says: "", only: issuers},

		// What has to be waited for.
		"half a body":     {act: text(okJSON + "Content-Length: 500\r\n\r\n["), says: "broke off", waits: true},
		"half a header":   {act: text("HTTP/1.1 200 OK\r\nContent-"), says: "", waits: true},
		"a slow body":     {act: drip(okJSON + "\r\n"), says: "no whole answer within", waits: true},
		"a slow header":   {act: drip("HTTP/1.1 200 OK\r\nX-Slow: "), says: "no whole answer within", waits: true},
		"interim answers": {act: endless("", "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"), says: "", waits: true},
	}
	return all
}
