package entra

import (
	"context"
	"encoding/base64"
	"fmt"
	"iter"
	"log/slog"
	"strings"
	"time"

	"github.com/scimsync/scimsync/connectors"
	"github.com/scimsync/scimsync/connectors/entra/internal/graph"
	"github.com/scimsync/scimsync/connectors/internal/rest"
	"github.com/scimsync/scimsync/identity"
)

// maxBody bounds one page: 999 users with every property come to about two
// megabytes.
const maxBody = 32 << 20

// Source reads one Entra tenant. It is safe for concurrent use.
type Source struct {
	settings Settings
	client   *client
	auth     rest.Auth
	log      *slog.Logger
	now      func() time.Time
	ends     *ends
}

var _ connectors.Source = (*Source)(nil)

// Open returns a source for settings that Validate finds nothing wrong with. It
// reads no secret and does not connect. Pacing, retries and the one fresh
// credential after a 401 happen below it.
func Open(s Settings, rt connectors.Runtime) (*Source, error) {
	if mistakes := s.Validate(); len(mistakes) > 0 {
		return nil, fmt.Errorf("entra: %w", mistakes[0])
	}
	at, err := s.endpoints()
	if err != nil {
		return nil, fmt.Errorf("entra: %w", err)
	}
	auth, err := newAuth(s, at)
	if err != nil {
		return nil, fmt.Errorf("entra: %w", err)
	}
	transport, err := rest.NewClient(rest.Config{
		Base: at.graph, Auth: auth, HTTP: s.HTTP, Decode: decodeFailure, MaxBody: maxBody, UTF8: true, Runtime: rt,
		Limits: connectors.Limits{RequestsPerSecond: s.Limits.RequestsPerSecond, Concurrency: s.Limits.Concurrency},
	})
	if err != nil {
		return nil, fmt.Errorf("entra: %w", err)
	}
	sender, err := graph.New(at.graph, transport)
	if err != nil {
		return nil, fmt.Errorf("entra: %w", err)
	}
	log := rt.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Source{settings: s, client: &client{graph: sender, base: at.graph}, auth: auth, log: log, now: time.Now, ends: &ends{}}, nil
}

// Read yields what q asks for, with a request in flight ahead of the caller. An
// error has class Unauthorized where the credential is refused, Expired where the
// cursor no longer serves, and Incomplete otherwise.
func (s *Source) Read(ctx context.Context, q connectors.Query) iter.Seq2[connectors.Event, error] {
	return func(yield func(connectors.Event, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		r := &reading{Source: s, query: q}
		r.emit = func(e connectors.Event) error {
			if !yield(e, nil) {
				r.stopped = true
				return errStopped
			}
			return nil
		}
		err := r.run(ctx)
		if r.stopped {
			return
		}
		var end connectors.Checkpoint
		if err == nil {
			end, err = r.checkpoint()
		}
		if err != nil {
			yield(nil, r.whole(err))
			return
		}
		yield(end, nil)
	}
}

// Info asks Graph whether the credential is accepted and tries what a read will
// need.
func (s *Source) Info(ctx context.Context) (connectors.SourceInfo, error) {
	info := connectors.SourceInfo{
		Identity: "Entra tenant " + s.settings.Tenant + " as " + s.settings.Credential.name(),
		Delta:    true,
		Notes:    []string{"members of groups that are devices, service principals or contacts are not read"},
	}
	one := graph.Options{Select: []string{"id", "accountEnabled"}, Top: 1}
	users, err := s.client.graph.Users(ctx, one)
	if err != nil {
		return connectors.SourceInfo{}, rest.Wrap("check permissions", identity.Ref{}, err)
	}
	groups, err := s.client.graph.Groups(ctx, graph.Options{Select: []string{"id"}, Top: 1})
	if err != nil {
		return connectors.SourceInfo{}, rest.Wrap("check permissions", identity.Ref{}, err)
	}
	for _, p := range []struct {
		request graph.Request
		lost    string
	}{
		{users, "users cannot be listed: " + grant(permitUsers)},
		{groups, "groups cannot be listed: " + grant(permitGroups)},
	} {
		var answer any
		err := s.client.get(ctx, p.request, &answer)
		switch {
		case connectors.ClassOf(err) == connectors.Forbidden:
			info.Notes = append(info.Notes, p.lost)
		case err != nil:
			return connectors.SourceInfo{}, rest.Wrap("check the credential", identity.Ref{}, err)
		}
	}
	if s.settings.AssignedTo != "" {
		notes, err := s.applicationNotes(ctx)
		if err != nil {
			return connectors.SourceInfo{}, err
		}
		info.Notes = append(info.Notes, notes...)
	}
	info.Notes = append(info.Notes, s.permissions(ctx)...)
	held, err := s.Credential(ctx)
	if err != nil {
		return connectors.SourceInfo{}, rest.Wrap("check when the credential ends", identity.Ref{}, err)
	}
	info.CredentialExpiry = held.Expires
	if held.Expires.IsZero() && s.settings.Credential.Kind == ClientSecret {
		info.Notes = append(info.Notes, "when the client secret ends cannot be read: grant application permission "+permitApplications+", or set expiry.at")
	}
	return info, nil
}

// applicationNotes proves that the application of the settings exists and
// describes what reading it will give.
func (s *Source) applicationNotes(ctx context.Context) ([]string, error) {
	_, name, err := s.application(ctx)
	if connectors.ClassOf(err) == connectors.Forbidden {
		return []string{"assignments cannot be read: " + grant(permitApplications)}, nil
	}
	if err != nil {
		return nil, err
	}
	reach := "direct members of those groups"
	if s.settings.Nested {
		reach = "members of those groups and of groups within them, which Entra's own provisioning does not read"
	}
	return []string{fmt.Sprintf("only users and groups assigned to application %q are read, and %s", name, reach)}, nil
}

// permissions returns what the access token shows of our permissions, in words.
func (s *Source) permissions(ctx context.Context) []string {
	a, ok := s.auth.(*identityAuth)
	if !ok || a.hold(ctx) != nil {
		return nil
	}
	defer a.release()
	if roles := rolesOf(a.token); len(roles) > 0 {
		return []string{"application permissions: " + strings.Join(roles, ", ")}
	}
	return nil
}

func decodeSegment(part string) ([]byte, error) {
	return base64.RawURLEncoding.DecodeString(strings.TrimRight(part, "="))
}
