package sailpointtest

import (
	"encoding/json"
	"net/http"
	"strconv"
)

// failure is an error answer (schema ErrorResponseDto).
type failure struct {
	status     int
	code, text string
	// gateway answers in the form of the gateway, {"error": text}.
	gateway bool
}

func missing(what string) failure {
	return failure{status: http.StatusNotFound, code: "404 Not found", text: "The server did not find a current representation for the target resource: " + what}
}

func invalid(text string) failure {
	return failure{status: http.StatusBadRequest, code: "400.1 Bad Request Content", text: text}
}

func forbidden() failure {
	return failure{status: http.StatusForbidden, code: "403 Forbidden", text: "The server understood the request but refuses to authorize it."}
}

func (c *call) fail(f failure) {
	var body any = map[string]any{
		"detailCode": f.code, "trackingId": "e7eab60924f64aa284175b9fa3309599",
		"messages": []any{map[string]any{"locale": "en-US", "localeOrigin": "DEFAULT", "text": f.text}}, "causes": []any{},
	}
	if f.gateway {
		body = map[string]any{"error": f.text}
	}
	c.send(f.status, body)
}

func (c *call) send(status int, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		status, body = http.StatusInternalServerError, []byte(`{}`)
	}
	h := c.w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	c.w.WriteHeader(status)
	// A client that has gone away is its own business.
	_, _ = c.w.Write(body)
}
