package scim

import (
	"context"

	"github.com/scimsync/scimsync/connectors"
	"github.com/scimsync/scimsync/identity"
)

// beforeListRemoval reads the members of a group before the first removal in
// Entra's list form: a target that reads RFC 7644 to the letter empties the
// group instead. Nil means that there is nothing to compare with, or no need to.
func (s *session) beforeListRemoval(ctx context.Context, op identity.Op, id string) ([]string, error) {
	if op != identity.RemoveMembers || s.dialect.removal != removeByList || s.replaces(identity.Group) ||
		s.learned.removalProven.Load() || !s.membersReadable() {
		return nil, nil
	}
	e, err := s.read(ctx, identity.Group, id, connectors.Want{Members: true})
	if err != nil {
		return nil, err
	}
	return e.Members.TargetIDs, nil
}

// giveBack compares the group with what it held. Members that went without
// being named are added again, and the dialect is refused.
func (m *memberChange) giveBack(ctx context.Context, before []string) error {
	e, err := m.s.read(ctx, identity.Group, m.id, connectors.Want{Members: true})
	if err != nil {
		return err
	}
	expected := map[string]bool{}
	for _, id := range e.Members.TargetIDs {
		expected[id] = true
	}
	for _, member := range m.accepted {
		expected[member.TargetID] = true
	}
	var lost []identity.Member
	for _, id := range before {
		if !expected[id] {
			lost = append(lost, identity.Member{TargetID: id})
		}
	}
	if len(lost) == 0 {
		return nil
	}
	_, err = m.s.changeMembers(ctx, identity.AddMembers, m.id, lost)
	outcome := "they were given back"
	if err != nil {
		outcome = "giving them back did not work: " + err.Error()
	}
	return connectors.Errorf(connectors.Rejected,
		"the target took %d members more out of the group than it was asked to, %s; it does not take the removals of dialect %s: choose the dialect rfc or entra_2020",
		len(lost), outcome, m.s.dialect.name)
}
