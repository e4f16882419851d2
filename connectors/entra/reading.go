package entra

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/scimsync/scimsync/connectors"
	"github.com/scimsync/scimsync/connectors/entra/internal/graph"
	"github.com/scimsync/scimsync/identity"
)

// errStopped unwinds a read whose consumer has had enough.
var errStopped = errors.New("stopped by the consumer")

// reading is one Read.
type reading struct {
	*Source

	query   connectors.Query
	emit    func(connectors.Event) error
	stopped bool
	users   projection
	groups  projection
	cursor  cursor
	full    []identity.Kind
	// assignments reads, once, what is assigned to the application.
	assignments func() (*assigned, error)

	mu      sync.Mutex
	ignored map[string]int // members by type that is not read
}

func (r *reading) run(ctx context.Context) error {
	r.users, r.groups = project(r.query, identity.User), project(r.query, identity.Group)
	r.ignored = map[string]int{}
	r.assignments = sync.OnceValues(func() (*assigned, error) { return r.readAssignments(ctx) })
	defer r.sayIgnored(ctx)
	scoped := r.settings.AssignedTo != ""
	if len(r.query.Only) > 0 {
		return r.only(ctx)
	}
	if r.query.From == "" {
		r.cursor = cursor{Version: cursorVersion, Shape: r.shape()}
		if scoped {
			return r.assignedFull(ctx)
		}
		return r.directory(ctx)
	}
	var err error
	if r.cursor, err = r.openCursor(); err != nil {
		return err
	}
	if scoped {
		return r.assignedDelta(ctx)
	}
	return r.directory(ctx)
}

func (r *reading) checkpoint() (connectors.Checkpoint, error) {
	if len(r.query.Only) > 0 {
		return connectors.Checkpoint{Cursor: r.query.From}, nil
	}
	next, err := r.cursor.encode()
	if len(next) > maxCursor {
		next = "" // the next read is a full one
	}
	return connectors.Checkpoint{Cursor: next, Full: r.full}, err
}

func (r *reading) wants(kind identity.Kind) bool { return slices.Contains(r.query.Kinds, kind) }

// tracked are the kinds whose changes are asked for. Who is assigned changes
// with groups, whether or not those are wanted.
func (r *reading) tracked() []identity.Kind {
	return slices.DeleteFunc(slices.Clone(identity.Kinds()), func(kind identity.Kind) bool {
		return !r.wants(kind) && r.settings.AssignedTo == ""
	})
}

// wantsMembers reports whether the groups are to be read with their members.
func (r *reading) wantsMembers() bool { return r.query.Links || r.settings.AssignedTo != "" }

// start returns the first request of a round of the kind: the one that was kept,
// or the one for everything.
func (r *reading) start(ctx context.Context, kind identity.Kind) (graph.Request, error) {
	if m := *r.cursor.of(kind); m != nil && r.query.From != "" {
		return graph.Link(m.Link), nil
	}
	if kind == identity.User {
		return r.client.graph.UsersDelta(ctx, graph.Options{Select: r.users.Select})
	}
	options := graph.Options{Select: slices.Clone(r.groups.Select)}
	if r.wantsMembers() {
		options.Select = append(options.Select, "members")
		if !slices.Contains(options.Select, "visibility") {
			options.Select = append(options.Select, "visibility")
		}
	}
	return r.client.graph.GroupsDelta(ctx, options)
}

// keep puts the end of a round into the cursor.
func (r *reading) keep(kind identity.Kind, link string, begun time.Time) {
	*r.cursor.of(kind) = &mark{Link: link, At: begun.Unix(), Members: kind == identity.Group && r.wantsMembers()}
}

// ignore counts a member of a type that is not provisioned.
func (r *reading) ignore(kind string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ignored[kind]++
}

// sayIgnored logs how many members were left out, by type.
func (r *reading) sayIgnored(ctx context.Context) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.ignored) == 0 {
		return
	}
	counts := make([]slog.Attr, 0, len(r.ignored))
	for _, kind := range slices.Sorted(maps.Keys(r.ignored)) {
		counts = append(counts, slog.Int(kind, r.ignored[kind]))
	}
	r.log.LogAttrs(ctx, slog.LevelInfo, "members that are neither users nor groups are not read", counts...)
}

// pageSize returns the size set, or the largest Graph answers.
func (s *Source) pageSize() int {
	if n := s.settings.Limits.PageSize; n > 0 {
		return n
	}
	return maxPage
}

// width is how many objects are read at a time.
func (s *Source) width() int {
	if n := s.settings.Limits.Concurrency; n > 0 {
		return n
	}
	return readsAtOnce
}
