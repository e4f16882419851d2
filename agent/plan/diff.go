package plan

import (
	"fmt"
	"slices"
	"strings"

	"github.com/scimsync/scimsync/identity"
)

// Object is one source object as it stands before the difference is taken.
type Object struct {
	Ref  identity.Ref
	Name string
	// Desired is what the target should hold, normalized; nil for an object
	// that has left.
	Desired *identity.Entry
	// Live is the target object that is, or will become, this one; nil for
	// none.
	Live *identity.Entry
	// Hold says how the target object relates to us.
	Hold Hold
	// Left is the cause of leaving when Desired is nil.
	Left identity.Cause
	// Waited says that the grace period of a leaver is over.
	Waited bool
	// Adopted says that ownership came by adoption, not creation.
	Adopted bool
}

// Hold is the relation between the source object and its live counterpart.
type Hold string

// The relations.
const (
	Stranger   Hold = "stranger"   // nothing owned, nothing matches
	Owned      Hold = "owned"      // owned and seen at the target
	Vanished   Hold = "vanished"   // owned, not seen at the target
	Recognized Hold = "recognized" // carries our externalId; becomes ours without a write
	Matched    Hold = "matched"    // matches by another key; adopting is a step
	Successor  Hold = "successor"  // takes over the account of a predecessor
)

// Policy is what the configuration and the target say about one kind.
type Policy struct {
	Kind           identity.Kind
	Create, Update bool
	// MembersOnly: an adopted group keeps its name and attributes.
	MembersOnly bool
	// Leave says what happens to a leaver, by cause; missing: keep.
	Leave map[identity.Cause]Leave
	// HasActive says that the target's objects have the attribute active.
	HasActive bool
	// DeleteSuspends says that a DELETE leaves the account behind, inactive:
	// an inactive account is then as deleted as it can be.
	DeleteSuspends bool
	// Same compares a desired value with a live one as the target does.
	Same func(path string, desired, live any) bool
	// Frozen are paths that are written on creation only.
	Frozen func(path string) bool
	// Rename says that the target lets the name change.
	Rename bool
}

// Leave is what happens to a leaver.
type Leave string

// The fates of a leaver.
const (
	LeaveDeactivate Leave = "deactivate"
	LeaveDelete     Leave = "delete"
	LeaveKeep       Leave = "keep"
)

// NamePath returns the attribute people know an object of the kind by, which
// must be unique at the target.
func NamePath(k identity.Kind) string {
	if k == identity.Group {
		return "displayName"
	}
	return "userName"
}

// Diff returns what must change at the target for one object, and why nothing
// is done where policy or the target says so (empty where nothing need be).
//
//	desired    live/hold     active: want/has   change
//	present    stranger      yes                create
//	present    stranger      no                 none: an inactive user gets no account
//	present    vanished      yes                create (vanished)
//	present    vanished      no                 none: some targets hide the inactive
//	present    recognized    -                  as owned; ownership is taken by the caller
//	present    matched       -                  adopt with the differences
//	present    successor     -                  adopt (rehire) with the differences
//	present    owned         yes / no           reactivate, and update in a request of its own
//	present    owned         no / yes           deactivate or delete by leavers.disabled, and no update
//	present    owned         no / no            none: the inactive are left in peace
//	present    owned         same               update, where attributes differ
//	left       owned         - / yes            deactivate, delete or keep by cause
//	left       owned         - / no             delete where the cause says so
//	left       vanished      -                  none: gone on both sides, the caller forgets it
//
// Members are not compared here; see Members.
func Diff(o Object, p Policy) (changes []identity.Change, left string) {
	if o.Desired == nil {
		return leave(o, p)
	}
	wantActive, _ := o.Desired.Attrs.Active()
	if p.Kind != identity.User {
		wantActive = true
	} else if _, known := o.Desired.Attrs.Active(); !known {
		wantActive = true
	}
	switch o.Hold {
	case Stranger, Vanished:
		return create(o, p, wantActive)
	case Matched, Successor:
		return adopt(o, p, wantActive)
	case Owned, Recognized:
	}
	return maintain(o, p, wantActive)
}

func create(o Object, p Policy, wantActive bool) ([]identity.Change, string) {
	switch {
	case !wantActive:
		return nil, ""
	case !p.Create:
		return nil, "create is off"
	}
	c := change(o, identity.Create, identity.CauseNew, "in scope at the source, not at the target")
	if o.Hold == Vanished {
		c.Cause, c.Reason = identity.CauseVanished, "was provisioned, but is no longer at the target"
	}
	for _, path := range o.Desired.Attrs.Paths() {
		if value := o.Desired.Attrs[path]; !identity.Equal(value, nil) {
			c.Attributes = append(c.Attributes, identity.Attribute{Path: path, After: value})
		}
	}
	return []identity.Change{c}, ""
}

func adopt(o Object, p Policy, wantActive bool) ([]identity.Change, string) {
	c := change(o, identity.Adopt, identity.CauseMatched, "an existing object matches")
	if o.Hold == Successor {
		c.Cause, c.Reason = identity.CauseRehire, "returned with a new id at the source; takes over the earlier account"
	}
	c.Attributes = differences(o, p)
	if !p.Update {
		// Only the mark of ownership is written.
		c.Attributes = slices.DeleteFunc(c.Attributes, func(a identity.Attribute) bool { return a.Path != "externalId" })
	}
	status, left := activity(o, p, wantActive)
	return append([]identity.Change{c}, status...), left
}

// maintain keeps an owned object in step.
func maintain(o Object, p Policy, wantActive bool) ([]identity.Change, string) {
	changes, left := activity(o, p, wantActive)
	if !wantActive {
		// A person who has left is not edited any more: the target may
		// refuse it, and there is nobody to see it.
		return changes, left
	}
	attributes := differences(o, p)
	if name := NamePath(p.Kind); !p.Rename && !p.Same(name, o.Desired.Attrs[name], o.Live.Attrs[name]) && left == "" {
		left = "its new " + name + " is not taken over: the target does not rename"
	}
	if len(attributes) == 0 {
		return changes, left
	}
	if !p.Update {
		return changes, "update is off"
	}
	c := change(o, identity.Update, identity.CauseChanged, "differs from the source in "+paths(attributes))
	c.Attributes = attributes
	return append(changes, c), left
}

// activity returns the change of active, which is always a request of its own:
// a refused attribute must not keep a leaver's account open.
func activity(o Object, p Policy, wantActive bool) ([]identity.Change, string) {
	if p.Kind != identity.User || o.Live == nil {
		return nil, ""
	}
	active, known := o.Live.Attrs.Active()
	isActive := active || !known
	switch {
	case wantActive && !isActive:
		c := change(o, identity.Reactivate, identity.CauseEnabled, "active again at the source")
		c.Attributes = []identity.Attribute{{Path: "active", Before: false, After: true}}
		return []identity.Change{c}, ""
	case !wantActive && isActive:
		return depart(o, p, identity.CauseDisabled)
	case !wantActive && p.Leave[identity.CauseDisabled] == LeaveDelete:
		return depart(o, p, identity.CauseDisabled)
	}
	return nil, ""
}

// leave decides about an owned object that the source no longer wants here.
func leave(o Object, p Policy) ([]identity.Change, string) {
	if o.Live == nil {
		return nil, ""
	}
	return depart(o, p, o.Left)
}

func depart(o Object, p Policy, cause identity.Cause) ([]identity.Change, string) {
	reason := words(cause)
	fate := p.Leave[cause]
	if fate != LeaveDeactivate && fate != LeaveDelete {
		return nil, reason + "; leavers say keep"
	}
	if p.MembersOnly && o.Adopted {
		return nil, reason + "; adopted for its members only"
	}
	active, known := o.Live.Attrs.Active()
	alreadyInactive := known && !active
	if alreadyInactive && (fate == LeaveDeactivate || p.DeleteSuspends) {
		return nil, ""
	}
	if !o.Waited {
		return nil, reason + "; within the grace period"
	}
	if fate == LeaveDelete {
		c := change(o, identity.Delete, cause, reason)
		for _, path := range o.Live.Attrs.Paths() {
			c.Attributes = append(c.Attributes, identity.Attribute{Path: path, Before: o.Live.Attrs[path]})
		}
		return []identity.Change{c}, ""
	}
	if !p.HasActive {
		return nil, reason + ", but the target cannot deactivate: set leavers to delete or keep"
	}
	c := change(o, identity.Deactivate, cause, reason)
	c.Attributes = []identity.Attribute{{Path: "active", Before: o.Live.Attrs["active"], After: false}}
	return []identity.Change{c}, ""
}

// differences lists the managed attributes that differ, active apart.
func differences(o Object, p Policy) []identity.Attribute {
	if p.MembersOnly && (o.Adopted || o.Hold == Matched) {
		return nil
	}
	var out []identity.Attribute
	for _, path := range o.Desired.Attrs.Paths() {
		want, have := o.Desired.Attrs[path], o.Live.Attrs[path]
		switch {
		case path == "active" && p.Kind == identity.User:
		case p.Frozen != nil && p.Frozen(path):
		case !p.Rename && path == NamePath(p.Kind):
		case p.Same(path, want, have):
		default:
			out = append(out, identity.Attribute{Path: path, Before: have, After: want})
		}
	}
	return out
}

func change(o Object, op identity.Op, cause identity.Cause, reason string) identity.Change {
	c := identity.Change{Op: op, Ref: o.Ref, Name: o.Name, Cause: cause, Reason: reason}
	if o.Live != nil {
		c.TargetID = o.Live.TargetID
	}
	return c
}

func paths(attributes []identity.Attribute) string {
	names := make([]string, len(attributes))
	for i, a := range attributes {
		names[i] = a.Path
	}
	const shown = 3
	if len(names) > shown {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:shown], ", "), len(names)-shown)
	}
	return strings.Join(names, ", ")
}

// words says a cause of leaving as a sentence begins.
func words(cause identity.Cause) string {
	switch cause {
	case identity.CauseDisabled:
		return "disabled at the source"
	case identity.CauseGone:
		return "no longer at the source"
	case identity.CauseUnassigned:
		return "no longer assigned to the application"
	case identity.CauseOutOfScope:
		return "out of scope"
	}
	return string(cause)
}

// Missing returns which required attributes a desired object lacks.
func Missing(e identity.Entry, required []string) []string {
	var out []string
	for _, path := range required {
		if identity.Equal(e.Attrs[path], nil) && !slices.Contains(out, path) {
			out = append(out, path)
		}
	}
	return out
}
