package scim

import (
	"context"
	"net/http"
	"time"

	"github.com/scimsync/scimsync/connectors"
	"github.com/scimsync/scimsync/identity"
)

// create posts a new object. A clash of names is class Conflict; an answer that
// never came is class Lost; the caller looks the object up in both cases.
func (s *session) create(ctx context.Context, c identity.Change, edits []edit) (connectors.Result, error) {
	k := c.Ref.Kind
	if c.TargetID != "" {
		return connectors.Result{}, connectors.Errorf(connectors.Rejected, "a create names no target id, this one has %s", sentence(c.TargetID))
	}
	body := s.createBody(k, edits)
	var posted []identity.Member
	if k == identity.Group && s.postsMembers() {
		posted = sendable(c.Members)
		posted = posted[:min(len(posted), s.memberCap())]
		if len(posted) > 0 {
			body["members"] = s.dialect.memberValues(posted)
		}
	}
	got, err := s.post(ctx, k, body)
	if len(posted) > 0 && isClass(err, connectors.Rejected, connectors.Missing) {
		// One unknown member refuses the whole group: create it first, then
		// find out which.
		posted = nil
		delete(body, "members")
		got, err = s.post(ctx, k, body)
	}
	if err != nil {
		return connectors.Result{}, err
	}
	id, read, err := s.created(ctx, k, edits, &got)
	if err != nil {
		return connectors.Result{}, err
	}
	if k == identity.Group && got.resource != nil && len(got.resource.members) == len(posted) {
		s.learned.newGroups.Store(id, struct{}{})
	}
	s.noteUpsert(k, c.Ref, got.resource)
	var result connectors.Result
	if read != nil {
		result = s.judge(k, *read, kept(edits))
	} else {
		result, err = s.settle(ctx, k, id, kept(edits), got, nil)
	}
	if err != nil || k != identity.Group || len(c.Members) == 0 {
		return result, err
	}
	members, err := s.createdMembers(ctx, id, got.resource, posted, c.Members)
	members.Entry = result.Entry
	if result.Status == connectors.NotKept {
		members.Status, members.Paths = connectors.NotKept, append(result.Paths, members.Paths...)
	}
	return members, err
}

func (s *session) post(ctx context.Context, k identity.Kind, body map[string]any) (answer, error) {
	return s.exchange(ctx, http.MethodPost, s.at(collection(k)), body, "")
}

// kept leaves out what a create does not send.
func kept(edits []edit) []edit {
	var out []edit
	for _, e := range edits {
		if !unassigned(e.after) {
			out = append(out, e)
		}
	}
	return out
}

// created returns the id of what a create has made, and the object where it had to be
// read. An answer may show next to nothing, and what it shows may be anybody's: it is
// ours only where it has the name or the externalId that was sent.
func (s *session) created(ctx context.Context, k identity.Kind, edits []edit, got *answer) (string, *identity.Entry, error) {
	id := got.resource.id()
	if id == "" {
		got.resource = nil
		id, err := s.lookUpCreated(ctx, k, edits)
		return id, nil, err
	}
	shown := got.resource.object
	if text(shown, nameOf(k)) == "" && text(shown, "externalId") == "" {
		e, err := s.read(ctx, k, id, connectors.Want{})
		if err != nil {
			return "", nil, connectors.Errorf(connectors.Lost, "created, answered with nothing but the id %s, and reading that did not work: %w", sentence(id), err)
		}
		shown = map[string]any{nameOf(k): e.Attrs[nameOf(k)], "externalId": e.Attrs["externalId"]}
		if isOf(shown, k, edits) {
			return id, &e, nil
		}
	} else if isOf(shown, k, edits) {
		return id, nil, nil
	}
	got.resource = nil
	found, err := s.lookUpCreated(ctx, k, edits)
	if err != nil {
		return "", nil, connectors.Errorf(connectors.Rejected,
			"the create was answered with another %s, %s, which is left alone: %w", k, sentence(id), err)
	}
	return found, nil, nil
}

// nameOf is the attribute that objects of a kind are known by.
func nameOf(k identity.Kind) string {
	if k == identity.Group {
		return "displayName"
	}
	return "userName"
}

// isOf reports whether an object is what was to be made, by its externalId or its name.
func isOf(object map[string]any, k identity.Kind, edits []edit) bool {
	for _, e := range edits {
		path, sent := e.path.String(), ""
		if sent, _ = e.after.(string); sent == "" {
			continue
		}
		shown := text(object, path)
		if path == "externalId" && shown == sent || path == nameOf(k) && identity.Fold(shown) == identity.Fold(sent) {
			return true
		}
	}
	return false
}

// lookUpCreated finds the id of an object whose create was answered without
// one, or with another object's, by externalId and then by name. Anything but one
// object is class Lost.
func (s *session) lookUpCreated(ctx context.Context, k identity.Kind, edits []edit) (string, error) {
	name := nameOf(k)
	for _, path := range []string{"externalId", name} {
		for _, e := range edits {
			value, ok := e.after.(string)
			if !ok || value == "" || e.path.String() != path {
				continue
			}
			found, err := s.find(ctx, k, connectors.Match{Path: path, Value: value}, connectors.Want{})
			if err != nil && !isClass(err, connectors.Unsupported) {
				return "", connectors.Errorf(connectors.Lost, "created, answered without an id, and the look-up by %s did not work: %w", path, err)
			}
			if len(found) == 1 {
				return found[0].TargetID, nil
			}
		}
	}
	return "", connectors.Errorf(connectors.Lost, "created, but the answer does not show it and it is not found by externalId or %s", name)
}

// noteUpsert says when a create was answered with an object that existed: its
// creation lies well before its last change. Some targets revive an account
// that way.
func (s *session) noteUpsert(k identity.Kind, ref identity.Ref, r *resource) {
	if r == nil {
		return
	}
	meta, ok := lookup(r.object, "meta").(map[string]any)
	if !ok {
		return
	}
	created, err := time.Parse(time.RFC3339, text(meta, "created"))
	if err != nil {
		return
	}
	changed, err := time.Parse(time.RFC3339, text(meta, "lastModified"))
	if err == nil && changed.Sub(created) > time.Minute {
		s.log.Warn("the target answered a create with an object that existed before", "kind", string(k), "ref", ref.String(), "target_id", r.id())
	}
}

// postsMembers reports whether a created group brings its members: not where the
// dialect never does, and not where the product refuses it.
func (s *session) postsMembers() bool {
	return s.dialect.membersInPost && or(s.product.Members.InPost, true) && s.profile.Members != connectors.MembersNone
}

// createdMembers gives a new group the members its create did not bring.
func (s *session) createdMembers(
	ctx context.Context, id string, r *resource, posted, all []identity.Member,
) (connectors.Result, error) {
	shown := map[string]bool{}
	if r != nil && s.membersReadable() {
		for _, member := range r.members {
			shown[member] = true
		}
		if len(posted) > 0 && len(r.members) > 0 {
			s.learned.membersShown.Store(true)
		}
		if len(posted) > 0 && len(r.members) == 0 {
			// The answer shows none of them: reading tells whether they were
			// dropped or are only not repeated.
			if e, err := s.read(ctx, identity.Group, id, connectors.Want{Members: true}); err == nil {
				for _, member := range e.Members.TargetIDs {
					shown[member] = true
				}
			}
		}
	} else {
		for _, member := range posted {
			shown[member.TargetID] = true
		}
	}
	var left []identity.Member
	for _, member := range all {
		if member.TargetID == "" || !shown[member.TargetID] {
			left = append(left, member)
		}
	}
	if len(left) == 0 {
		status := connectors.Applied
		if !s.membersReadable() {
			status = connectors.Unverified
		}
		return connectors.Result{Status: status}, nil
	}
	return s.changeMembers(ctx, identity.AddMembers, id, left)
}
