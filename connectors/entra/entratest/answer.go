package entratest

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// fail answers with Graph's error body.
func (c *call) fail(status int, code, message string) {
	c.send(status, map[string]any{"error": map[string]any{
		"code": code, "message": message,
		"innerError": map[string]any{"date": c.now.UTC().Format("2006-01-02T15:04:05"), "request-id": c.w.Header().Get("request-id")},
	}})
}

func (c *call) notFound(id string) {
	c.fail(http.StatusNotFound, "Request_ResourceNotFound",
		"Resource '"+id+"' does not exist or one of its queried reference-property objects are not present.")
}

func (c *call) badQuery(message string) { c.fail(http.StatusBadRequest, "Request_BadRequest", message) }

func (c *call) send(status int, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		status, body = http.StatusInternalServerError, []byte(`{}`)
	}
	h := c.w.Header()
	h.Set("Content-Type", "application/json;odata.metadata=minimal;odata.streaming=true;IEEE754Compatible=false;charset=utf-8")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	c.w.WriteHeader(status)
	// A client that has gone away is its own business.
	_, _ = c.w.Write(body)
}

// link writes a paging link; kind is nextLink or deltaLink.
func (c *call) link(out map[string]any, kind, link string) {
	switch c.options.Links {
	case SelfLinks:
		link = c.base + c.r.URL.RequestURI()
	case OtherHost:
		link = "https://" + Foreign + strings.TrimPrefix(link, c.base)
	case NoLinks:
		return
	case PlainLinks:
	}
	out["@odata."+kind] = link
}

// selection reads $select. It returns the default properties where there is
// none, and false after it has answered a mistake.
func (c *call) selection(kind string) ([]string, bool) {
	text := c.r.URL.Query().Get("$select")
	if text == "" {
		return defaults(kind), true
	}
	names := strings.Split(text, ",")
	for i, name := range names {
		names[i] = strings.TrimSpace(name)
		if !known(kind, names[i]) {
			c.badQuery("Parsing OData Select and Expand failed: Could not find a property named '" + names[i] + "' on type 'microsoft.graph." + kind + "'.")
			return nil, false
		}
	}
	return names, true
}

// defaults are the properties Graph returns when none are selected (user and
// group resource types, "returned by default"). accountEnabled is not one.
func defaults(kind string) []string {
	if kind == TypeUser {
		return []string{
			"businessPhones", "displayName", "givenName", "jobTitle", "mail", "mobilePhone", "officeLocation",
			"preferredLanguage", "surname", "userPrincipalName", "id",
		}
	}
	return []string{
		"id", "createdDateTime", "description", "displayName", "groupTypes", "mail", "mailEnabled", "mailNickname",
		"securityEnabled", "visibility", "membershipRule", "onPremisesSyncEnabled", "members",
	}
}

// known reports whether the type has the property (v1.0 reference, abridged to
// what the directory itself keeps).
func known(kind, name string) bool {
	if strings.HasPrefix(name, "extension_") {
		return true
	}
	if slices.Contains(defaults(kind), name) {
		return true
	}
	shared := []string{"createdDateTime", "deletedDateTime", "onPremisesSamAccountName", "onPremisesSecurityIdentifier", "onPremisesSyncEnabled", "proxyAddresses", "mailNickname"}
	if slices.Contains(shared, name) {
		return true
	}
	if kind == TypeUser {
		return slices.Contains([]string{
			"accountEnabled", "ageGroup", "city", "companyName", "country", "department", "employeeHireDate", "employeeId",
			"employeeLeaveDateTime", "employeeOrgData", "employeeType", "externalUserState", "faxNumber", "identities", "imAddresses",
			"manager", "onPremisesDistinguishedName", "onPremisesDomainName", "onPremisesExtensionAttributes",
			"onPremisesImmutableId", "onPremisesUserPrincipalName", "otherMails", "postalCode", "state", "streetAddress",
			"usageLocation", "userType",
		}, name)
	}
	return slices.Contains([]string{
		"classification", "isAssignableToRole", "onPremisesDomainName", "onPremisesNetBiosName", "uniqueName",
	}, name)
}

// view returns the selected properties. Outside a delta, a property without a
// value is null; in one, a property that was never set is left out.
func view(r *row, selected []string, sparse bool) map[string]any {
	out := map[string]any{"id": r.id}
	for _, name := range selected {
		if name == "members" || name == "manager" || name == "id" {
			continue
		}
		value, set := r.props[name]
		if set || !sparse {
			out[name] = value
		}
	}
	return out
}
