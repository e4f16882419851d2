package rest

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/scimsync/scimsync/connectors"
)

func TestNoToken(t *testing.T) {
	t.Parallel()
	const secret = "a~b+c/d"
	form := http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}
	for name, test := range map[string]struct {
		status int
		header http.Header
		body   string
		class  connectors.Class
		wait   time.Duration
		code   string
		says   string
	}{
		"refused":          {400, nil, `{"error":"invalid_client","error_description":"no"}`, connectors.Unauthorized, 0, "invalid_client", "refused app 1: no (400 Bad Request)"},
		"code alone":       {401, nil, `{"error":"invalid_client"}`, connectors.Unauthorized, 0, "invalid_client", "refused app 1: invalid_client (401"},
		"asks to wait":     {401, http.Header{"Retry-After": {"7"}}, `{}`, connectors.Unauthorized, 0, "", "(401"},
		"form":             {400, form, "error=invalid_client&error_description=not+you", connectors.Unauthorized, 0, "invalid_client", "refused app 1: not you"},
		"odd types":        {400, nil, `{"error":{"code":7},"error_description":[1]}`, connectors.Unauthorized, 0, "", `{"code":7}`},
		"page":             {404, nil, "<html><title>Home</title>", connectors.Unauthorized, 0, "", `an HTML page titled "Home"`},
		"refused with 200": {200, nil, `{"error":"invalid_client"}`, connectors.Unauthorized, 0, "invalid_client", "refused app 1: invalid_client (200"},
		"another token":    {200, nil, `{"id_token":"hidden"}`, connectors.Unauthorized, 0, "", "endpoint answered without a token for app 1 (200 OK)"},
		"down":             {503, nil, `{"error":"x","error_description":"later"}`, connectors.Transient, 0, "x", "has no token now for app 1: later (503"},
		"down, wordless":   {502, nil, "", connectors.Transient, 0, "", "now for app 1 (502 Bad Gateway)"},
		"down for a while": {503, http.Header{"Retry-After": {"7"}}, "", connectors.Throttled, 7 * time.Second, "", "(503"},
		"throttled":        {429, http.Header{"Retry-After": {"7"}}, `{"error":"x"}`, connectors.Throttled, 7 * time.Second, "x", "now for app 1: x"},
		"passing":          {400, nil, `{"error":"temporarily_unavailable"}`, connectors.Transient, 0, "temporarily_unavailable", "now for app 1"},
		"repeats":          {400, nil, `{"error":"a~b+c/d","error_description":"a~b+c/d a%7eb%2bc%2fd"}`, connectors.Unauthorized, 0, "***", "refused app 1: *** *** ("},
	} {
		answer := &http.Response{StatusCode: test.status, Header: test.header}
		err := NoToken(answer, []byte(test.body), "app 1", Redact(secret))
		if err.Class != test.class || err.RetryAfter != test.wait || err.Code != test.code || !strings.Contains(err.Error(), test.says) {
			t.Errorf("%s: class %q, wait %s, code %q, %v", name, err.Class, err.RetryAfter, err.Code, err)
		}
		if strings.Contains(err.Error(), "hidden") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
