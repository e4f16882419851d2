package oktatest

import (
	"bytes"
	"encoding/json"
	"strconv"
	"time"
)

// pageBuffer collects one answer. Objects are written by hand: their profiles
// are kept as JSON, and a page of two hundred must cost less than the network.
type pageBuffer struct {
	bytes.Buffer
	items int
}

func (b *pageBuffer) item() {
	if b.items > 0 {
		b.WriteByte(',')
	}
	b.items++
}

func (b *pageBuffer) text(s string) {
	quoted, err := json.Marshal(s)
	if err != nil {
		quoted = []byte(`""`)
	}
	b.Write(quoted)
}

// stamp writes a time as Okta does: whole seconds with ".000Z".
func (b *pageBuffer) stamp(unix int64) {
	var text [32]byte
	b.WriteByte('"')
	b.Write(time.Unix(unix, 0).UTC().AppendFormat(text[:0], "2006-01-02T15:04:05.000Z"))
	b.WriteByte('"')
}

func (b *pageBuffer) number(n int) {
	var text [20]byte
	b.Write(strconv.AppendInt(text[:0], int64(n), 10))
}

// user writes a User (management API, schema User). With lean the credentials
// are left out, as okta-response=omitCredentials asks.
func (b *pageBuffer) user(u *user, base string, lean bool) {
	b.WriteString(`{"id":"` + u.id + `","status":"` + u.status + `","created":`)
	b.stamp(u.created)
	b.WriteString(`,"activated":null,"statusChanged":`)
	b.stamp(u.changed)
	b.WriteString(`,"lastLogin":null,"lastUpdated":`)
	b.stamp(u.updated)
	b.WriteString(`,"passwordChanged":null,"type":{"id":"oty1default000000000"},"profile":`)
	b.Write(u.profile)
	if !lean {
		b.WriteString(`,"credentials":{"provider":{"type":"OKTA","name":"OKTA"}}`)
	}
	b.WriteString(`,"_links":{"self":{"href":"` + base + `/api/v1/users/` + u.id + `"}}}`)
}

// group writes a Group (management API, schema Group).
func (b *pageBuffer) group(g *group, base string, stats bool) {
	b.WriteString(`{"id":"` + g.id + `","created":`)
	b.stamp(g.created)
	b.WriteString(`,"lastUpdated":`)
	b.stamp(g.updated)
	b.WriteString(`,"lastMembershipUpdated":`)
	b.stamp(g.members)
	class := "okta:user_group"
	if g.kind == AppGroup {
		class = "okta:windows_security_principal"
	}
	b.WriteString(`,"objectClass":["` + class + `"],"type":"` + g.kind + `","profile":`)
	b.Write(g.profile)
	if stats {
		b.WriteString(`,"_embedded":{"stats":{"usersCount":`)
		b.number(len(g.in))
		b.WriteString(`}}`)
	}
	b.WriteString(`,"_links":{"users":{"href":"` + base + `/api/v1/groups/` + g.id + `/users"}}}`)
}

// appUser writes an AppUser (management API, schema AppUser).
func (b *pageBuffer) appUser(a assignment, u *user, base, app string, expand, lean bool) {
	b.WriteString(`{"id":"` + u.id + `","externalId":`)
	if a.externalID == "" {
		b.WriteString(`null`)
	} else {
		b.text(a.externalID)
	}
	b.WriteString(`,"created":`)
	b.stamp(a.updated)
	b.WriteString(`,"lastUpdated":`)
	b.stamp(a.updated)
	b.WriteString(`,"scope":"` + a.scope + `","status":"` + a.status + `","syncState":"DISABLED","credentials":{"userName":`)
	b.text(u.login)
	b.WriteString(`},"profile":`)
	if len(a.profile) == 0 {
		b.WriteString(`{}`)
	} else {
		b.Write(a.profile)
	}
	if expand {
		b.WriteString(`,"_embedded":{"user":`)
		b.user(u, base, lean)
		b.WriteByte('}')
	}
	b.WriteString(`,"_links":{"app":{"href":"` + base + `/api/v1/apps/` + app + `"}}}`)
}

// appGroup writes an ApplicationGroupAssignment.
func (b *pageBuffer) appGroup(ag appGroup, priority int, g *group, base, app string, expand bool) {
	b.WriteString(`{"id":"` + g.id + `","lastUpdated":`)
	b.stamp(ag.updated)
	b.WriteString(`,"priority":`)
	b.number(priority)
	b.WriteString(`,"profile":{}`)
	if expand {
		b.WriteString(`,"_embedded":{"group":`)
		b.group(g, base, false)
		b.WriteByte('}')
	}
	b.WriteString(`,"_links":{"app":{"href":"` + base + `/api/v1/apps/` + app + `"}}}`)
}
