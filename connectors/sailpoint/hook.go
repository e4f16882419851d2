package sailpoint

import (
	"encoding/json"
	"strings"

	"github.com/scimsync/scimsync/connectors"
)

// hook is how a subscription to the event trigger
// idn:account-aggregation-completed calls us, with a bearer token
// (https://developer.sailpoint.com/docs/extensibility/event-triggers/).
func hook() connectors.Hook { return connectors.Hook{Ignore: unsuccessful} }

// unsuccessful says why an aggregation that brought nothing new in is no reason
// to run. A payload of another trigger, or one nobody can read, is one: the worst
// that follows is a run that finds nothing to do.
func unsuccessful(body []byte) string {
	var event struct {
		Status *string `json:"status"`
	}
	if err := json.Unmarshal(body, &event); err != nil || event.Status == nil {
		return ""
	}
	switch strings.ToLower(*event.Status) {
	case "failed", "error", "terminated", "cancelled", "canceled":
		return "the aggregation ended as " + strings.ToLower(*event.Status)
	}
	return ""
}
