package scim

import (
	"context"
	"net/http"
	"strings"

	"github.com/scimsync/scimsync/connectors"
	"github.com/scimsync/scimsync/connectors/internal/rest"
	"github.com/scimsync/scimsync/identity"
)

// Apply performs one change. See connectors.Session for what a Result beside an
// error means.
func (s *session) Apply(ctx context.Context, c identity.Change) (connectors.Result, error) {
	op := string(c.Op) + " " + string(c.Ref.Kind)
	result, err := s.apply(ctx, c)
	if result.Entry.TargetID == "" {
		result.Entry.TargetID = c.TargetID
	}
	if err != nil {
		// Beside an error only the id, the refused members and what is not
		// kept are facts; the change as a whole was not applied.
		result.Status = ""
	}
	for i, refused := range result.Refused {
		result.Refused[i].Why = s.conceal(refused.Why)
	}
	return result, s.wrap(op, c.Ref, err)
}

func (s *session) apply(ctx context.Context, c identity.Change) (connectors.Result, error) {
	if c.TargetID == "" && c.Op != identity.Create {
		return connectors.Result{}, connectors.Errorf(connectors.Rejected, "the change names no target id")
	}
	if c.Ref.Kind == identity.Group && !s.profile.Groups {
		return connectors.Result{}, connectors.Errorf(connectors.Unsupported, "the target has no groups")
	}
	edits, err := editsOf(c)
	if err != nil {
		return connectors.Result{}, err
	}
	switch c.Op {
	case identity.Create:
		return s.create(ctx, c, edits)
	case identity.Adopt, identity.Update, identity.Reactivate, identity.Deactivate:
		return s.update(ctx, c, edits)
	case identity.Delete:
		return s.remove(ctx, c.Ref.Kind, c.TargetID)
	case identity.AddMembers, identity.RemoveMembers:
		return s.changeMembers(ctx, c.Op, c.TargetID, c.Members)
	case identity.Release: // it changes the ledger only
	}
	return connectors.Result{}, connectors.Errorf(connectors.Rejected, "%s is not sent to a target", c.Op)
}

// update writes active first and alone, then the other attributes.
func (s *session) update(ctx context.Context, c identity.Change, edits []edit) (connectors.Result, error) {
	k, id := c.Ref.Kind, c.TargetID
	var others []edit
	var lifecycle *edit
	for i, e := range edits {
		if k == identity.User && e.path.Schema == "" && strings.EqualFold(e.path.Attribute, "active") {
			lifecycle = &edits[i]
			continue
		}
		others = append(others, e)
	}
	if lifecycle == nil && (c.Op == identity.Deactivate || c.Op == identity.Reactivate) {
		lifecycle = &edit{path: identity.Path{Attribute: "active"}, name: "active", after: c.Op == identity.Reactivate}
	}
	result := connectors.Result{Entry: identity.Entry{TargetID: id}, Status: connectors.Applied}
	if lifecycle != nil {
		var err error
		if result, err = s.setActive(ctx, id, *lifecycle); err != nil || len(others) == 0 {
			return result, err
		}
	}
	if len(others) == 0 {
		return result, nil
	}
	second, err := s.write(ctx, k, id, others)
	if result.Status == connectors.NotKept {
		second.Status, second.Paths = connectors.NotKept, append(result.Paths, second.Paths...)
	}
	return second, err
}

// setActive sends the lifecycle request.
func (s *session) setActive(ctx context.Context, id string, e edit) (connectors.Result, error) {
	active, ok := e.after.(bool)
	if !ok {
		return connectors.Result{}, connectors.Errorf(connectors.Rejected, "active is %s, neither true nor false", typeName(e.after))
	}
	if !s.profile.Active {
		if !active && s.profile.Delete == connectors.DeleteSuspends {
			return s.remove(ctx, identity.User, id)
		}
		return connectors.Result{}, connectors.Errorf(connectors.Unsupported,
			"users of the target have no attribute active; set leavers to delete or keep")
	}
	edits := []edit{e}
	got, err := s.patchOrPut(ctx, identity.User, id, edits, func() (answer, error) {
		return s.patch(ctx, identity.User, id, []operation{s.dialect.activeOperation(active)})
	})
	return s.settle(ctx, identity.User, id, edits, got, err)
}

// write writes attributes in the dialect's way.
func (s *session) write(ctx context.Context, k identity.Kind, id string, edits []edit) (connectors.Result, error) {
	var got answer
	var err error
	if k == identity.User && s.dialect.users == putWrites && s.product.Write != patchWrites {
		got, err = s.replace(ctx, k, id, edits, nil)
	} else {
		got, err = s.patchOrPut(ctx, k, id, edits, func() (answer, error) { return s.patchAttributes(ctx, k, id, edits) })
	}
	return s.settle(ctx, k, id, edits, got, err)
}

// patchOrPut sends a PATCH, or a PUT where the target has none: a PATCH answered
// "not implemented" is learned for the rest of the session.
func (s *session) patchOrPut(ctx context.Context, k identity.Kind, id string, edits []edit, patch func() (answer, error)) (answer, error) {
	if !s.replaces(k) {
		got, err := patch()
		if !isClass(err, connectors.Unsupported) || k == identity.Group && !s.membersReadable() {
			return got, err
		}
		s.learnPut(k)
	}
	return s.replace(ctx, k, id, edits, nil)
}

// settle compares an answer with what was asked for. An answer without a body is
// taken at its word, except where the product is known to lie, and where somebody
// would keep an access that was to end.
func (s *session) settle(ctx context.Context, k identity.Kind, id string, edits []edit, got answer, err error) (connectors.Result, error) {
	result := connectors.Result{Entry: identity.Entry{TargetID: id}, Status: connectors.Applied}
	if isClass(err, connectors.Lost) {
		// Reading tells whether it happened; writing the same twice is left
		// to the caller.
		if e, readErr := s.read(ctx, k, id, connectors.Want{}); readErr == nil && len(s.differing(k, e, edits)) == 0 {
			result.Entry = e
			return result, nil
		}
		return result, err
	}
	if err != nil {
		return result, err
	}
	if got.resource == nil && !s.product.Verify && !deactivates(edits) {
		return result, nil
	}
	if got.resource != nil {
		if e, err := got.resource.entry(k); err == nil && e.TargetID == id && len(s.differing(k, e, edits)) == 0 {
			e.Members = identity.Members{}
			result.Entry = e
			return result, nil
		}
	}
	return s.readBack(ctx, k, id, edits)
}

// readBack reads the object to see what was kept. A deactivated user that is not
// found any more was deactivated: some targets hide the inactive.
func (s *session) readBack(ctx context.Context, k identity.Kind, id string, edits []edit) (connectors.Result, error) {
	result := connectors.Result{Entry: identity.Entry{TargetID: id}, Status: connectors.Applied}
	e, err := s.read(ctx, k, id, connectors.Want{})
	switch {
	case isClass(err, connectors.Missing) && deactivates(edits):
		return result, nil
	case isClass(err, connectors.Unauthorized) || ctx.Err() != nil:
		return result, err
	case err != nil:
		result.Status = connectors.Unverified
		return result, nil //nolint:nilerr // the write was accepted: its status says that the look failed
	}
	return s.judge(k, e, edits), nil
}

// judge compares an object that was read with what was asked for.
func (s *session) judge(k identity.Kind, e identity.Entry, edits []edit) connectors.Result {
	result := connectors.Result{Entry: e, Status: connectors.Applied}
	if paths := s.differing(k, e, edits); len(paths) > 0 {
		result.Status, result.Paths = connectors.NotKept, paths
	}
	return result
}

func deactivates(edits []edit) bool {
	for _, e := range edits {
		if active, ok := e.after.(bool); ok && !active && e.path.Schema == "" && strings.EqualFold(e.path.Attribute, "active") {
			return true
		}
	}
	return false
}

// differing returns the paths in which the entry is not as asked for. Letter
// case alone is no difference except in externalId: targets may fold names.
func (s *session) differing(k identity.Kind, e identity.Entry, edits []edit) []string {
	var paths []string
	for _, change := range edits {
		live, ok := e.Attrs[change.name]
		if !ok {
			live = e.Attrs[change.path.String()]
		}
		if s.profile.Same(k, change.name, change.after, live) {
			continue
		}
		wanted, isText := change.after.(string)
		held, alsoText := live.(string)
		if isText && alsoText && !caseExact(change.path) && identity.Fold(wanted) == identity.Fold(held) {
			continue
		}
		paths = append(paths, change.name)
	}
	return paths
}

// remove deletes an object. One that is not there is done (RFC 7644, section 3.6).
func (s *session) remove(ctx context.Context, k identity.Kind, id string) (connectors.Result, error) {
	result := connectors.Result{Entry: identity.Entry{TargetID: id}, Status: connectors.Applied}
	if k == identity.User && s.profile.Delete == connectors.DeleteUnsupported {
		return result, connectors.Errorf(connectors.Unsupported, "the target does not delete users; set leavers to deactivate or keep")
	}
	resp, err := s.send(ctx, http.MethodDelete, s.object(k, id), nil, "")
	if isClass(err, connectors.Missing) {
		return result, nil
	}
	if err != nil {
		return result, err
	}
	defer resp.Body.Close()
	// Most answers are empty; one that is not may be an error in disguise.
	_, err = readObject(resp, discoveryBytes, rest.MaxValues)
	switch {
	case isClass(err, connectors.Unauthorized, connectors.Forbidden, connectors.Conflict, connectors.Unsupported):
		return result, err
	case err != nil:
		return result, s.gone(ctx, k, id, err)
	case resp.StatusCode == http.StatusAccepted:
		return result, s.gone(ctx, k, id, connectors.Errorf(connectors.Rejected, "answered 202 Accepted, which decides nothing"))
	}
	return result, nil
}

// gone looks whether an object is gone whose delete was answered with something that
// is not SCIM: a login wall or a page of maintenance answers 200 as well.
func (s *session) gone(ctx context.Context, k identity.Kind, id string, answered error) error {
	_, err := s.read(ctx, k, id, connectors.Want{})
	suspends := k == identity.User && s.profile.Delete == connectors.DeleteSuspends
	switch {
	case isClass(err, connectors.Missing), err == nil && suspends:
		return nil
	case err == nil:
		return connectors.Errorf(connectors.Rejected, "it is still there, though the delete was accepted: %w", answered)
	}
	return lost(answered)
}
