package okta

import (
	"encoding/json"
	"net/http"

	"github.com/scimsync/scimsync/connectors"
)

const (
	// challengeHeader carries the value that proves whose the address is
	// (https://developer.okta.com/docs/concepts/event-hooks/).
	challengeHeader = "X-Okta-Verification-Challenge"
	// challengeSize bounds what is sent back; Okta's are about 40 characters.
	challengeSize = 1024
)

// hook is how an Okta event hook calls us. The secret comes in the Authorization
// header, whose whole value the administrator chooses: "Bearer TOKEN".
func hook() connectors.Hook { return connectors.Hook{Challenge: verify} }

// verify answers the one-time verification request. What it sends back is JSON,
// so that nothing in the header can become a page.
func verify(w http.ResponseWriter, r *http.Request, _ []byte) bool {
	value := r.Header.Get(challengeHeader)
	if r.Method != http.MethodGet || value == "" || len(value) > challengeSize {
		return false
	}
	answer, err := json.Marshal(struct {
		Verification string `json:"verification"`
	}{value})
	if err != nil {
		return false
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	_, _ = w.Write(answer) // a caller that has gone asks again
	return true
}
