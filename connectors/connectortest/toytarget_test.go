package connectortest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"iter"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/scimsync/scimsync/connectors"
	"github.com/scimsync/scimsync/identity"
)

// toyTarget provisions a toyApp; defect names what it does wrong.
type toyTarget struct {
	base   string
	client *http.Client
	limits connectors.Limits
	defect string
	blind  atomic.Bool
	// answered says that the application has answered.
	answered atomic.Bool
}

func (s *toyTarget) Open(ctx context.Context) (connectors.Session, error) {
	if s.defect == "opens with any credential" {
		return s, nil
	}
	err := s.call(ctx, http.MethodGet, "/Users?start=0", nil, nil)
	return s, err
}

func (s *toyTarget) Reopen(ctx context.Context, facts []byte) connectors.Session {
	if string(facts) != toyFacts && s.defect != "takes any facts" {
		return nil
	}
	if s.defect == "reopens by asking" {
		_ = s.call(ctx, http.MethodGet, "/Users?start=0", nil, nil)
	}
	return &toyTarget{base: s.base, client: s.client, limits: s.limits, defect: s.defect}
}

const toyFacts = "a toy"

func (s *toyTarget) Facts() []byte {
	if s.defect == "keeps no facts" {
		return nil
	}
	return []byte(toyFacts)
}

func (s *toyTarget) Prove(ctx context.Context) error {
	if s.answered.Load() && s.defect != "proves again" {
		return nil
	}
	_, err := s.Open(ctx)
	return err
}

func (s *toyTarget) Profile() connectors.Profile {
	p := connectors.Profile{
		Name: "toy", URL: s.base, Users: true, Groups: true, Members: connectors.MembersReadable, Active: true,
		Delete: connectors.DeleteRemoves, RenameUsers: true, RenameGroups: true, Listable: true, Limits: s.limits,
	}
	if s.blind.Load() {
		p.Members = connectors.MembersBlind
	}
	if s.defect == "credentials in its address" {
		p.URL = strings.Replace(s.base, "://", "://user:word@", 1)
	}
	return p
}

func (s *toyTarget) collection(k identity.Kind) string {
	return map[identity.Kind]string{identity.User: "/Users", identity.Group: "/Groups"}[k]
}

func (s *toyTarget) entry(k identity.Kind, o toyObject) identity.Entry {
	e := identity.Entry{TargetID: o.ID, Attrs: identity.Attrs(o.Attrs)}
	if text, ok := e.Attrs["active"].(string); ok && s.defect != "booleans as they come" {
		e.Attrs["active"] = strings.EqualFold(text, "true")
	}
	if k == identity.Group && (!s.blind.Load() || s.defect == "hidden is none") {
		e.Members = identity.Members{Known: true, TargetIDs: o.Members}
	}
	return e
}

func (s *toyTarget) List(ctx context.Context, k identity.Kind, _ connectors.Want) iter.Seq2[identity.Entry, error] {
	return func(yield func(identity.Entry, error) bool) {
		if s.defect == "leaks a goroutine" {
			go func() { select {} }()
		}
		seen := map[string]bool{}
		for start := 0; ; start += s.limits.PageSize {
			var page toyList
			err := s.call(ctx, http.MethodGet, s.collection(k)+"?start="+strconv.Itoa(start), nil, &page)
			if err != nil && s.defect == "a failed page is the last" {
				return
			}
			if err != nil {
				if yield(identity.Entry{}, err) && s.defect == "goes on after an error" {
					yield(identity.Entry{}, err)
				}
				return
			}
			for _, o := range page.Items {
				if seen[o.ID] && s.defect != "repeats what it has listed" {
					if s.defect != "a repeated page is the last" {
						yield(identity.Entry{}, connectors.Errorf(connectors.Incomplete, "pages repeat"))
					}
					return
				}
				seen[o.ID] = true
				if !yield(s.entry(k, o), nil) {
					return
				}
			}
			total := start + len(page.Items) + 1
			if page.Total != nil {
				total = *page.Total
			} else if s.defect == "no total is the end" {
				return
			}
			if len(page.Items) < s.limits.PageSize || s.defect == "stops at a full page" && start > 0 || start+s.limits.PageSize >= total {
				return
			}
		}
	}
}

func (s *toyTarget) Find(ctx context.Context, k identity.Kind, m connectors.Match, _ connectors.Want) ([]identity.Entry, error) {
	if m.Path == "id" {
		var o toyObject
		err := s.call(ctx, http.MethodGet, s.collection(k)+"/"+url.PathEscape(m.Value), nil, &o)
		if connectors.ClassOf(err) == connectors.Missing {
			return nil, nil
		}
		return []identity.Entry{s.entry(k, o)}, err
	}
	value := url.QueryEscape(m.Value)
	if s.defect == "does not escape values" {
		value = strings.ReplaceAll(strings.ReplaceAll(m.Value, " ", "%20"), "#", "%23")
	}
	var found []identity.Entry
	for start := 0; ; start += s.limits.PageSize {
		var page toyList
		err := s.call(ctx, http.MethodGet, s.collection(k)+"?path="+url.QueryEscape(m.Path)+"&value="+value+"&start="+strconv.Itoa(start), nil, &page)
		if err != nil {
			if s.defect == "a failed look-up found nobody" {
				return nil, nil
			}
			return nil, err
		}
		for _, o := range page.Items {
			held, _ := o.Attrs[m.Path].(string)
			same := strings.EqualFold(held, m.Value)
			if m.Path == "externalId" || s.defect == "names with their case" {
				same = held == m.Value
			}
			if same || s.defect == "trusts filters" || s.defect == "externalId without case" && strings.EqualFold(held, m.Value) {
				found = append(found, s.entry(k, o))
			}
		}
		if len(page.Items) < s.limits.PageSize || s.defect == "finds on the first page" {
			return found, nil
		}
	}
}

func (s *toyTarget) Apply(ctx context.Context, c identity.Change) (connectors.Result, error) {
	path := s.collection(c.Ref.Kind)
	object := path + "/" + url.PathEscape(c.TargetID)
	body := toyBody{Set: map[string]any{}}
	for _, a := range c.Attributes {
		if a.After != nil || s.defect != "cannot clear" {
			body.Set[a.Path] = a.After
		}
		if text, ok := a.After.(string); ok && s.defect == "drops quotes" {
			body.Set[a.Path] = strings.ReplaceAll(text, `"`, "")
		}
	}
	switch c.Op {
	case identity.Create:
		return s.create(ctx, path, body, c)
	case identity.Delete:
		if s.defect == "delete only disables" {
			err := s.call(ctx, http.MethodPatch, object, toyBody{Set: map[string]any{"note": "deleted"}}, nil)
			return connectors.Result{Status: connectors.Applied}, err
		}
		err := s.call(ctx, http.MethodDelete, object, nil, nil)
		if connectors.ClassOf(err) == connectors.Missing && s.defect != "delete of the missing fails" {
			err = nil
		}
		return connectors.Result{Status: connectors.Applied}, err
	case identity.AddMembers, identity.RemoveMembers:
		return s.members(ctx, object, c)
	case identity.Deactivate, identity.Reactivate:
		body.Whole = s.defect == "deactivation wipes"
	default:
		body.Whole = s.defect == "updates replace the whole"
		if c.Ref.Kind == identity.Group && s.defect == "renames empty groups" {
			body.Empty = true
		}
	}
	if s.defect == "inactive is not kept" {
		delete(body.Set, "active")
	}
	var o toyObject
	err := s.call(ctx, http.MethodPatch, object, body, &o)
	if connectors.ClassOf(err) == connectors.Missing && s.defect == "updates make the missing" {
		return s.create(ctx, path, toyBody{Set: map[string]any{"userName": "made@example.com"}}, c)
	}
	return connectors.Result{Entry: s.entry(c.Ref.Kind, o), Status: connectors.Applied}, err
}

func (s *toyTarget) create(ctx context.Context, path string, body toyBody, c identity.Change) (connectors.Result, error) {
	if s.defect == "inactive is not kept" {
		delete(body.Set, "active")
	}
	if s.defect == "forgets its context" {
		ctx = context.WithoutCancel(ctx)
	}
	var o toyObject
	err := s.call(ctx, http.MethodPost, path, body, &o)
	if connectors.ClassOf(err) == connectors.Lost && s.defect == "repeats what was lost" {
		err = s.call(ctx, http.MethodPost, path, body, &o)
	}
	result := connectors.Result{Entry: s.entry(c.Ref.Kind, o), Status: connectors.Applied}
	if s.defect == "answers no id" {
		result.Entry.TargetID = ""
	}
	if err != nil || len(c.Members) == 0 || s.defect == "creates empty groups" {
		return result, err
	}
	_, err = s.members(ctx, path+"/"+o.ID, c)
	return result, err
}

// members adds or removes in chunks, halving a chunk that is refused.
func (s *toyTarget) members(ctx context.Context, object string, c identity.Change) (connectors.Result, error) {
	result := connectors.Result{Status: connectors.Applied}
	for chunk := range slices.Chunk(c.Members, s.limits.MembersPerPatch) {
		if err := s.chunk(ctx, object, c.Op, chunk, &result); err != nil {
			return result, err
		}
		if s.defect == "one chunk only" {
			break
		}
	}
	return result, nil
}

func (s *toyTarget) chunk(ctx context.Context, object string, op identity.Op, members []identity.Member, result *connectors.Result) error {
	var body toyBody
	for _, m := range members {
		if op == identity.RemoveMembers {
			body.Remove = append(body.Remove, m.TargetID)
		} else {
			body.Add = append(body.Add, m.TargetID)
		}
	}
	if op == identity.RemoveMembers && s.defect == "removal empties" {
		body = toyBody{Empty: true}
	}
	var o toyObject
	err := s.call(ctx, http.MethodPatch, object, body, &o)
	switch {
	case err == nil:
		if op != identity.RemoveMembers && len(o.Members) == 0 && s.defect != "believes that members vanish" {
			s.blind.Store(true)
		}
		return nil
	case connectors.ClassOf(err) != connectors.Rejected || s.defect == "one bad member fails all":
		return err
	case s.defect == "one bad member costs a chunk" || len(members) == 1:
		for _, m := range members {
			result.Refused = append(result.Refused, connectors.RefusedMember{Member: m, Why: err.Error()})
		}
		return nil
	}
	half := len(members) / 2
	return errors.Join(s.chunk(ctx, object, op, members[:half], result), s.chunk(ctx, object, op, members[half:], result))
}

// call sends a request, waits when told to, and classes what goes wrong.
func (s *toyTarget) call(ctx context.Context, method, path string, body, answer any) error {
	data, err := json.Marshal(body)
	if err != nil {
		return err
	}
	for {
		request, err := http.NewRequestWithContext(ctx, method, s.base+path, bytes.NewReader(data))
		if err != nil {
			return connectors.Errorf(connectors.Rejected, "%w", err)
		}
		// Otherwise net/http may repeat a request on a connection it reused.
		request.GetBody = nil
		response, err := s.client.Do(request)
		if err != nil {
			if method == http.MethodPost && s.defect != "lost is transient" && ctx.Err() == nil {
				return connectors.Errorf(connectors.Lost, "%w", err)
			}
			return connectors.Errorf(connectors.Transient, "%w", err)
		}
		text, err := io.ReadAll(response.Body)
		_ = response.Body.Close()
		if response.StatusCode == http.StatusTooManyRequests && s.defect != "gives up when throttled" {
			if s.defect != "does not wait" {
				time.Sleep(toyPause(response))
			}
			continue
		}
		if response.StatusCode >= 400 {
			return connectors.Errorf(s.class(response.StatusCode), "answered %d", response.StatusCode)
		}
		s.answered.Store(true)
		if err == nil && answer != nil {
			err = json.Unmarshal(text, answer)
		}
		return err
	}
}

func (s *toyTarget) class(code int) connectors.Class {
	if s.defect == "everything is a rejection" {
		return connectors.Rejected
	}
	class, ok := map[int]connectors.Class{401: connectors.Unauthorized, 404: connectors.Missing, 409: connectors.Conflict}[code]
	if !ok {
		return connectors.Rejected
	}
	return class
}
