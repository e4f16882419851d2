package entra

import (
	"context"
	"fmt"
	"hash/maphash"
	"net/url"
	"strings"

	"github.com/scimsync/scimsync/connectors"
	"github.com/scimsync/scimsync/connectors/internal/rest"
	"github.com/scimsync/scimsync/identity"
)

// round hands on what one round of the kind tells, from the link that was kept or
// from the beginning, and returns the link for the next.
func round[T any](ctx context.Context, r *reading, kind identity.Kind, mark func(T, *maphash.Hash), take func(T) error) (string, error) {
	op := "read " + kind.Plural()
	first, err := r.start(ctx, kind)
	if err != nil {
		return "", rest.Wrap(op, identity.Ref{}, err)
	}
	link, kept := "", r.query.From != ""
	for p, err := range pages(ctx, r.client, first, delta, mark) {
		if err != nil && kept && connectors.ClassOf(err) == connectors.Rejected {
			// Graph has no one code for a token it does not take. Whatever is
			// wrong with the link, asking for it again gives the same.
			err = connectors.Errorf(connectors.Expired, "the link that was kept is refused: %w", err)
		}
		if err != nil {
			return "", rest.Wrap(op, identity.Ref{}, needs(permissionFor(kind), err))
		}
		kept = false
		for _, item := range p.items {
			if err := take(item); err != nil {
				return "", err
			}
		}
		link = p.delta
	}
	return link, nil
}

// collection returns the path of what a delta link tells the changes of, and
// nothing for another link. Graph writes the function in several ways: delta,
// delta(), microsoft.graph.delta.
func collection(link string) string {
	u, err := url.Parse(link)
	if err != nil {
		return ""
	}
	path := strings.ToLower(strings.TrimRight(u.Path, "/"))
	at := strings.LastIndexByte(path, '/')
	switch function, _, _ := strings.Cut(path[at+1:], "("); function {
	case "delta", "microsoft.graph.delta":
		return path[:max(at, 0)]
	}
	return ""
}

// The application permissions that a read takes
// (learn.microsoft.com/graph/permissions-reference).
const (
	permitUsers        = "User.Read.All"
	permitGroups       = "GroupMember.Read.All"
	permitApplications = "Application.Read.All"
)

func permissionFor(kind identity.Kind) string {
	if kind == identity.Group {
		return permitGroups
	}
	return permitUsers
}

// grant is the remedy for a permission that lacks.
func grant(permission string) string {
	return "grant application permission " + permission + ", with admin consent"
}

// needs adds to a refusal which permission a request takes.
func needs(permission string, err error) error {
	if connectors.ClassOf(err) != connectors.Forbidden {
		return err
	}
	return fmt.Errorf("%w: %s", err, grant(permission))
}
