package sailpoint

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"mime/multipart"
	"net/http"
	"strings"
	"time"

	"github.com/scimsync/scimsync/connectors"
	"github.com/scimsync/scimsync/connectors/internal/rest"
	"github.com/scimsync/scimsync/identity"
)

// pacing is how often the state of an aggregation is asked for: at first soon,
// then more and more rarely.
type pacing struct{ first, most time.Duration }

// unseenTries is how often an aggregation that was just started may not be there
// yet.
const unseenTries = 3

// aggregate starts an account aggregation and waits for its end. Anything but
// its completion is of class Incomplete: what would be read is not what was asked
// for.
func (r *reading) aggregate(ctx context.Context) error {
	wait := time.Duration(r.settings.Aggregation.Wait)
	bounded, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	op := "aggregate source " + r.place.String()
	id, err := r.startAggregation(bounded)
	if err == nil {
		r.log.InfoContext(ctx, "account aggregation started", "source", r.place.name, "id", id)
		err = r.awaitAggregation(bounded, id)
	}
	switch {
	case err == nil:
		return nil
	case ctx.Err() == nil && errors.Is(bounded.Err(), context.DeadlineExceeded):
		err = fmt.Errorf("it was not over within %s: raise aggregation.wait, or leave aggregation out and let SailPoint's own schedule bring the data", r.settings.Aggregation.Wait)
	case connectors.ClassOf(err) == connectors.Unauthorized:
		return rest.Wrap(op, identity.Ref{}, err)
	case connectors.ClassOf(err) == connectors.Forbidden:
		err = fmt.Errorf("%w: the client needs scope idn:sources-admin:manage, and the state of an aggregation is told to personal access tokens only; use one whose owner is a source administrator, or leave aggregation out", err)
	}
	return &connectors.Error{Op: op, Class: connectors.Incomplete, Err: err}
}

// startAggregation starts an aggregation and returns its id. The form is
// multipart because a file may be part of it; none is sent, so the source is
// asked itself (API v2025, importAccounts).
func (r *reading) startAggregation(ctx context.Context) (string, error) {
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	err := form.WriteField("disableOptimization", "false")
	if err == nil {
		err = form.Close()
	}
	if err != nil {
		return "", err
	}
	target := r.address(loadAccounts(), r.place.id)
	a, err := r.client.send(ctx, http.MethodPost, target, form.FormDataContentType(), body.Bytes())
	if err != nil {
		return "", err
	}
	var started struct {
		Success *bool `json:"success"`
		Task    struct {
			ID any `json:"id"`
		} `json:"task"`
	}
	if err := json.Unmarshal(a.body, &started); err != nil {
		return "", errors.New("SailPoint took the request and its answer is not readable: look at the source in the admin console")
	}
	id := text(started.Task.ID)
	if started.Success != nil && !*started.Success || !objectID.MatchString(id) {
		return "", errors.New("SailPoint took the request and named no task: look at the source in the admin console")
	}
	return id, nil
}

// awaitAggregation asks for the state until it is COMPLETED.
func (r *reading) awaitAggregation(ctx context.Context, id string) error {
	target := r.address(aggregationStatus(), id)
	pause, seen := r.poll.first, false
	for try := 1; ; try++ {
		var state struct {
			Status    any `json:"status"`
			Total     any `json:"totalAccounts"`
			Processed any `json:"processedAccounts"`
		}
		err := r.client.object(ctx, target, &state)
		status := strings.ToUpper(text(state.Status))
		if notFound(err) {
			status, err = "NOT_FOUND", nil
		}
		if err != nil {
			return err
		}
		r.log.DebugContext(ctx, "account aggregation", "id", id, "status", status, "total", state.Total, "processed", state.Processed)
		switch status {
		case "COMPLETED":
			return nil
		case "STARTED", "ACCOUNTS_COLLECTED", "RETRIED":
			seen = true
		case "CANCELLED":
			return fmt.Errorf("aggregation %s was cancelled by somebody: run again", id)
		case "TERMINATED":
			return fmt.Errorf("aggregation %s was given up by SailPoint: look at the virtual appliance and the connection of the source, then run again", id)
		case "NOT_FOUND":
			if seen || try >= unseenTries {
				return fmt.Errorf("SailPoint does not know aggregation %s any more, so that nobody can tell how it ended: run again", id)
			}
		default:
			return fmt.Errorf("aggregation %s has the state %.40q, which is not known", id, status)
		}
		if err := sleep(ctx, pause); err != nil {
			return err
		}
		pause = min(pause*3/2, r.poll.most)
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
