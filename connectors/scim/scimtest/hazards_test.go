package scimtest

import (
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

// world is what each hazard meets: three users, a hidden one, and a group.
type world struct {
	*harness
	ada, bob, cyd, off, math string
}

func newWorld(t *testing.T, hazards Hazards, change ...func(*Options)) world {
	t.Helper()
	h := newHarness(t, change...)
	w := world{harness: h}
	w.ada = h.user("Ada@example.com", `,"externalId":"00u1","title":"Countess","name":{"givenName":"Ada"}`)
	w.bob, w.cyd = h.user("bob@example.com", ""), h.user("cyd@example.com", "")
	w.off = h.user("off@example.com", `,"active":false,"externalId":"00u9"`)
	w.math = h.group("Math", w.ada, w.bob)
	h.SetHazards(hazards)
	return w
}

func (w world) patchMath(operations string) reply {
	return w.do("PATCH", "/Groups/"+w.math, patchBody(operations))
}

func (w world) equal(got, want any, what string) {
	w.t.Helper()
	if !reflect.DeepEqual(got, want) {
		w.t.Errorf("%s: %v, want %v", what, got, want)
	}
}

// hazardCase shows what one hazard does, after insisting on nothing: the cases
// of the other tests show that without it the server keeps to the RFCs.
type hazardCase struct {
	hazards Hazards
	show    func(w world)
}

func readHazards() map[string]hazardCase {
	return map[string]hazardCase{
		"IgnoreFilters": {Hazards{IgnoreFilters: true}, func(w world) {
			w.equal(w.names("/Users"+filterQuery(`userName eq "nobody"`)), "ada bob cyd off", "found")
		}},
		"FilterUserNameCaseSensitive": {Hazards{FilterUserNameCaseSensitive: true}, func(w world) {
			w.equal(w.names("/Users"+filterQuery(`userName eq "ada@example.com"`)), "", "other case")
			w.equal(w.names("/Users"+filterQuery(`userName eq "Ada@example.com"`)), "ada", "same case")
		}},
		"ExternalIDNotFilterable": {Hazards{ExternalIDNotFilterable: true}, func(w world) {
			w.want(w.do("GET", "/Users"+filterQuery(`externalId eq "00u1"`), ""), 400, "invalidFilter")
		}},
		"ExternalIDFilterEmpty": {Hazards{ExternalIDFilterEmpty: true}, func(w world) {
			w.equal(w.names("/Users"+filterQuery(`externalId eq "00u1"`)), "", "found")
		}},
		"EmptyMembers": {Hazards{EmptyMembers: true}, func(w world) {
			r := w.do("GET", "/Groups/"+w.math, "")
			w.equal(r.text("members"), "[]", "members")
			w.equal(w.do("GET", "/Users/"+w.ada, "").doc["groups"], nil, "groups of a user")
			w.equal(w.names("/Groups"+filterQuery(`members.value eq "`+w.ada+`"`)), "math", "filter on members")
		}},
		"MembersMissingFromLists": {Hazards{MembersMissingFromLists: true}, func(w world) {
			w.equal(strings.Contains(w.do("GET", "/Groups", "").raw, "members"), false, "in lists")
			w.equal(strings.Contains(w.do("GET", "/Groups/"+w.math, "").raw, "members"), true, "alone")
		}},
		"MembersCap": {Hazards{MembersCap: 1}, func(w world) {
			w.equal(len(asList(w.do("GET", "/Groups/"+w.math, "").doc["members"])), 1, "members shown")
		}},
		"GroupsNotByID": {Hazards{GroupsNotByID: true}, func(w world) {
			w.want(w.do("GET", "/Groups/"+w.math, ""), 404, "")
			w.equal(w.names("/Groups"+filterQuery(`displayName eq "math"`)), "math", "found")
		}},
		"IgnoreExcludedAttributes": {Hazards{IgnoreExcludedAttributes: true}, func(w world) {
			r := w.do("GET", "/Groups?excludedAttributes=members", "")
			w.equal(strings.Contains(r.raw, "members"), true, "members")
		}},
		"HideInactive": {Hazards{HideInactive: HiddenRevives}, func(w world) {
			w.want(w.do("GET", "/Users/"+w.off, ""), 404, "")
			w.equal(w.names("/Users"), "ada bob cyd", "listed")
			w.equal(w.names("/Users"+filterQuery(`userName eq "off@example.com"`)), "", "found")
			w.want(w.patchMath(`{"op":"add","path":"members","value":[{"value":"`+w.off+`"}]}`), 400, "invalidValue")
			r := w.do("POST", "/Users", userBody("OFF@example.com", `,"title":"x"`))
			w.want(r, 201, "")
			w.equal([]string{r.text("id"), r.text("active")}, []string{w.off, "true"}, "revived")
			w.SetHazards(Hazards{HideInactive: HiddenConflicts})
			w.do("PATCH", "/Users/"+w.off, patchBody(`{"op":"replace","path":"active","value":false}`))
			w.want(w.do("GET", "/Users/"+w.off, ""), 404, "")
			w.want(w.do("POST", "/Users", userBody("off@example.com", "")), 409, "uniqueness")
		}},
		"StringBooleans": {Hazards{StringBooleans: true}, func(w world) {
			w.equal(w.do("GET", "/Users/"+w.off, "").doc["active"], any("False"), "active")
		}},
		"LocationElsewhere": {Hazards{LocationElsewhere: "https://evil.example.com"}, func(w world) {
			r := w.do("GET", "/Users/"+w.ada, "")
			w.equal(r.text("meta", "location"), "https://evil.example.com/scim/v2/Users/"+w.ada, "location")
		}},
	}
}

func pageHazards() map[string]hazardCase {
	return map[string]hazardCase{
		"NonAdvancingPages": {Hazards{NonAdvancingPages: true}, func(w world) {
			r := w.do("GET", "/Users?startIndex=3&count=2", "")
			w.equal(namesOf(r)+r.text("startIndex"), "ada bob1", "second page")
		}},
		"TotalIsPageSize": {Hazards{TotalIsPageSize: true}, func(w world) {
			w.equal(w.do("GET", "/Users?count=2", "").text("totalResults"), "2", "total")
		}},
		"NoTotal": {Hazards{NoTotal: true}, func(w world) {
			w.equal(w.do("GET", "/Users", "").doc["totalResults"], nil, "total")
		}},
		"TotalAsString": {Hazards{TotalAsString: true}, func(w world) {
			w.equal(w.do("GET", "/Users", "").doc["totalResults"], any("4"), "total")
		}},
		"BigTotals": {Hazards{BigTotals: 1000}, func(w world) {
			w.equal(w.do("GET", "/Users", "").text("totalResults"), "1004", "total")
		}},
		"LowerCaseResources": {Hazards{LowerCaseResources: true}, func(w world) {
			r := w.do("GET", "/Users", "")
			w.equal([]int{len(asList(r.doc["Resources"])), len(asList(r.doc["resources"]))}, []int{0, 4}, "resources")
		}},
		"ZeroBasedStartIndex": {Hazards{ZeroBasedStartIndex: true}, func(w world) {
			w.equal(w.do("GET", "/Users", "").text("startIndex"), "0", "startIndex")
		}},
		"DuplicateAcrossPages": {Hazards{DuplicateAcrossPages: true}, func(w world) {
			w.equal(w.names("/Users?startIndex=1&count=2"), "ada bob", "first page")
			w.equal(w.names("/Users?startIndex=3&count=2"), "bob cyd", "second page")
			w.equal(w.names("/Users?startIndex=5&count=2"), "off", "third page")
		}},
		"ShrinkingPages": {Hazards{ShrinkingPages: true}, func(w world) {
			w.equal(w.names("/Users?startIndex=1&count=2"), "ada bob", "first page")
			w.equal(w.names("/Users?startIndex=3&count=2"), "cyd", "second page")
		}},
		"ExpireCursors": {Hazards{ExpireCursors: Every(1)}, func(w world) {
			r := w.do("GET", "/Users?cursor=&count=1", "")
			w.want(w.do("GET", "/Users?count=1&cursor="+r.text("nextCursor"), ""), 400, "expiredCursor")
		}},
	}
}

func writeHazards() map[string]hazardCase {
	title := patchBody(`{"op":"replace","path":"title","value":"x"}`)
	return map[string]hazardCase{
		"PatchUnsupported": {Hazards{PatchUnsupported: true}, func(w world) {
			w.want(w.do("PATCH", "/Users/"+w.ada, title), 501, "")
			w.equal(w.do("GET", "/ServiceProviderConfig", "").text("patch", "supported"), "true", "promise")
		}},
		"PutReplaceOnly": {Hazards{PutReplaceOnly: true}, func(w world) {
			w.want(w.do("PATCH", "/Users/"+w.ada, title), 405, "")
			w.equal(w.do("GET", "/ServiceProviderConfig", "").text("patch", "supported"), "false", "promise")
		}},
		"PatchIgnored": {Hazards{PatchIgnored: []string{"members", "name.givenName"}}, func(w world) {
			w.want(w.patchMath(`{"op":"remove","path":"members"},{"op":"replace","path":"displayName","value":"New"}`), 200, "")
			w.equal(w.memberNames("New"), "Ada@example.com bob@example.com", "members")
			r := w.do("PATCH", "/Users/"+w.ada, patchBody(`{"op":"replace","path":"name.givenName","value":"x"},{"op":"replace","path":"title","value":"x"}`))
			w.equal(r.text("name", "givenName")+r.text("title"), "Adax", "attributes")
			w.SetHazards(Hazards{PatchIgnored: []string{"*"}})
			w.equal(w.do("PATCH", "/Users/"+w.ada, patchBody(`{"op":"remove","path":"title"}`)).text("title"), "x", "all ignored")
		}},
		"CapitalOpsIgnored": {Hazards{CapitalOpsIgnored: true}, func(w world) {
			r := w.do("PATCH", "/Users/"+w.ada, strings.Replace(title, "replace", "Replace", 1))
			w.want(r, 200, "")
			w.equal(r.text("title"), "Countess", "title")
		}},
		"PathlessReplaceWipes": {Hazards{PathlessReplaceWipes: true}, func(w world) {
			r := w.do("PATCH", "/Users/"+w.ada, patchBody(`{"op":"replace","value":{"active":true}}`))
			w.equal(r.text("title")+r.text("name")+r.text("userName"), "nullnullAda@example.com", "left")
		}},
		"IgnoreMemberRemoveByFilter": {Hazards{IgnoreMemberRemoveByFilter: true}, func(w world) {
			w.want(w.patchMath(`{"op":"remove","path":"members[value eq \"`+w.ada+`\"]"}`), 200, "")
			w.equal(len(w.members(w.math)), 2, "members")
		}},
		"ReplaceMembersMerges": {Hazards{ReplaceMembersMerges: true}, func(w world) {
			w.want(w.patchMath(`{"op":"replace","path":"members","value":[{"value":"`+w.cyd+`"}]}`), 200, "")
			w.equal(w.members(w.math), []string{w.ada, w.bob, w.cyd}, "members")
		}},
		"ValueListRemoveEmpties": {Hazards{ValueListRemoveEmpties: true}, func(w world) {
			w.want(w.patchMath(`{"op":"remove","path":"members","value":[{"value":"`+w.ada+`"}]}`), 200, "")
			w.equal(len(w.members(w.math)), 0, "members")
		}},
		"RefuseEmptyRemove": {Hazards{RefuseEmptyRemove: true}, func(w world) {
			w.want(w.patchMath(`{"op":"remove","path":"members"}`), 400, "invalidPath")
		}},
		"MaxMembersPerPatch": {Hazards{MaxMembersPerPatch: 1}, func(w world) {
			two := `{"op":"remove","path":"members[value eq \"` + w.ada + `\"]"},{"op":"add","path":"members","value":[{"value":"` + w.cyd + `"}]}`
			w.want(w.patchMath(two), 413, "")
			w.SetHazards(Hazards{MaxMembersPerPatch: 1, MaxMembersStatus: 400})
			w.want(w.patchMath(two), 400, "")
			w.equal(w.members(w.math), []string{w.ada, w.bob}, "members")
			w.SetHazards(Hazards{MaxMembersPerPatch: 2})
			w.want(w.patchMath(two), 200, "")
		}},
		"RejectMembers": {Hazards{}, func(w world) {
			w.SetHazards(Hazards{RejectMembers: []string{w.cyd}})
			w.want(w.patchMath(`{"op":"add","path":"members","value":[{"value":"`+w.off+`"},{"value":"`+w.cyd+`"}]}`), 400, "invalidValue")
			w.equal(w.members(w.math), []string{w.ada, w.bob}, "members")
			w.want(w.do("POST", "/Groups", groupBody("New", w.cyd)), 400, "invalidValue")
		}},
		"DuplicateMembersKept": {Hazards{DuplicateMembersKept: true}, func(w world) {
			w.want(w.patchMath(`{"op":"add","path":"members","value":[{"value":"`+w.ada+`"}]}`), 200, "")
			w.equal(w.members(w.math), []string{w.ada, w.bob, w.ada}, "members")
			w.want(w.patchMath(`{"op":"remove","path":"members[value eq \"`+w.ada+`\"]"}`), 200, "")
			w.equal(w.members(w.math), []string{w.bob}, "members")
			w.equal(w.do("GET", "/Users/"+w.ada, "").doc["groups"], nil, "groups of the user")
		}},
		"ExternalIDNotStored": {Hazards{ExternalIDNotStored: true}, func(w world) {
			r := w.do("POST", "/Users", userBody("new@example.com", `,"externalId":"00u7"`))
			w.want(r, 201, "")
			w.equal(r.doc["externalId"], nil, "externalId")
		}},
		"LowerCaseUserNames": {Hazards{LowerCaseUserNames: true}, func(w world) {
			w.equal(w.do("POST", "/Users", userBody("New@Example.com", "")).text("userName"), "new@example.com", "userName")
		}},
		"RenameRefused": {Hazards{RenameRefused: true}, func(w world) {
			w.want(w.patchMath(`{"op":"replace","path":"displayName","value":"New"}`), 400, "mutability")
			w.want(w.do("PUT", "/Users/"+w.ada, userBody("new@example.com", "")), 400, "mutability")
			w.want(w.do("PUT", "/Users/"+w.ada, userBody("ada@example.com", "")), 200, "")
		}},
		"SoftDelete": {Hazards{SoftDelete: true}, func(w world) {
			w.want(w.do("DELETE", "/Users/"+w.ada, ""), 204, "")
			r := w.do("GET", "/Users/"+w.ada, "")
			w.want(r, 200, "")
			w.equal(r.text("active"), "false", "active")
			w.equal(w.members(w.math), []string{w.bob}, "members")
			w.want(w.do("POST", "/Users", userBody("bob@example.com", "")), 409, "uniqueness")
			again := w.do("POST", "/Users", userBody("ada@example.com", ""))
			w.want(again, 201, "")
			w.equal(again.text("id")+again.text("active"), w.ada+"true", "revived")
			w.do("DELETE", "/Users/"+w.ada, "")
			w.do("PATCH", "/Users/"+w.ada, patchBody(`{"op":"replace","path":"active","value":true}`))
			w.want(w.do("POST", "/Users", userBody("ada@example.com", "")), 409, "uniqueness")
			w.want(w.do("DELETE", "/Groups/"+w.math, ""), 204, "")
			w.want(w.do("GET", "/Groups/"+w.math, ""), 404, "")
		}},
		"UpsertOnPost": {Hazards{UpsertOnPost: true}, func(w world) {
			r := w.do("POST", "/Users", userBody("ada@example.com", `,"title":"x"`))
			w.want(r, 201, "")
			w.equal(r.text("id")+r.text("title"), w.ada+"x", "user")
			w.equal(w.do("POST", "/Groups", groupBody("math")).text("id"), w.math, "group")
			w.equal(len(w.members(w.math)), 0, "members of the group")
		}},
		"EmptyCreateAnswer": {Hazards{EmptyCreateAnswer: true}, func(w world) {
			r := w.do("POST", "/Users", userBody("new@example.com", ""))
			w.equal([]any{r.status, r.raw, r.header.Get("Location")}, []any{201, "", ""}, "answer")
		}},
	}
}

func answerHazards() map[string]hazardCase {
	return map[string]hazardCase{
		"NoGroups": {Hazards{NoGroups: true}, func(w world) {
			w.want(w.do("GET", "/Groups", ""), 404, "")
			w.equal(w.do("GET", "/ResourceTypes", "").text("totalResults"), "1", "resource types")
			w.equal(w.do("GET", "/Users/"+w.ada, "").doc["groups"], nil, "groups of a user")
		}},
		"NoDiscovery": {Hazards{NoDiscovery: true}, func(w world) {
			w.want(w.do("GET", "/ServiceProviderConfig", ""), 404, "")
			w.want(w.do("GET", "/Users", ""), 200, "")
		}},
		"NotImplemented": {Hazards{NotImplemented: true}, func(w world) {
			w.want(w.do("GET", "/Users", ""), 501, "")
			w.want(w.do("GET", "/ServiceProviderConfig", ""), 501, "")
		}},
		"HTMLErrors": {Hazards{HTMLErrors: true}, func(w world) {
			r := w.do("GET", "/Users/x", "")
			w.equal([]any{r.status, r.header.Get("Content-Type"), r.raw[:9]}, []any{404, htmlType, "<!DOCTYPE"}, "answer")
		}},
		"ErrorIn200": {Hazards{ErrorIn200: true}, func(w world) {
			r := w.do("GET", "/Users", "", "Authorization", "Bearer wrong")
			w.equal([]any{r.status, r.doc["status"]}, []any{200, any("error")}, "answer")
		}},
		"OddErrors": {Hazards{OddErrors: true}, func(w world) {
			r := w.do("GET", "/Users/x", "")
			w.equal([]any{r.status, r.doc["status"], len(asList(r.doc["detail"]))}, []any{404, any(404.0), 1}, "answer")
		}},
		"HTML200": {Hazards{HTML200: When{Every: 1, Method: "POST"}}, func(w world) {
			r := w.do("POST", "/Users", userBody("new@example.com", ""))
			w.equal([]any{r.status, r.header.Get("Content-Type")}, []any{200, htmlType}, "answer")
			w.equal(w.names("/Users"), "ada bob cyd off", "users")
		}},
		"RedirectTo": {Hazards{RedirectTo: "https://evil.example.com"}, func(w world) {
			r := w.do("GET", "/Users?count=1", "")
			w.equal([]any{r.status, r.header.Get("Location")}, []any{307, "https://evil.example.com/scim/v2/Users?count=1"}, "answer")
		}},
		"Throttle": {Hazards{Throttle: Throttle{When: Every(2), RetryAfter: 1500 * time.Millisecond}}, func(w world) {
			w.want(w.do("GET", "/Users", ""), 200, "")
			r := w.do("GET", "/Users", "")
			w.want(r, 429, "")
			w.equal(r.header.Get("Retry-After"), "2", "Retry-After")
			w.SetHazards(Hazards{Throttle: Throttle{When: Every(1), Form: RetryAfterAbsent}})
			w.equal(w.do("GET", "/Users", "").header.Get("Retry-After"), "", "Retry-After")
			w.SetHazards(Hazards{Throttle: Throttle{When: Every(1), Form: RetryAfterDate, RetryAfter: time.Hour}})
			at, err := time.Parse(time.RFC1123, w.do("GET", "/Users", "").header.Get("Retry-After"))
			if d := time.Until(at); err != nil || d < 59*time.Minute || d > time.Hour {
				w.t.Errorf("Retry-After in %v: %v", d, err)
			}
		}},
		"Fail500": {Hazards{Fail500: When{Every: 1, Path: "/Users", Match: "nobody", Times: 1}}, func(w world) {
			w.want(w.do("GET", "/Users", ""), 200, "")
			w.want(w.do("POST", "/Groups", groupBody("nobody")), 201, "")
			w.want(w.do("POST", "/Users", userBody("nobody", "")), 500, "")
			w.want(w.do("POST", "/Users", userBody("nobody", "")), 201, "")
		}},
		"Unauthorized": {Hazards{Unauthorized: When{Every: 1, Skip: 2}}, func(w world) {
			w.want(w.do("GET", "/Users", ""), 200, "")
			w.want(w.do("GET", "/Users", ""), 200, "")
			w.want(w.do("GET", "/Users", ""), 401, "")
			w.want(w.do("GET", "/Users", ""), 401, "")
		}},
	}
}

// TestHazards shows each hazard and insists that it fired.
func TestHazards(t *testing.T) {
	t.Parallel()
	for _, table := range []map[string]hazardCase{readHazards(), pageHazards(), writeHazards(), answerHazards()} {
		for name, c := range table {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				w := newWorld(t, c.hazards, func(o *Options) { o.CursorPaging = true })
				if len(w.Fired()) > 0 {
					t.Errorf("fired before it was set: %v", w.Fired())
				}
				c.show(w)
				fired := w.Fired()
				if fired[name] == 0 || len(fired) != 1 {
					t.Errorf("fired %v", fired)
				}
			})
		}
	}
}

// TestEveryHazardIsShown fails when a hazard is added without a case.
func TestEveryHazardIsShown(t *testing.T) {
	t.Parallel()
	var shown []string
	for _, table := range []map[string]hazardCase{readHazards(), pageHazards(), writeHazards(), answerHazards()} {
		for name := range table {
			shown = append(shown, name)
		}
	}
	for name := range wireHazards() {
		shown = append(shown, name)
	}
	parameters := []string{"MaxMembersStatus", "SlowBodyPause"}
	hazards := reflect.TypeFor[Hazards]()
	for field := range hazards.Fields() {
		name := field.Name
		if !slices.Contains(shown, name) && !slices.Contains(parameters, name) {
			t.Errorf("no case shows %s", name)
		}
	}
	for _, name := range shown {
		if _, ok := hazards.FieldByName(name); !ok {
			t.Errorf("%s is no hazard", name)
		}
	}
}
