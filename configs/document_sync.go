package configs

import (
	"reflect"
	"time"

	"github.com/scimsync/scimsync/connectors"
)

const day = 24 * time.Hour

// syncDoc is one sync as written.
type syncDoc struct {
	From     string        `yaml:"from" jsonschema:"required" jsonschema_description:"Name of the source."`
	To       string        `yaml:"to" jsonschema:"required" jsonschema_description:"Name of the target."`
	Schedule scheduleDoc   `yaml:"schedule,omitempty" jsonschema_description:"When the daemon runs it: a cron expression of five fields, @daily and the like, or @every 40m. Left out or off: by command or hook only."`
	Timezone string        `yaml:"timezone,omitempty" jsonschema_description:"IANA zone of schedule and full, such as Europe/Berlin; also UTC. Default: the zone of the machine."`
	Missed   Missed        `yaml:"missed,omitempty" jsonschema:"enum=run,enum=skip" jsonschema_description:"A run that came due while no daemon ran: run once at once, or skip to the next. Default run."`
	Full     scheduleDoc   `yaml:"full,omitempty" jsonschema_description:"The first cycle after each of these times reads everything; those in between only what changed, where the source can. Left out or off: every cycle reads everything."`
	Users    usersSection  `yaml:"users" jsonschema_description:"How users are provisioned; off for not at all. Left out: on, with the defaults."`
	Groups   groupsSection `yaml:"groups" jsonschema_description:"How groups are provisioned; off for not at all. Left out: off."`
	Guards   guardsDoc     `yaml:"guards" jsonschema_description:"Bounds on the removals of one run."`
	Protect  protectDoc    `yaml:"protect,omitempty" jsonschema_description:"Target objects that are never touched."`
	Notify   *notifyDoc    `yaml:"notify,omitempty" jsonschema_description:"Who hears about what. Left out: nobody."`
}

func (doc *syncDoc) setDefaults() {
	doc.Users.setDefaults()
	doc.Groups.setDefaults()
	doc.Guards = guardsDoc{
		Users:       limitDoc{Max: 500, Share: 0.1},
		Groups:      limitDoc{Max: 50, Share: 0.1},
		Memberships: limitDoc{Max: 5000, Share: 0.2},
		Floor:       5,
		OnTrip:      Hold,
	}
}

// usersSection is off, on, or a mapping.
type usersSection struct {
	off bool
	usersDoc
}

type usersDoc struct {
	Scope    expression          `yaml:"scope,omitempty" jsonschema_description:"Expression over the record; where it is false the user is out of scope."`
	Matching userMatchingDoc     `yaml:"matching" jsonschema_description:"How a user finds an account that exists already."`
	Map      rules               `yaml:"map,omitempty" jsonschema_description:"Attributes by SCIM path; extends and overrides the source's defaults."`
	Create   bool                `yaml:"create" jsonschema_description:"Whether missing accounts are created. Default true."`
	Update   bool                `yaml:"update" jsonschema_description:"Whether attributes of existing accounts are updated. Default true."`
	Leavers  leaversDoc          `yaml:"leavers" jsonschema_description:"What becomes of the account of somebody who left. Default deactivate."`
	Grace    connectors.Duration `yaml:"grace" jsonschema_description:"How long a leaver's account is left alone. Default 0s."`
}

type userMatchingDoc struct {
	By       []string `yaml:"by,omitempty" jsonschema_description:"SCIM paths to match on, in order. Default externalId, userName."`
	Existing Existing `yaml:"existing" jsonschema:"enum=adopt,enum=report" jsonschema_description:"An account that matches and is not ours: adopt it, or report it and leave it alone."`
	Rehire   Rehire   `yaml:"rehire" jsonschema:"enum=relink,enum=refuse" jsonschema_description:"A new person with the userName of somebody who left: take the account over where the evidence agrees, or refuse."`
}

func (s *usersSection) setDefaults() {
	s.usersDoc = usersDoc{
		Matching: userMatchingDoc{Existing: AdoptExisting, Rehire: Relink},
		Create:   true,
		Update:   true,
		Leavers:  leaversDoc{LeaveDeactivate, LeaveDeactivate, LeaveDeactivate, LeaveDeactivate},
	}
}

func (s *usersSection) decodeNode(d *decoder, n *node, path string) {
	s.off = d.section(n, path, reflect.ValueOf(&s.usersDoc).Elem())
}

// groupsSection is off, on, or a mapping; off where it is left out, because
// nothing is pushed that was not asked for.
type groupsSection struct {
	off bool
	groupsDoc
}

type groupsDoc struct {
	Scope    expression          `yaml:"scope,omitempty" jsonschema_description:"Expression over the record; where it is false the group is out of scope."`
	Include  []expression        `yaml:"include,omitempty" jsonschema_description:"Globs over the group's name, of which one must match."`
	Matching groupMatchingDoc    `yaml:"matching" jsonschema_description:"How a group finds one that exists already."`
	Map      rules               `yaml:"map,omitempty" jsonschema_description:"Attributes by SCIM path; extends and overrides the source's defaults."`
	Create   bool                `yaml:"create" jsonschema_description:"Whether missing groups are created. Default true."`
	Update   bool                `yaml:"update" jsonschema_description:"Whether groups are renamed. Default true."`
	Members  MembersMode         `yaml:"members" jsonschema:"enum=exact,enum=additive,enum=off" jsonschema_description:"exact: as the source has them; additive: never remove; off: leave memberships alone. Default exact."`
	Nested   Nested              `yaml:"nested" jsonschema:"enum=flatten,enum=ignore" jsonschema_description:"Groups within groups: their members count as members, or are ignored. Default flatten."`
	Leavers  Leave               `yaml:"leavers" jsonschema:"enum=keep,enum=delete" jsonschema_description:"What becomes of a group that is gone or out of scope. Default keep."`
	Grace    connectors.Duration `yaml:"grace" jsonschema_description:"How long a group that is gone is left alone. Default 0s."`
	Bundles  map[string][]string `yaml:"bundles,omitempty" jsonschema_description:"Members of the source group on the left, by its name, join every target group on the right, by displayName; those are never renamed, moved or deleted."`
}

type groupMatchingDoc struct {
	By       []string `yaml:"by,omitempty" jsonschema_description:"SCIM paths to match on, in order. Default externalId, displayName."`
	Existing Existing `yaml:"existing" jsonschema:"enum=adopt,enum=members_only,enum=notify,enum=skip,enum=report" jsonschema_description:"A group that matches and is not ours: adopt it, manage its members only, tell about it (notify), list it in the report, or skip it."`
}

func (s *groupsSection) setDefaults() {
	s.off = true
	s.groupsDoc = groupsDoc{
		Matching: groupMatchingDoc{Existing: AdoptExisting},
		Create:   true,
		Update:   true,
		Members:  MembersExact,
		Nested:   Flatten,
		Leavers:  LeaveKeep,
	}
}

func (s *groupsSection) decodeNode(d *decoder, n *node, path string) {
	s.off = d.section(n, path, reflect.ValueOf(&s.groupsDoc).Elem())
}

// section decodes off, on or a mapping, and reports whether it is off.
func (d *decoder) section(n *node, path string, doc reflect.Value) bool {
	switch {
	case n.scalar() && n.isOff():
		return true
	case n.scalar() && n.isOn():
	case n.kind != mapNode:
		d.atValue(path, "expected a mapping or off, found "+n.kind.found(), "")
	default:
		d.decodeEntries(n.entries, path, doc)
	}
	return false
}

// leaversDoc is one word for all causes, or a word for each.
type leaversDoc struct {
	Disabled   Leave `yaml:"disabled" jsonschema:"enum=deactivate,enum=delete,enum=keep" jsonschema_description:"Inactive at the source."`
	Gone       Leave `yaml:"gone" jsonschema:"enum=deactivate,enum=delete,enum=keep" jsonschema_description:"Deleted at the source."`
	Unassigned Leave `yaml:"unassigned" jsonschema:"enum=deactivate,enum=delete,enum=keep" jsonschema_description:"No longer assigned to the application."`
	OutOfScope Leave `yaml:"out_of_scope" jsonschema:"enum=deactivate,enum=delete,enum=keep" jsonschema_description:"Left out by scope."`
}

func (doc *leaversDoc) decodeNode(d *decoder, n *node, path string) {
	if n.kind == mapNode {
		d.decodeEntries(n.entries, path, reflect.ValueOf(doc).Elem())
		return
	}
	if n.kind != textNode {
		d.atValue(path, "expected deactivate, delete or keep, or a mapping by cause, found "+n.kind.found(), "")
		return
	}
	word := Leave(n.text)
	before := len(d.problems)
	f := field{enum: []string{string(LeaveDeactivate), string(LeaveDelete), string(LeaveKeep)}}
	f.checkEnum(d, path, reflect.ValueOf(word))
	if len(d.problems) == before {
		*doc = leaversDoc{word, word, word, word}
	}
}

type guardsDoc struct {
	Users       limitDoc `yaml:"users" jsonschema_description:"Deactivated or deleted users. Default 500, 10%."`
	Groups      limitDoc `yaml:"groups" jsonschema_description:"Deleted groups. Default 50, 10%."`
	Memberships limitDoc `yaml:"memberships" jsonschema_description:"Removed memberships. Default 5000, 20%."`
	Floor       int      `yaml:"floor" jsonschema:"minimum=0" jsonschema_description:"Number of removals up to which no guard trips. Default 5."`
	OnTrip      OnTrip   `yaml:"on_trip" jsonschema:"enum=hold,enum=abort" jsonschema_description:"hold: apply the rest and keep the removals for approval; abort: write nothing. Default hold."`
}

type limitDoc struct {
	Max   int   `yaml:"max" jsonschema:"minimum=0" jsonschema_description:"Removals in one run."`
	Share share `yaml:"share" jsonschema_description:"Removals in one run as a share of what is owned: 10% or 0.1."`
}

type protectDoc struct {
	Users  []string `yaml:"users,omitempty" jsonschema_description:"userName, e-mail, displayName, externalId or id at the target, in any case."`
	Groups []string `yaml:"groups,omitempty" jsonschema_description:"displayName, externalId or id at the target, in any case."`
}
