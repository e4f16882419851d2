package scimtest

import (
	"fmt"

	"github.com/scimsync/scimsync/identity"
)

// Seed adds n synthetic users, user0001@example.com onwards, as accounts that
// were there before anybody synchronised.
func (s *Server) Seed(n int) error {
	for i := 1; i <= n; i++ {
		number := fmt.Sprintf("%04d", i)
		mail := "user" + number + "@example.com"
		_, err := s.Put(identity.User, map[string]any{
			"userName":    mail,
			"displayName": "User " + number,
			"name":        map[string]any{"givenName": "User", "familyName": number},
			"emails":      []any{map[string]any{"value": mail, "type": "work", "primary": true}},
			"active":      true,
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// SeedGroups adds n synthetic groups, Group 0001 onwards, of that many members
// each, taken from the users in turn.
func (s *Server) SeedGroups(n, members int) error {
	s.mu.RLock()
	var users []string
	for _, r := range s.store.shelves[identity.User].order {
		users = append(users, r.id)
	}
	s.mu.RUnlock()
	members = min(members, len(users))
	next := 0
	for i := 1; i <= n; i++ {
		list := make([]any, 0, members)
		for range members {
			list = append(list, map[string]any{"value": users[next%len(users)]})
			next++
		}
		if _, err := s.Put(identity.Group, map[string]any{"displayName": fmt.Sprintf("Group %04d", i), "members": list}); err != nil {
			return err
		}
	}
	return nil
}
