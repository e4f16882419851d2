package entratest

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
)

// SyntheticApp is the appId of the enterprise application every synthetic world
// has; every second group is assigned to it.
const SyntheticApp = "11111111-5a4d-4b0c-8000-000000000001"

// Synthetic makes a tenant of the given size. The same arguments give the same
// tenant, byte for byte. Its people live at example.com; their names hold
// accents, apostrophes, quotes and other scripts. One in 32 is disabled, one in
// 16 a guest. Some groups hold a device or another group besides. Memberships of
// people are capped at users × groups.
func Synthetic(users, groups, memberships int, seed uint64) World {
	r := rand.New(rand.NewPCG(seed, 0xe47a))
	w := World{Users: make([]User, users), Groups: make([]Group, groups)}
	for i := range w.Users {
		w.Users[i] = syntheticUser(r, i)
	}
	w.Others = []Other{{ID: objectID(0xde, r, 0), Type: Device, Name: "LAPTOP-1"}, {ID: objectID(0xc0, r, 1), Type: Contact, Name: "Printer repair"}}
	app := App{ID: objectID(0x5b, r, 2), AppID: SyntheticApp, Name: "Data Catalog"}
	sizes := make([]int, groups)
	if groups > 0 && users > 0 {
		for range min(memberships, users*groups) {
			at := r.IntN(groups)
			for sizes[at] == users {
				at = (at + 1) % groups
			}
			sizes[at]++
		}
	}
	for i := range w.Groups {
		g := syntheticGroup(r, i)
		g.Members = pick(r, w.Users, sizes[i])
		if i%8 == 5 {
			g.Members = append(g.Members, w.Others[0].ID, w.Groups[i-1].ID)
		}
		w.Groups[i] = g
		if i%2 == 0 {
			app.Assigned = append(app.Assigned, g.ID)
		}
	}
	w.Apps = []App{app}
	return w
}

func syntheticUser(r *rand.Rand, i int) User {
	given := pickOne(r, "Ada", "Åsa", "Zoë", "José", "Ngozi", "Łukasz", "Siobhán", "小百合", "Юлия", "Mary Ann", "Jean-Luc", "Grace", `Robert "Bob"`, "नेहा", "Anaïs", "Tom")
	surname := pickOne(r, "O'Brien", "Öberg", "Nuñez", "D’Angelo", "Müller-Lüdenscheidt", "Van der Berg", "Smith", "王", "Okafor", "Szczęsny", "Ó Súilleabháin", "Иванова", "Kowalski & Sons", "Brown", "García Márquez", "Li")
	mail := fmt.Sprintf("%s.%s%d@example.com", handle(given), handle(surname), i)
	u := Person(objectID(0x0a, r, i), mail, given, surname)
	if i%16 == 9 {
		u = Guest(u.ID, mail, given, surname, "example.onmicrosoft.com")
	}
	maps.Copy(u.Properties, map[string]any{
		"department": pickOne(r, "Finance", "R&D", "Human Resources", "Sales", "IT", "Legal"),
		"jobTitle":   pickOne(r, "Analyst", "Engineer", "Data Steward", "Manager", "Director"),
		"employeeId": fmt.Sprintf("%06d", 100000+i),
		"extension_0f0f0f0f0f0f4f0f8f0f0f0f0f0f0f0f_costCenter": pickOne(r, "CC100", "CC200", "CC300"),
	})
	if i%32 == 31 {
		u.Properties["accountEnabled"] = false
	}
	return u
}

func syntheticGroup(r *rand.Rand, i int) Group {
	prefix := [...]string{"OM", "Collate", "Alation", "Entra"}[i%4]
	name := fmt.Sprintf("%s_%s %03d", prefix,
		pickOne(r, "Data Stewards", "Bücher", `"Quoted" Readers`, "R&D + Labs", "Owner's Circle", "営業部", "Catalog Admins", "Finance"), i)
	g := Team(objectID(0x0b, r, i), name)
	if i%3 == 0 {
		g.Properties["description"] = "Synthetic group " + name
	}
	return g
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

// objectID returns an id in Entra's form. The last digits count, so that ids are
// unique.
func objectID(kind byte, r *rand.Rand, i int) string {
	return fmt.Sprintf("%02x%06x-%04x-4%03x-8%03x-%012x", kind, r.IntN(1<<24), r.IntN(1<<16), r.IntN(1<<12), r.IntN(1<<12), i)
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
