package okta

import (
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"github.com/scimsync/scimsync/connectors"
	"github.com/scimsync/scimsync/connectors/internal/rest"
)

// Okta's error codes that decide something here (developer.okta.com, "Okta API
// error codes").
const (
	codeInvalidSession = "E0000005"
	codeNotFound       = "E0000007"
	codeRateLimit      = "E0000047"
)

// decodeFailure reads Okta's error body.
func decodeFailure(_ int, _ http.Header, body []byte) rest.Failure {
	var e struct {
		Code    string `json:"errorCode"`
		Summary string `json:"errorSummary"`
		Causes  []struct {
			Summary string `json:"errorSummary"`
		} `json:"errorCauses"`
	}
	if json.Unmarshal(body, &e) != nil {
		return rest.Failure{}
	}
	f := rest.Failure{Code: e.Code, Message: e.Summary}
	if len(e.Causes) > 0 && e.Causes[0].Summary != "" {
		f.Message += " (" + e.Causes[0].Summary + ")"
	}
	if e.Code == codeInvalidSession {
		// Answered with 403, but it is the credential that is refused.
		f.Class = connectors.Unauthorized
	}
	return f
}

// rateReset reads the rate-limit headers of a 429. The reset is a second by
// Okta's clock, so it is compared with the answer's own Date. For the limit on
// requests in flight, Okta sends Limit 0 and a reset that is an estimate only:
// fewer workers help, waiting does not (developer.okta.com,
// reference/rl-best-practices).
func rateReset(h http.Header) rest.Wait {
	if h.Get("X-Rate-Limit-Limit") == "0" {
		return rest.Wait{Concurrent: true}
	}
	reset, err := strconv.ParseInt(h.Get("X-Rate-Limit-Reset"), 10, 64)
	if err != nil || reset <= 0 {
		return rest.Wait{}
	}
	// Date is cut to a second, so the difference is never too short.
	now, _ := dateOf(h)
	return rest.Wait{Delay: max(time.Unix(reset, 0).Sub(now), time.Second)}
}
