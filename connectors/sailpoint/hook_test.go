package sailpoint_test

import (
	"testing"

	"github.com/scimsync/scimsync/connectors/sailpoint"
)

func TestHookIgnoresFailedAggregations(t *testing.T) {
	t.Parallel()
	hook := sailpoint.Type().Hook
	if hook.Challenge != nil || hook.Secret != nil {
		t.Error("SailPoint sends a bearer token and nothing else")
	}
	for body, ignored := range map[string]bool{
		`{"source":{"type":"SOURCE","id":"2c9180","name":"AD"},"status":"Success","started":"2026-01-01T00:00:00Z","completed":"2026-01-01T00:01:00Z","errors":null,"warnings":null,"stats":{"scanned":200,"unchanged":190,"changed":6,"added":4,"removed":3}}`: false,
		`{"status":"success"}`:    false,
		`{"status":"Failed"}`:     true,
		`{"status":"Error"}`:      true,
		`{"status":"TERMINATED"}`: true,
		`{"status":"Warning"}`:    false,
		`{"status":null}`:         false,
		`{"status":5}`:            false,
		`{}`:                      false,
		`[]`:                      false,
		``:                        false,
		`not JSON`:                false,
	} {
		if why := hook.Ignore([]byte(body)); (why != "") != ignored {
			t.Errorf("%s: ignored: %q", body, why)
		}
	}
}
