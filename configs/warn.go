package configs

import (
	"fmt"
	"strings"
)

// warnMatching remarks on matching by e-mail: addresses are re-used, and often
// editable by the person.
func (b *builder) warnMatching(common *kindDoc, by []string) {
	for i, path := range by {
		if strings.HasPrefix(strings.ToLower(path), "emails") {
			b.warn(fmt.Sprintf("%s.matching.by[%d]", common.path, i),
				"matches on an e-mail address, which may be given to another person")
		}
	}
}

const largeFloor = 50

// warnGuards remarks on guards that cannot stop much.
func (b *builder) warnGuards(syncPath string, doc *syncDoc) {
	path := join(syncPath, "guards")
	for name, limit := range map[string]limitDoc{
		"users": doc.Guards.Users, "groups": doc.Guards.Groups, "memberships": doc.Guards.Memberships,
	} {
		if limit.Share >= 1 {
			b.warn(join(path, name+".share"), fmt.Sprintf("never trips; only max (%d) guards %s", limit.Max, name))
		}
	}
	if doc.Guards.Floor > largeFloor {
		b.warn(join(path, "floor"), fmt.Sprintf("lets every run remove up to %d of each kind unguarded", doc.Guards.Floor))
	}
}
