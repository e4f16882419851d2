package connectortest

import (
	"context"
	"encoding/json"
	"errors"
	"iter"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/scimsync/scimsync/connectors"
	"github.com/scimsync/scimsync/identity"
)

func toyType() connectors.SourceType {
	return connectors.SourceType{
		Name: "toy", Summary: "A directory for the tests of the suites",
		Settings: func() any { return &struct{ URL string }{} },
		Fields: map[identity.Kind][]identity.Field{
			identity.User:  {{Path: "id", Type: identity.String, Always: true}, {Path: "login", Type: identity.String, Always: true}, {Path: "given", Type: identity.String}},
			identity.Group: {{Path: "id", Type: identity.String, Always: true}, {Path: "name", Type: identity.String}},
		},
		DefaultMap: map[identity.Kind]map[string]string{
			identity.User: {"userName": "login", "active": "enabled"}, identity.Group: {"displayName": "name"},
		},
		Open: func(any, connectors.Runtime) (connectors.Source, error) { return nil, errors.New("not opened by type") },
	}
}

// toySource reads a toyDirectory; defect names what it does wrong.
type toySource struct {
	base   string
	client *http.Client
	defect string
}

func (s *toySource) Info(ctx context.Context) (connectors.SourceInfo, error) {
	var revision string
	_, err := s.get(ctx, "/me", nil, &revision)
	info := connectors.SourceInfo{Identity: "toy", Delta: true}
	if s.defect == "info says nothing" {
		info = connectors.SourceInfo{}
	}
	return info, err
}

type toyRead struct {
	*toySource
	q        connectors.Query
	yield    func(connectors.Event, error) bool
	revision string
}

var errToyStop = errors.New("stop")

func (s *toySource) Read(ctx context.Context, q connectors.Query) iter.Seq2[connectors.Event, error] {
	return func(yield func(connectors.Event, error) bool) {
		if s.defect == "leaks a goroutine" {
			go func() { <-make(chan struct{}) }()
		}
		r := &toyRead{toySource: s, q: q, yield: yield}
		err := r.run(ctx)
		switch {
		case errors.Is(err, errToyStop):
			if s.defect == "yields after it was stopped" {
				yield(connectors.Checkpoint{}, nil)
			}
			return
		case err == nil && s.defect == "no checkpoint":
			return
		case err != nil && s.defect == "forges a checkpoint":
			yield(connectors.Checkpoint{Full: identity.Kinds()}, nil)
			return
		case err != nil && s.defect == "goes on after an error":
			if yield(nil, err) {
				yield(connectors.Checkpoint{}, nil)
			}
			return
		case err != nil && s.defect == "error without a class":
			yield(nil, errors.New("something is wrong: "+err.Error()))
			return
		case err != nil:
			yield(nil, err)
			return
		}
		end := connectors.Checkpoint{Cursor: connectors.Cursor(r.revision), Full: q.Kinds}
		if q.From != "" {
			end.Full = nil
		}
		if len(q.Only) > 0 {
			end = connectors.Checkpoint{Cursor: q.From}
			switch s.defect {
			case "only vouches for all":
				end.Full = q.Kinds
			case "only drops the cursor":
				end.Cursor = ""
			}
		}
		if yield(end, nil) && s.defect == "checkpoint before the end" {
			yield(connectors.Gone{Ref: identity.Ref{Kind: identity.User, ID: "x"}, Why: identity.CauseGone}, nil)
		}
	}
}

func (r *toyRead) emit(e connectors.Event) error {
	if !r.yield(e, nil) {
		return errToyStop
	}
	return nil
}

func (r *toyRead) run(ctx context.Context) error {
	switch {
	case len(r.q.Only) > 0:
		for _, key := range r.q.Only {
			if err := r.only(ctx, key); err != nil {
				return err
			}
		}
		return nil
	case r.q.From != "":
		return r.pages(ctx, "/changes", url.Values{"from": {string(r.q.From)}}, func(i toyItem) error { return r.change(i) })
	}
	for _, kind := range r.q.Kinds {
		err := r.pages(ctx, "/"+kind.Plural(), nil, func(i toyItem) error { return r.object(ctx, i) })
		if err != nil {
			return err
		}
	}
	return nil
}

func (r *toyRead) only(ctx context.Context, key connectors.Key) error {
	query := url.Values{}
	if key.ID != "" {
		query.Set("id", key.ID)
	} else {
		query.Set("name", key.Name)
	}
	found := false
	err := r.pages(ctx, "/"+key.Kind.Plural(), query, func(i toyItem) error {
		found = true
		return r.object(ctx, i)
	})
	if err != nil || found || key.ID == "" || r.defect == "only is silent about the missing" {
		return err
	}
	return r.emit(connectors.Gone{Ref: identity.Ref{Kind: key.Kind, ID: key.ID}, Why: identity.CauseGone})
}

func (r *toyRead) object(ctx context.Context, i toyItem) error {
	record := identity.Record{Ref: identity.Ref{Kind: i.Kind, ID: i.ID}, Fields: i.Fields, Version: i.Version}
	switch r.defect {
	case "hides the disabled":
		if i.Fields["enabled"] == false {
			return nil
		}
	case "version at random":
		record.Version = strconv.FormatUint(rand.Uint64(), 16)
	case "lower-cases names":
		if s, ok := i.Fields["given"].(string); ok {
			i.Fields["given"] = strings.ToLower(s)
		}
	case "constant version":
		record.Version = "1"
	}
	if wanted, ok := r.q.Fields[i.Kind]; ok {
		record.Fields = map[string]any{}
		if r.defect != "projection drops what is always there" {
			wanted = append([]string{"id", "login"}, wanted...)
		}
		for _, name := range wanted {
			if value, ok := i.Fields[name]; ok && (r.defect != "projection drops a field" || name != "given") {
				record.Fields[name] = value
			}
		}
	}
	if err := r.emit(connectors.Upsert{Record: record}); err != nil || i.Kind == identity.User || !r.q.Links {
		return err
	}
	return r.links(ctx, record)
}

func (r *toyRead) links(ctx context.Context, record identity.Record) error {
	if r.q.Known != nil && r.defect != "reads known members" {
		if version, ok := r.q.Known(record.Ref); ok && (version == record.Version || r.defect == "any known version will do") {
			return r.emit(connectors.Links{Group: record.Ref, State: connectors.Unchanged})
		}
	}
	var members []identity.Ref
	err := r.pages(ctx, "/groups/"+record.Ref.ID+"/members", nil, func(i toyItem) error {
		if i.Kind == identity.Group && r.defect == "ignores nested groups" {
			return nil
		}
		members = append(members, identity.Ref{Kind: i.Kind, ID: i.ID})
		return nil
	})
	if connectors.ClassOf(err) == connectors.Forbidden && r.defect != "one withheld group fails all" {
		if r.defect == "withheld is empty" {
			return r.emit(connectors.Links{Group: record.Ref, State: connectors.Complete})
		}
		return r.emit(connectors.Links{Group: record.Ref, State: connectors.Unknown, Why: err.Error()})
	}
	if err != nil {
		return err
	}
	if r.defect == "a hundred members at most" && len(members) > 100 {
		members = members[:100]
	}
	return r.emit(connectors.Links{Group: record.Ref, State: connectors.Complete, Members: members})
}

func (r *toyRead) change(i toyItem) error {
	ref := identity.Ref{Kind: i.Kind, ID: i.ID}
	if i.Gone {
		if r.defect == "delta forgets leavers" {
			return nil
		}
		return r.emit(connectors.Gone{Ref: ref, Why: identity.CauseGone})
	}
	if err := r.emit(connectors.Upsert{Record: identity.Record{Ref: ref, Fields: i.Fields, Version: i.Version}}); err != nil || i.Kind == identity.User {
		return err
	}
	for _, m := range i.Added {
		if err := r.emit(connectors.Link{Group: ref, Member: m}); err != nil {
			return err
		}
	}
	for _, m := range i.Removed {
		if r.defect == "delta forgets unlinks" {
			break
		}
		if err := r.emit(connectors.Unlink{Group: ref, Member: m}); err != nil {
			return err
		}
	}
	return r.emit(connectors.Links{Group: ref, State: connectors.Complete})
}

// pages calls f for every object of a listing.
func (r *toyRead) pages(ctx context.Context, path string, query url.Values, f func(toyItem) error) error {
	if query == nil {
		query = url.Values{}
	}
	for n := 0; ; n++ {
		page, err := r.get(ctx, path, query, &r.revision)
		if err != nil {
			return err
		}
		if r.defect != "loses a page" || n != 1 {
			for _, i := range page.Items {
				if r.defect != "ignores its context" && ctx.Err() != nil {
					return ctx.Err()
				}
				if err := f(i); err != nil {
					return err
				}
			}
		}
		if page.Next == "" {
			return nil
		}
		query.Set("after", page.Next)
	}
}

func (s *toySource) get(ctx context.Context, path string, query url.Values, revision *string) (toyPage, error) {
	if s.defect == "ignores its context" {
		ctx = context.WithoutCancel(ctx)
	}
	target := s.base + path + "?" + query.Encode()
	if s.defect == "does not escape names" {
		target = strings.ReplaceAll(target, "%2B", "+")
	}
	for {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
		if err != nil {
			return toyPage{}, err
		}
		response, err := s.client.Do(request)
		if err != nil {
			return toyPage{}, connectors.Errorf(connectors.Transient, "%w", err)
		}
		page, again, err := s.answer(response)
		if err == nil && revision != nil && *revision == "" {
			*revision = response.Header.Get("Revision")
		}
		if !again {
			return page, err
		}
		select {
		case <-time.After(toyPause(response)):
		case <-ctx.Done():
			return toyPage{}, ctx.Err()
		}
	}
}

func toyPause(response *http.Response) time.Duration {
	seconds, _ := strconv.Atoi(response.Header.Get("Retry-After"))
	return time.Duration(seconds)*time.Second + 10*time.Millisecond
}

func (s *toySource) answer(response *http.Response) (toyPage, bool, error) {
	defer func() { _ = response.Body.Close() }()
	class := map[int]connectors.Class{401: connectors.Unauthorized, 403: connectors.Forbidden, 410: connectors.Expired}[response.StatusCode]
	switch {
	case response.StatusCode == http.StatusTooManyRequests && s.defect != "gives up when throttled":
		return toyPage{}, true, nil
	case class == connectors.Unauthorized && s.defect == "a refused credential is a rejection", response.StatusCode >= 400 && class == "":
		class = connectors.Rejected
	}
	if response.StatusCode >= 400 {
		return toyPage{}, false, connectors.Errorf(class, "answered %d", response.StatusCode)
	}
	var page toyPage
	err := json.NewDecoder(response.Body).Decode(&page)
	if s.defect == "takes anything for a page" {
		return page, false, nil
	}
	if err != nil || page.Items == nil {
		return page, false, connectors.Errorf(connectors.Incomplete, "the answer is no page: %v", err)
	}
	return page, false, nil
}
