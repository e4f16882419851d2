package oktatest

import (
	"encoding/json"
	"time"
)

// World is what an org holds when it starts. IDs must be unique; members and
// assignments that name no user or group are refused by New.
type World struct {
	Users  []User
	Groups []Group
	Apps   []App
}

// User is one person. Created and LastUpdated default to Epoch, Status to
// ACTIVE. The profile is a JSON object with a login.
type User struct {
	ID            string
	Status        string
	Created       time.Time
	LastUpdated   time.Time
	StatusChanged time.Time
	Profile       json.RawMessage
}

// Group is one group. Type defaults to OKTA_GROUP; the profile is a JSON object
// with a name. Members are user ids.
type Group struct {
	ID                    string
	Type                  string
	Created               time.Time
	LastUpdated           time.Time
	LastMembershipUpdated time.Time
	Profile               json.RawMessage
	Members               []string
}

// App is one application. Members of the assigned groups are its users with
// scope GROUP; Users are those assigned by hand, with scope USER.
type App struct {
	ID     string
	Label  string
	Status string // ACTIVE (the default) or INACTIVE
	Users  []AppUser
	Groups []string // group ids, in order of priority
}

// AppUser is a person assigned to an app by hand.
type AppUser struct {
	ID         string // of the user
	Status     string // default ACTIVE
	ExternalID string
	Profile    json.RawMessage // the app's own profile; default {}
}

// The statuses of a user (help.okta.com, "List Users With Filter").
const (
	Staged          = "STAGED"
	Provisioned     = "PROVISIONED"
	Active          = "ACTIVE"
	Recovery        = "RECOVERY"
	PasswordExpired = "PASSWORD_EXPIRED"
	LockedOut       = "LOCKED_OUT"
	Suspended       = "SUSPENDED"
	Deprovisioned   = "DEPROVISIONED"
)

// Statuses returns all statuses of a user.
func Statuses() []string {
	return []string{Staged, Provisioned, Active, Recovery, PasswordExpired, LockedOut, Suspended, Deprovisioned}
}

// The types of a group.
const (
	OktaGroup = "OKTA_GROUP"
	AppGroup  = "APP_GROUP"
	BuiltIn   = "BUILT_IN"
)

// Epoch is the time at which objects of a world were made that say no other.
func Epoch() time.Time { return time.Date(2025, 1, 6, 8, 0, 0, 0, time.UTC) }

// Profile encodes fields as a profile. It panics on values JSON cannot hold,
// which is a mistake in the test.
func Profile(fields map[string]any) json.RawMessage {
	data, err := json.Marshal(fields)
	if err != nil {
		panic("oktatest: profile: " + err.Error())
	}
	return data
}

// Person returns an active user whose login and e-mail are both mail.
func Person(id, mail, first, last string) User {
	return User{ID: id, Status: Active, Profile: Profile(map[string]any{
		"login": mail, "email": mail, "firstName": first, "lastName": last,
	})}
}

// Team returns an OKTA_GROUP with the members.
func Team(id, name string, members ...string) Group {
	return Group{ID: id, Type: OktaGroup, Profile: Profile(map[string]any{"name": name}), Members: members}
}

// Everyone returns the BUILT_IN group that holds every user of w who is not
// DEPROVISIONED. Okta has it in every org; a World has it when it is added.
func (w World) Everyone() Group {
	g := Group{ID: "00geveryone000000000", Type: BuiltIn, Profile: Profile(map[string]any{
		"name": "Everyone", "description": "All users in your organization",
	})}
	for _, u := range w.Users {
		if u.Status != Deprovisioned {
			g.Members = append(g.Members, u.ID)
		}
	}
	return g
}
