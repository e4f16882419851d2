package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

// bare is an HTTP client that does the same work without a ledger, a plan, a
// guard or a retry: what the wire and JSON alone cost.
type bare struct {
	*http.Client
	rig *rig
}

func newBare(r *rig) *bare {
	return &bare{rig: r, Client: &http.Client{
		Timeout:   time.Minute,
		Transport: &http.Transport{MaxIdleConnsPerHost: inFlight, MaxConnsPerHost: inFlight},
	}}
}

type person struct {
	ID      string `json:"id"`
	Status  string `json:"status"`
	Profile struct {
		Login, Email, FirstName, LastName, DisplayName, Title string
	} `json:"profile"`
}

type team struct {
	ID      string                `json:"id"`
	Profile struct{ Name string } `json:"profile"`
	members []person
}

// call makes one request, decodes the answer into out and returns its headers.
func (b *bare) call(ctx context.Context, method, address, authorization string, body, out any) (http.Header, error) {
	var payload io.Reader = http.NoBody
	if body != nil {
		data, err := json.Marshal(body)
		if err != nil {
			return nil, err
		}
		payload = bytes.NewReader(data)
	}
	r, err := http.NewRequestWithContext(ctx, method, address, payload)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Authorization", authorization)
	r.Header.Set("Content-Type", "application/scim+json")
	answer, err := b.Do(r)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	if answer.StatusCode >= http.StatusBadRequest {
		text, _ := io.ReadAll(io.LimitReader(answer.Body, 1<<10)) // the status is what counts
		return nil, fmt.Errorf("%s %s: %s: %s", method, address, answer.Status, text)
	}
	if out == nil {
		_, err := io.Copy(io.Discard, answer.Body)
		return answer.Header, err
	}
	return answer.Header, json.NewDecoder(answer.Body).Decode(out)
}

// follow reads a list of the source to its last page.
func follow[T any](ctx context.Context, b *bare, address string) ([]T, error) {
	var all []T
	for address != "" {
		var page []T
		header, err := b.call(ctx, http.MethodGet, address, "SSWS "+b.rig.o.from.secret, nil, &page)
		if err != nil {
			return nil, err
		}
		all = append(all, page...)
		address = ""
		for _, link := range header.Values("Link") {
			if target, next := strings.CutSuffix(link, `; rel="next"`); next {
				address = strings.Trim(target, "<>")
			}
		}
	}
	return all, nil
}

// source reads people and groups, and with links their members.
func (b *bare) source(ctx context.Context, links bool) ([]person, []team, error) {
	base := b.rig.Source + "/api/v1"
	people, err := follow[person](ctx, b, fmt.Sprintf("%s/users?limit=%d&search=%s", base, sourcePage, url.QueryEscape("status pr")))
	if err != nil {
		return nil, nil, err
	}
	teams, err := follow[team](ctx, b, fmt.Sprintf("%s/groups?limit=%d", base, groupPage))
	if err != nil || !links {
		return people, teams, err
	}
	group, inner := errgroup.WithContext(ctx)
	group.SetLimit(inFlight)
	for i := range teams {
		group.Go(func() error {
			members, err := follow[person](inner, b, fmt.Sprintf("%s/groups/%s/users?limit=1000", base, teams[i].ID))
			teams[i].members = members
			return err
		})
	}
	return people, teams, group.Wait()
}

// target reads everything the target holds.
func (b *bare) target(ctx context.Context) error {
	for _, kind := range []string{"/Users", "/Groups"} {
		for at, total := 1, 1; at <= total; {
			var page struct {
				TotalResults int
				Resources    []map[string]any
			}
			address := fmt.Sprintf("%s%s?startIndex=%d&count=%d", b.rig.Target, kind, at, targetPage)
			if _, err := b.call(ctx, http.MethodGet, address, "Bearer "+token, nil, &page); err != nil {
				return err
			}
			if total = page.TotalResults; len(page.Resources) == 0 {
				break
			}
			at += len(page.Resources)
		}
	}
	return nil
}

// bareRead reads both sides.
func bareRead(ctx context.Context, r *rig) (time.Duration, error) {
	b := newBare(r)
	defer b.CloseIdleConnections()
	began := time.Now()
	if _, _, err := b.source(ctx, false); err != nil {
		return 0, err
	}
	err := b.target(ctx)
	return time.Since(began), err
}

// bareLoad fills an application of its own with what the source has.
func bareLoad(ctx context.Context, r *rig) (time.Duration, error) {
	fresh, err := startServers(ctx, r.o, r.world)
	if err != nil {
		return 0, err
	}
	defer func() { _ = fresh.stop() }() // it has nothing to lose
	b := newBare(&rig{servers: fresh, world: r.world, o: r.o})
	defer b.CloseIdleConnections()
	began := time.Now()
	err = b.load(ctx)
	return time.Since(began), err
}

func (b *bare) load(ctx context.Context) error {
	people, teams, err := b.source(ctx, true)
	if err != nil {
		return err
	}
	if err := b.target(ctx); err != nil {
		return err
	}
	var mu sync.Mutex
	made := map[string]string{}
	group, inner := errgroup.WithContext(ctx)
	group.SetLimit(inFlight)
	for _, p := range people {
		switch p.Status {
		case "ACTIVE", "RECOVERY", "PASSWORD_EXPIRED", "LOCKED_OUT":
		default:
			continue
		}
		group.Go(func() error {
			id, err := b.create(inner, "/Users", map[string]any{
				"schemas":  []string{"urn:ietf:params:scim:schemas:core:2.0:User"},
				"userName": p.Profile.Login, "externalId": p.ID, "active": true, "title": p.Profile.Title,
				"displayName": p.Profile.FirstName + " " + p.Profile.LastName,
				"name":        map[string]any{"givenName": p.Profile.FirstName, "familyName": p.Profile.LastName},
				"emails":      []any{map[string]any{"type": "work", "value": p.Profile.Email, "primary": true}},
			})
			mu.Lock()
			defer mu.Unlock()
			made[p.ID] = id
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	group, inner = errgroup.WithContext(ctx)
	group.SetLimit(inFlight)
	for _, t := range teams {
		group.Go(func() error { return b.team(inner, t, made) })
	}
	return group.Wait()
}

func (b *bare) create(ctx context.Context, path string, body any) (string, error) {
	var made struct{ ID string }
	_, err := b.call(ctx, http.MethodPost, b.rig.Target+path, "Bearer "+token, body, &made)
	return made.ID, err
}

// team creates a group with its first members and adds the others.
func (b *bare) team(ctx context.Context, t team, made map[string]string) error {
	var members []map[string]string
	for _, m := range t.members {
		if id := made[m.ID]; id != "" {
			members = append(members, map[string]string{"value": id})
		}
	}
	first := members[:min(len(members), patchSize)]
	id, err := b.create(ctx, "/Groups", map[string]any{
		"schemas":     []string{"urn:ietf:params:scim:schemas:core:2.0:Group"},
		"displayName": t.Profile.Name, "externalId": t.ID, "members": first,
	})
	if err != nil {
		return err
	}
	for at := len(first); at < len(members); at += patchSize {
		part := members[at:min(at+patchSize, len(members))]
		_, err := b.call(ctx, http.MethodPatch, b.rig.Target+"/Groups/"+url.PathEscape(id), "Bearer "+token, map[string]any{
			"schemas":    []string{"urn:ietf:params:scim:api:messages:2.0:PatchOp"},
			"Operations": []any{map[string]any{"op": "add", "path": "members", "value": part}},
		}, nil)
		if err != nil {
			return fmt.Errorf("member %s of %s: %w", strconv.Itoa(at), t.Profile.Name, err)
		}
	}
	return nil
}
