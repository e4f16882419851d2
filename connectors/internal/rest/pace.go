package rest

import (
	"net/http"
	"time"

	"github.com/scimsync/scimsync/connectors"
)

// pace lets tries through the gate.
type pace struct {
	next    http.RoundTripper
	gate    *gate
	traffic *connectors.Traffic
}

func (t *pace) RoundTrip(r *http.Request) (*http.Response, error) {
	kind := shape(r)
	ticket, waited, err := t.gate.enter(r.Context(), kind)
	t.traffic.AddWait(waited)
	if err != nil {
		closeBody(r)
		return nil, err
	}
	resp, err := t.next.RoundTrip(r)
	var f *fault
	var told report
	if err != nil {
		f = asFault(err)
		told = f.told
	} else {
		told = readReport(resp.Header, time.Now())
	}
	if f != nil && f.slow {
		t.traffic.Throttled.Add(1)
	}
	t.gate.leave(ticket, f, told)
	return resp, err
}
