package oktatest

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
)

// SyntheticApp is the id of the app every synthetic world has; every second
// group is assigned to it.
const SyntheticApp = "0oa1sandbox000000000"

// Synthetic makes a world of the given size. The same arguments give the same
// world, byte for byte. Its people live at example.com; their names hold
// accents, apostrophes, quotes and other scripts, some mail addresses a plus
// sign. From 32 people on, one in 32 is not ACTIVE, in turn of every other
// status. Groups differ in size by a factor of seven; memberships are capped at
// users × groups.
func Synthetic(users, groups, memberships int, seed uint64) World {
	r := rand.New(rand.NewPCG(seed, 0x0c7a))
	w := World{Users: make([]User, users), Groups: make([]Group, groups)}
	for i := range w.Users {
		w.Users[i] = syntheticUser(r, i)
	}
	app := App{ID: SyntheticApp, Label: "Data Catalog", Status: Active}
	sizes := spread(r, memberships, groups, users)
	for i := range w.Groups {
		w.Groups[i] = syntheticGroup(r, i)
		w.Groups[i].Members = pick(r, w.Users, sizes[i])
		if i%2 == 0 {
			app.Groups = append(app.Groups, w.Groups[i].ID)
		}
	}
	w.Apps = []App{app}
	return w
}

func syntheticUser(r *rand.Rand, i int) User {
	first := pickOne(r, "Ada", "Åsa", "Zoë", "José", "Ngozi", "Łukasz", "Siobhán", "小百合", "Юлия", "Mary Ann", "Jean-Luc", "Grace", `Robert "Bob"`, "नेहा", "Anaïs", "Tom")
	last := pickOne(r, "O'Brien", "Öberg", "Nuñez", "D’Angelo", "Müller-Lüdenscheidt", "Van der Berg", "Smith", "王", "Okafor", "Szczęsny", "Ó Súilleabháin", "Иванова", "Kowalski & Sons", "Brown", "García Márquez", "Li")
	local := fmt.Sprintf("%s.%s%d", handle(first), handle(last), i)
	login, mail := local+"@example.com", local+"@example.com"
	switch i % 10 {
	case 3:
		mail = local + "+news@example.com"
	case 7:
		login = local + "+work@example.com"
		mail = login
	}
	fields := syntheticProfile{
		Login: login, Email: mail, FirstName: first, LastName: last,
		Department:     pickOne(r, "Finance", "R&D", "Human Resources", "Sales", "IT", "Legal"),
		Title:          pickOne(r, "Analyst", "Engineer", "Data Steward", "Manager", "Director"),
		EmployeeNumber: fmt.Sprintf("%06d", 100000+i),
		UserType:       pickOne(r, "Employee", "Employee", "Employee", "Contractor"),
	}
	if i%4 == 0 {
		fields.DisplayName = first + " " + last
	}
	status := Active
	if i%32 == 31 {
		others := []string{Deprovisioned, Suspended, Staged, Provisioned, Recovery, PasswordExpired, LockedOut}
		status = others[(i/32)%len(others)]
	}
	profile, err := json.Marshal(fields)
	if err != nil {
		panic("oktatest: synthetic profile: " + err.Error())
	}
	return User{ID: objectID("00u", r, i), Status: status, Profile: profile}
}

type syntheticProfile struct {
	Login          string `json:"login"`
	Email          string `json:"email"`
	FirstName      string `json:"firstName"`
	LastName       string `json:"lastName"`
	DisplayName    string `json:"displayName,omitempty"`
	Department     string `json:"department"`
	Title          string `json:"title"`
	EmployeeNumber string `json:"employeeNumber"`
	UserType       string `json:"userType"`
}

func syntheticGroup(r *rand.Rand, i int) Group {
	prefix := [...]string{"OM", "Collate", "Alation", "Okta"}[i%4]
	name := fmt.Sprintf("%s_%s %03d", prefix,
		pickOne(r, "Data Stewards", "Bücher", `"Quoted" Readers`, "R&D + Labs", "Owner's Circle", "営業部", "Catalog Admins", "Finance"), i)
	description := ""
	if i%3 == 0 {
		description = "Synthetic group " + name
	}
	return Group{ID: objectID("00g", r, i), Type: OktaGroup, Profile: Profile(map[string]any{"name": name, "description": description})}
}

// handle returns the ASCII letters of a name, for the local part of an address;
// an apostrophe stays, because real addresses hold it.
func handle(name string) string {
	h := strings.Map(func(c rune) rune {
		switch {
		case 'a' <= c && c <= 'z' || c == '\'':
			return c
		case 'A' <= c && c <= 'Z':
			return c + ('a' - 'A')
		}
		return -1
	}, name)
	if h == "" {
		return "user"
	}
	return h
}

// objectID returns an id in Okta's form: a prefix and seventeen letters and
// digits, the last of which count, so that ids are unique and in order.
func objectID(prefix string, r *rand.Rand, i int) string {
	const alphabet = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
	var middle [8]byte
	for j := range middle {
		middle[j] = alphabet[r.IntN(len(alphabet))]
	}
	return fmt.Sprintf("%s%09d%s", prefix, i, middle[:])
}

// spread divides total over n sizes of at most limit that differ by up to seven
// times.
func spread(r *rand.Rand, total, n, limit int) []int {
	sizes := make([]int, n)
	if n == 0 || limit == 0 {
		return sizes
	}
	total = min(total, n*limit)
	weights, sum := make([]int, n), 0
	for i := range weights {
		weights[i] = 1 + r.IntN(7)
		sum += weights[i]
	}
	given := 0
	for i := range sizes {
		sizes[i] = min(limit, total*weights[i]/sum)
		given += sizes[i]
	}
	for i := 0; given < total; i = (i + 1) % n {
		if sizes[i] < limit {
			sizes[i]++
			given++
		}
	}
	return sizes
}

// pick returns k different user ids, in the order of the world.
func pick(r *rand.Rand, users []User, k int) []string {
	chosen := make(map[int]struct{}, k)
	// Floyd's sampling: k draws give k different indexes.
	for j := len(users) - k; j < len(users); j++ {
		i := r.IntN(j + 1)
		if _, taken := chosen[i]; taken {
			i = j
		}
		chosen[i] = struct{}{}
	}
	ids := make([]string, 0, k)
	for _, i := range slices.Sorted(maps.Keys(chosen)) {
		ids = append(ids, users[i].ID)
	}
	return ids
}

func pickOne(r *rand.Rand, from ...string) string { return from[r.IntN(len(from))] }
