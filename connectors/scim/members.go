package scim

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/scimsync/scimsync/connectors"
	"github.com/scimsync/scimsync/identity"
)

const (
	// hopeless is how many members may be refused one by one, with none
	// taken, before the request itself is held to be wrong.
	hopeless = 8
	// lostAnswers is how many unanswered requests one change may look after.
	lostAnswers = 8
)

// memberCap is how many members one request may change.
func (s *session) memberCap() int {
	limit := firstPositive(s.profile.Limits.MembersPerPatch, defaultMembersPerPatch)
	if seen := int(s.learned.memberCap.Load()); seen > 0 {
		limit = min(limit, seen)
	}
	return limit
}

// learnMemberCap remembers a size that was taken after a larger one was refused.
func (s *session) learnMemberCap(size int) {
	for {
		seen := s.learned.memberCap.Load()
		if seen > 0 && int(seen) <= size || s.learned.memberCap.CompareAndSwap(seen, int32(size)) {
			return
		}
	}
}

// sendable returns the members that have an account at the target, each once.
func sendable(members []identity.Member) []identity.Member {
	seen := make(map[string]bool, len(members))
	var out []identity.Member
	for _, m := range members {
		if m.TargetID != "" && !seen[m.TargetID] {
			seen[m.TargetID] = true
			out = append(out, m)
		}
	}
	return out
}

// memberValues is the value that names members.
func (d dialect) memberValues(members []identity.Member) []any {
	values := make([]any, 0, len(members))
	for _, m := range members {
		value := map[string]any{"value": m.TargetID}
		if d.addition == memberNullRef {
			value["$ref"] = nil
		}
		values = append(values, value)
	}
	return values
}

// memberOperations writes a change of members. A removal always says which: a
// remove of members with neither filter nor value empties the group.
func (d dialect) memberOperations(op identity.Op, members []identity.Member) []operation {
	if op == identity.AddMembers {
		return []operation{{Op: d.op("add"), Path: "members", Value: d.memberValues(members)}}
	}
	if d.removal == removeByList {
		values := make([]any, 0, len(members))
		for _, m := range members {
			values = append(values, map[string]any{"value": m.TargetID})
		}
		return []operation{{Op: d.op("remove"), Path: "members", Value: values}}
	}
	ops := make([]operation, 0, len(members))
	for _, m := range members {
		path := identity.Path{Attribute: "members", Filter: identity.Filter{Attribute: "value", Value: m.TargetID}}
		ops = append(ops, operation{Op: d.op("remove"), Path: path.String()})
	}
	return ops
}

// memberChange is one change of a group's members under way.
type memberChange struct {
	s  *session
	op identity.Op
	id string

	accepted []identity.Member
	refused  []connectors.RefusedMember
	last     *resource // the group as the last request answered it
	lost     int
	exists   bool // the group was seen to exist after a 404
}

// changeMembers adds or removes members in chunks. A refused chunk is halved
// until the members it is refused for are found; the others are applied.
func (s *session) changeMembers(ctx context.Context, op identity.Op, id string, members []identity.Member) (connectors.Result, error) {
	if s.profile.Members == connectors.MembersNone {
		return connectors.Result{}, connectors.Errorf(connectors.Unsupported, "the target takes no group members; set members: off")
	}
	m := &memberChange{s: s, op: op, id: id}
	for _, member := range members {
		if member.TargetID == "" {
			m.refuse(member, "has no account at the target yet")
		}
	}
	todo := sendable(members)
	before, err := s.beforeListRemoval(ctx, op, id)
	for len(todo) > 0 && err == nil {
		n := len(todo)
		if !s.replaces(identity.Group) {
			n = min(n, s.memberCap())
		}
		err = m.send(ctx, todo[:n])
		todo = todo[n:]
	}
	result := connectors.Result{
		Entry: identity.Entry{TargetID: id}, Status: connectors.Applied, Refused: m.refused,
	}
	if before != nil && len(m.accepted) > 0 {
		// Also when a later chunk failed: the first one may have done harm.
		err = errors.Join(m.giveBack(ctx, before), err)
	}
	if err != nil || len(m.accepted) == 0 {
		return result, err
	}
	result.Status, err = m.verify(ctx)
	if result.Status == connectors.NotKept {
		result.Paths = []string{"members"}
	}
	return result, err
}

func (m *memberChange) refuse(member identity.Member, why string) {
	m.refused = append(m.refused, connectors.RefusedMember{Member: member, Why: why})
}

// request sends one chunk by PATCH, or by PUT where there is no PATCH.
func (m *memberChange) request(ctx context.Context, members []identity.Member) (answer, error) {
	return m.s.patchOrPutMembers(ctx, m.id, m.op, members)
}

func (s *session) patchOrPutMembers(ctx context.Context, id string, op identity.Op, members []identity.Member) (answer, error) {
	if !s.replaces(identity.Group) {
		got, err := s.patch(ctx, identity.Group, id, s.dialect.memberOperations(op, members))
		if !isClass(err, connectors.Unsupported) || !s.membersReadable() {
			return got, err
		}
		s.learnPut(identity.Group)
	}
	return s.replace(ctx, identity.Group, id, nil, func(object map[string]any) { mergeMembers(object, op, members) })
}

// mergeMembers changes the member list of a group that is written back whole.
func mergeMembers(object map[string]any, op identity.Op, members []identity.Member) {
	key := keyOf(object, "members")
	list, _ := object[key].([]any)
	named := make(map[string]bool, len(members))
	for _, member := range members {
		named[member.TargetID] = true
	}
	list = slices.DeleteFunc(list, func(item any) bool {
		element, ok := item.(map[string]any)
		if !ok {
			return false
		}
		id := text(element, "value")
		if op == identity.AddMembers {
			delete(named, id)
			return false
		}
		return named[id]
	})
	if op == identity.AddMembers {
		for _, member := range members {
			if named[member.TargetID] {
				list = append(list, map[string]any{"value": member.TargetID})
			}
		}
	}
	if list == nil {
		list = []any{}
	}
	object[key] = list
}

// send sends a chunk and finds out which members it is refused for.
func (m *memberChange) send(ctx context.Context, members []identity.Member) error {
	got, err := m.request(ctx, members)
	switch connectors.ClassOf(err) {
	case connectors.Lost:
		return m.afterLost(ctx, members, err)
	case connectors.Missing:
		if gone := m.groupMissing(ctx); gone != nil {
			return gone
		}
	case connectors.Rejected, connectors.Conflict, connectors.Forbidden:
	default:
		if err == nil {
			m.accepted = append(m.accepted, members...)
			m.last = got.resource
		}
		return err
	}
	if len(members) == 1 {
		return m.single(ctx, members[0], err)
	}
	refused, half := len(m.refused), len(members)/2
	if err := m.halves(ctx, members); err != nil {
		return err
	}
	if len(m.refused) == refused && !m.s.replaces(identity.Group) {
		// Every member was taken: the request was only too large.
		m.s.learnMemberCap(max(1, len(members)-half))
	}
	return nil
}

func (m *memberChange) halves(ctx context.Context, members []identity.Member) error {
	half := len(members) / 2
	for _, part := range [][]identity.Member{members[:half], members[half:]} {
		if len(part) == 0 {
			continue
		}
		if err := m.send(ctx, part); err != nil {
			return err
		}
	}
	return nil
}

// single judges a refusal of one member. Taking away a member who is not there
// is done, however the target words it.
func (m *memberChange) single(ctx context.Context, member identity.Member, err error) error {
	if m.op == identity.RemoveMembers {
		if codeOf(err) == codeNoTarget {
			m.accepted = append(m.accepted, member)
			return nil
		}
		if m.s.membersReadable() {
			e, readErr := m.s.read(ctx, identity.Group, m.id, connectors.Want{Members: true})
			if readErr == nil && !slices.Contains(e.Members.TargetIDs, member.TargetID) {
				m.accepted = append(m.accepted, member)
				return nil
			}
		}
	}
	m.refuse(member, err.Error())
	if len(m.accepted) == 0 && len(m.refused) >= hopeless {
		return fmt.Errorf("every one of the first %d members is refused: %w", len(m.refused), err)
	}
	return nil
}

// groupMissing tells a group that is gone from a member that is.
func (m *memberChange) groupMissing(ctx context.Context) error {
	if m.exists {
		return nil
	}
	if _, err := m.s.read(ctx, identity.Group, m.id, connectors.Want{}); err != nil {
		return err
	}
	m.exists = true
	return nil
}

// afterLost looks what became of a chunk whose answer did not come, and sends
// what a fresh read lacks: some targets keep a member twice.
func (m *memberChange) afterLost(ctx context.Context, members []identity.Member, lost error) error {
	if m.lost++; m.lost > lostAnswers || !m.s.membersReadable() || ctx.Err() != nil {
		return lost
	}
	e, err := m.s.read(ctx, identity.Group, m.id, connectors.Want{Members: true})
	if err != nil {
		return lost
	}
	held := make(map[string]bool, len(e.Members.TargetIDs))
	for _, id := range e.Members.TargetIDs {
		held[id] = true
	}
	var lacking []identity.Member
	for _, member := range members {
		if held[member.TargetID] == (m.op == identity.AddMembers) {
			m.accepted = append(m.accepted, member)
			continue
		}
		lacking = append(lacking, member)
	}
	switch {
	case len(lacking) == 0:
		return nil
	case len(lacking) == 1 && len(members) == 1 && m.lost > 1:
		// The same single member fails again and again: servers are known to
		// answer 500 for a member they do not know.
		m.refuse(lacking[0], lost.Error())
		return nil
	case len(lacking) == 1:
		return m.send(ctx, lacking)
	}
	return m.halves(ctx, lacking)
}

// verify compares the group with what was sent: the answer where it shows the
// members, and a read where nothing has proved yet that the target does what it
// says.
func (m *memberChange) verify(ctx context.Context) (connectors.Status, error) {
	s := m.s
	if !s.membersReadable() {
		return connectors.Unverified, nil
	}
	proven := s.learned.membersShown.Load()
	if m.op == identity.RemoveMembers {
		proven = s.learned.removalProven.Load()
	}
	if m.last != nil && m.last.hasMembers && len(m.missing(m.last.members)) == 0 && (m.op == identity.AddMembers || proven) {
		s.learned.membersShown.Store(true)
		return connectors.Applied, nil
	}
	claims := m.last == nil || !m.last.hasMembers
	if claims && proven && !s.product.Verify {
		return connectors.Applied, nil
	}
	e, err := s.read(ctx, identity.Group, m.id, connectors.Want{Members: true})
	switch {
	case isClass(err, connectors.Unauthorized) || ctx.Err() != nil:
		return connectors.Unverified, err
	case err != nil:
		return connectors.Unverified, nil //nolint:nilerr // the write was accepted: its status says that the look failed
	case m.op == identity.AddMembers && len(e.Members.TargetIDs) == 0 && !s.learned.membersShown.Load():
		// No group was ever shown with members: the target hides them.
		s.learnBlind()
		return connectors.Unverified, nil
	case len(m.missing(e.Members.TargetIDs)) > 0:
		return connectors.NotKept, nil
	}
	if m.op == identity.RemoveMembers {
		s.learned.removalProven.Store(true)
	}
	return connectors.Applied, nil
}

// missing returns the accepted members that the list contradicts.
func (m *memberChange) missing(ids []string) []identity.Member {
	held := make(map[string]bool, len(ids))
	for _, id := range ids {
		held[id] = true
	}
	var out []identity.Member
	for _, member := range m.accepted {
		if held[member.TargetID] != (m.op == identity.AddMembers) {
			out = append(out, member)
		}
	}
	return out
}
