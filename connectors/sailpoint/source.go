package sailpoint

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"net/url"
	"slices"
	"time"

	"github.com/scimsync/scimsync/connectors"
	"github.com/scimsync/scimsync/connectors/internal/rest"
	"github.com/scimsync/scimsync/identity"
)

// Source reads one source of one SailPoint tenant. It is safe for concurrent
// use.
type Source struct {
	settings Settings
	base     *url.URL
	client   *client
	log      *slog.Logger
	poll     pacing
}

var _ connectors.Source = (*Source)(nil)

// Open returns a source for settings that Validate finds nothing wrong with. It
// reads no secret and does not connect. Pacing, retries and the one fresh token
// after a 401 happen below it.
func Open(s Settings, rt connectors.Runtime) (*Source, error) {
	if mistakes := s.Validate(); len(mistakes) > 0 {
		return nil, fmt.Errorf("sailpoint: %w", mistakes[0])
	}
	base, err := url.Parse(s.URL)
	if err != nil {
		return nil, fmt.Errorf("sailpoint: url: %w", err)
	}
	base = &url.URL{Scheme: base.Scheme, Host: base.Host}
	endpoint := rest.JoinPath(base, "oauth", "token")
	if s.TokenURL != "" {
		if endpoint, err = url.Parse(s.TokenURL); err != nil {
			return nil, fmt.Errorf("sailpoint: token_url: %w", err)
		}
	}
	tokens, err := rest.NewTokenClient(endpoint, s.HTTP)
	if err != nil {
		return nil, fmt.Errorf("sailpoint: %w", err)
	}
	if rt.Log == nil {
		rt.Log = slog.New(slog.DiscardHandler)
	}
	transport, err := rest.NewClient(rest.Config{
		Base: base, Auth: rest.ClientCredentials(endpoint.String(), s.ClientID, s.ClientSecret, nil, tokens),
		HTTP: s.HTTP, Decode: decodeFailure, UTF8: true, Runtime: rt,
		Limits: s.Limits.pace(),
	})
	if err != nil {
		return nil, fmt.Errorf("sailpoint: %w", err)
	}
	return &Source{
		settings: s, base: base, client: newClient(transport, rt.Log), log: rt.Log,
		poll: pacing{first: 5 * time.Second, most: 30 * time.Second},
	}, nil
}

// errStopped unwinds a read whose consumer has had enough.
var errStopped = errors.New("stopped by the consumer")

// Read yields what q asks for. Every read is a full one: a cursor is of class
// Expired. An error has class Unauthorized where the credential is refused,
// Forbidden where it may not read one of the lists, and Incomplete otherwise.
// With aggregation in the settings, a read of everything
// first starts one and waits for its end.
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
		if err != nil {
			yield(nil, whole(err))
			return
		}
		yield(connectors.Checkpoint{Cursor: q.From, Full: r.full}, nil)
	}
}

// place is the source within the tenant.
type place struct{ id, name string }

func (p place) String() string { return fmt.Sprintf("%q (%s)", p.name, p.id) }

// find looks the source up: a name that is mistyped, or a source that is gone,
// must not look like a source without accounts.
func (s *Source) find(ctx context.Context) (place, error) {
	if id := s.settings.SourceID; id != "" {
		var found wireSource
		err := s.client.object(ctx, s.address(listSources(), id), &found)
		switch {
		case notFound(err):
			return place{}, &connectors.Error{Class: connectors.Rejected, Err: fmt.Errorf("there is no source %s in this tenant: set source_id to the id of one (%w)", id, err)}
		case err != nil:
			return place{}, s.scoped(rest.Wrap("find source "+id, identity.Ref{}, err), "idn:sources:read")
		case sourceID(found) != id:
			return place{}, connectors.Errorf(connectors.Incomplete, "find source %s: SailPoint answered with another source", id)
		}
		return place{id, text(found.Name)}, nil
	}
	name := s.settings.Source
	p, err := list[wireSource](ctx, s.client, query{target: s.address(listSources(), ""), filters: equal("name", name), limit: maxPage})
	if err != nil {
		return place{}, s.scoped(rest.Wrap("find source "+name, identity.Ref{}, err), "idn:sources:read")
	}
	// Servers have been seen to ignore filters: what is not of this name is
	// not the answer.
	for _, same := range []func(string) bool{
		func(other string) bool { return other == name },
		func(other string) bool { return identity.Fold(other) == identity.Fold(name) },
	} {
		found := slices.DeleteFunc(slices.Clone(p.items), func(w wireSource) bool { return sourceID(w) == "" || !same(text(w.Name)) })
		switch len(found) {
		case 0:
		case 1:
			return place{sourceID(found[0]), text(found[0].Name)}, nil
		default:
			return place{}, connectors.Errorf(connectors.Rejected, "%d sources of this tenant are called %q: give source_id", len(found), name)
		}
	}
	return place{}, connectors.Errorf(connectors.Rejected, "there is no source called %q in this tenant, or the client may not see it: set source to its name, or source_id", name)
}

// scoped adds to a refusal what would end it.
func (s *Source) scoped(err error, scope string) error {
	if e := asError(err); e != nil && e.Class == connectors.Forbidden {
		return &connectors.Error{
			Op: e.Op, Class: e.Class, Code: e.Code,
			Err: fmt.Errorf("%w: give client %s the scope %s, or, for a personal access token, let its owner be a source administrator", e.Err, s.settings.ClientID, scope),
		}
	}
	return err
}

// entitlementFilter selects the groups of the source.
func (s *Source) entitlementFilter(p place) string {
	return both(equal("source.id", p.id), equal("type", s.settings.entitlementType()))
}
