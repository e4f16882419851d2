package sailpoint

import (
	"fmt"

	"github.com/scimsync/scimsync/connectors"
	"github.com/scimsync/scimsync/identity"
)

// The wire types take any value for every field, so that a field of the wrong
// type is found by name and costs one record, not a page. Fields that are not
// listed are skipped unread.
type (
	wireSource struct {
		ID   any `json:"id"`
		Name any `json:"name"`
	}
	wireEntitlement struct {
		ID          any `json:"id"`
		Name        any `json:"name"`
		Attribute   any `json:"attribute"`
		Value       any `json:"value"`
		Type        any `json:"sourceSchemaObjectType"`
		Description any `json:"description"`
		Privileged  any `json:"privileged"`
		Requestable any `json:"requestable"`
		Source      any `json:"source"`
		Attributes  any `json:"attributes"`
		Created     any `json:"created"`
		Modified    any `json:"modified"`
	}
	wireProfile struct {
		ID           any `json:"id"`
		Name         any `json:"name"`
		Description  any `json:"description"`
		Enabled      any `json:"enabled"`
		Requestable  any `json:"requestable"`
		Source       any `json:"source"`
		Entitlements any `json:"entitlements"`
		Created      any `json:"created"`
		Modified     any `json:"modified"`
	}
	wireAccount struct {
		ID              any `json:"id"`
		Name            any `json:"name"`
		NativeIdentity  any `json:"nativeIdentity"`
		UUID            any `json:"uuid"`
		SourceID        any `json:"sourceId"`
		IdentityID      any `json:"identityId"`
		Description     any `json:"description"`
		Disabled        any `json:"disabled"`
		Locked          any `json:"locked"`
		Uncorrelated    any `json:"uncorrelated"`
		SystemAccount   any `json:"systemAccount"`
		IsMachine       any `json:"isMachine"`
		HasEntitlements any `json:"hasEntitlements"`
		CloudLifecycle  any `json:"cloudLifecycleState"`
		Attributes      any `json:"attributes"`
		Created         any `json:"created"`
		Modified        any `json:"modified"`
	}
)

func text(v any) string {
	s, _ := v.(string)
	return s
}

func sourceID(s wireSource) string           { return text(s.ID) }
func entitlementID(e wireEntitlement) string { return text(e.ID) }
func accountID(a wireAccount) string         { return text(a.ID) }
func profileID(p wireProfile) string         { return text(p.ID) }

// fromPlace reports whether the source an object names is this one. What names
// none is believed: the filter asked for it.
func fromPlace(source any, at place) bool {
	object, _ := source.(map[string]any)
	id := text(object["id"])
	return id == "" || id == at.id
}

// group returns the Upsert of an entitlement, or the Unreadable that shields it.
// It has no version: modified does not move when members come and go.
// kind is the type it was listed by, which stands where it does not say one.
func (p projection) group(e wireEntitlement, kind string) connectors.Event {
	ref := identity.Ref{Kind: identity.Group, ID: entitlementID(e)}
	if ref.ID == "" {
		return connectors.Unreadable{Ref: ref, Why: "an entitlement without an id"}
	}
	if e.Type == nil {
		e.Type = kind
	}
	fields := map[string]any{
		"id": ref.ID, "name": e.Name, "attribute": e.Attribute, "value": e.Value, "type": e.Type,
		"sourceSchemaObjectType": e.Type, "description": e.Description, "privileged": e.Privileged,
		"requestable": e.Requestable, "source": e.Source, "attributes": e.Attributes,
		"created": e.Created, "modified": e.Modified,
	}
	why := required(fields, "name", "attribute", "value")
	if why == "" {
		why = conform(fields, groupFields())
	}
	if why != "" {
		return connectors.Unreadable{Ref: ref, Why: why}
	}
	p.apply(fields)
	return connectors.Upsert{Record: identity.Record{Ref: ref, Fields: fields}}
}

// user returns the Upsert of an account, or the Unreadable that shields it.
func (p projection) user(a wireAccount) connectors.Event {
	ref := identity.Ref{Kind: identity.User, ID: accountID(a)}
	if ref.ID == "" {
		return connectors.Unreadable{Ref: ref, Why: "an account without an id"}
	}
	fields := map[string]any{
		"id": ref.ID, "name": a.Name, "nativeIdentity": a.NativeIdentity, "uuid": a.UUID, "sourceId": a.SourceID,
		"identityId": a.IdentityID, "description": a.Description, "disabled": a.Disabled, "locked": a.Locked,
		"uncorrelated": a.Uncorrelated, "systemAccount": a.SystemAccount, "isMachine": a.IsMachine,
		"hasEntitlements": a.HasEntitlements, "cloudLifecycleState": a.CloudLifecycle,
		"attributes": a.Attributes, "created": a.Created, "modified": a.Modified,
	}
	if a.Attributes == nil {
		// The API may say null of an account that has none.
		fields["attributes"] = map[string]any{}
	}
	why := required(fields, "name", "nativeIdentity")
	if _, ok := a.Disabled.(bool); why == "" && !ok {
		why = "it does not say whether it is disabled"
	}
	if why == "" {
		why = conform(fields, userFields())
	}
	if why != "" {
		return connectors.Unreadable{Ref: ref, Why: why}
	}
	p.apply(fields)
	return connectors.Upsert{Record: identity.Record{Ref: ref, Fields: fields, Version: version(a)}}
}

// version changes when the account may have. The state of the life cycle is the
// identity's, and the account's modified does not move with it.
func version(a wireAccount) string {
	modified := text(a.Modified)
	if modified == "" {
		return ""
	}
	return fmt.Sprintf("%s %v %s %s", modified, a.Disabled, text(a.IdentityID), text(a.CloudLifecycle))
}

func required(fields map[string]any, names ...string) string {
	for _, name := range names {
		if text(fields[name]) == "" {
			return "it has no " + name
		}
	}
	return ""
}

// conform checks the fields that are present against their types, and drops those
// that are null: null is absent.
func conform(fields map[string]any, declared []identity.Field) string {
	for _, f := range declared {
		value, ok := fields[f.Path]
		switch {
		case !ok: // a field below another
		case value == nil:
			delete(fields, f.Path)
		case !fits(value, f.Type):
			return fmt.Sprintf("its %s is not of type %s", f.Path, f.Type)
		}
	}
	return ""
}

func fits(value any, want identity.FieldType) bool {
	var ok bool
	switch want {
	case identity.String:
		_, ok = value.(string)
	case identity.Bool:
		_, ok = value.(bool)
	case identity.Object:
		_, ok = value.(map[string]any)
	default:
		return true
	}
	return ok
}

// leftOut says why an account is no person's, and is empty for one that is.
func leftOut(a wireAccount) string {
	switch {
	case a.SystemAccount == true:
		return "system"
	case a.IsMachine == true:
		return "machine"
	case a.Uncorrelated == true:
		return "uncorrelated"
	}
	return ""
}
