package entra

import (
	"encoding/json"
	"net/http"

	"github.com/scimsync/scimsync/connectors"
)

// validationSize bounds what is sent back; Graph's tokens are below 500
// characters.
const validationSize = 4096

// hook is how a Graph subscription calls us
// (https://learn.microsoft.com/graph/change-notifications-delivery-webhooks).
func hook() connectors.Hook {
	return connectors.Hook{Challenge: validate, Secret: clientState, Ignore: lifecycle}
}

// validate answers the request that Graph makes while a subscription is made or
// renewed: the decoded token as plain text, within 10 seconds. Plain text that is
// not sniffed cannot become a page, whatever it holds.
func validate(w http.ResponseWriter, r *http.Request, _ []byte) bool {
	query := r.URL.Query()
	token := query.Get("validationToken")
	if r.Method != http.MethodPost || token == "" || len(token) > validationSize {
		return false
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	_, _ = w.Write([]byte(token)) //nolint:gosec // G705: text/plain and nosniff; a caller that has gone asks again
	return true
}

// notifications is what Graph sends: several at a time.
type notifications struct {
	Value []struct {
		ClientState string `json:"clientState"`
		Lifecycle   string `json:"lifecycleEvent"`
	} `json:"value"`
}

// clientState returns the secret that the subscription was made with. It is one
// for all notifications of a request, or it is none: a genuine one beside a
// forged one proves nothing.
func clientState(body []byte) (string, bool) {
	var n notifications
	if err := json.Unmarshal(body, &n); err != nil || len(n.Value) == 0 {
		return "", false
	}
	first := n.Value[0].ClientState
	for _, one := range n.Value[1:] {
		if one.ClientState != first {
			return "", false
		}
	}
	return first, first != ""
}

// lifecycle says why a request that is about the subscription alone is no reason
// to run. Notifications that were missed are one.
func lifecycle(body []byte) string {
	var n notifications
	if err := json.Unmarshal(body, &n); err != nil || len(n.Value) == 0 {
		return ""
	}
	for _, one := range n.Value {
		if one.Lifecycle == "" || one.Lifecycle == "missed" {
			return ""
		}
	}
	return "it is about the subscription, not about the directory: renew or make the subscription anew"
}
