package connectortest

import (
	"fmt"
	"math/rand/v2"
)

// The names exercise what directories really hold: letters beyond ASCII,
// apostrophes, hyphens, blanks, quotes, backslashes, and scripts without case.
var (
	givenNames = [...]string{
		"Ada", "Björn", "Chloé", "D'Arcy", "Émile", "Fatima", "Günther", "Hana", "İpek", "José María",
		"Kōji", "Łukasz", "Mary-Jane", "Nguyễn", "Ólafur", "Pia", "Quỳnh", "Renée", "Søren", "Šárka",
		"Tomás", "Ümit", "Vera", "Wendy \"Wen\"", "Ximena", "Yıldız", "Zoë", "Анна", "李娜", "عمر",
	}
	familyNames = [...]string{
		"Archer", "O'Brien", "Çelik", "De la Cruz", "Ekström", "Fuß", "García-López", "Hồ", "Ibn Sina", "Jørgensen",
		"Kowalski", "L'Écuyer", "Müller", "Nakamura", "Ó Súilleabháin", "Petrović", "Quist", "Rossi", "Smith", "Tremblay",
		"Ünal", "Van den Berg", "Wójcik", "Xu", "Yamamoto", "Žižka", "Back\\slash", "Иванова", "王", "الفارسي",
	}
	teams = [...]string{"Data", "Finance", "Ops", "R&D", "Équipe Qualité", "Team \"Blue\"", "People+Culture", "Kundendienst", "営業部", "QA/Test"}
)

// People returns n users, the same ones for the same seed. Ids and userNames
// are unique; about one in eleven is inactive, one in seven has a plus sign in
// the e-mail address. Everybody lives at example.com.
func People(n int, seed uint64) []User {
	r := rand.New(rand.NewPCG(seed, 1))
	users := make([]User, n)
	for i := range users {
		id := fmt.Sprintf("u%06d", i+1)
		mailbox := fmt.Sprintf("person.%06d", i+1)
		email := mailbox + "@example.com"
		if r.IntN(7) == 0 {
			email = mailbox + "+work@example.com"
		}
		users[i] = User{
			ID:       id,
			UserName: mailbox + "@example.com",
			Given:    givenNames[r.IntN(len(givenNames))],
			Family:   familyNames[r.IntN(len(familyNames))],
			Email:    email,
			Active:   r.IntN(11) != 0,
		}
	}
	return users
}

// Groups returns n groups without members, the same ones for the same seed.
// Ids and names are unique.
func Groups(n int, seed uint64) []Group {
	r := rand.New(rand.NewPCG(seed, 2))
	groups := make([]Group, n)
	for i := range groups {
		groups[i] = Group{
			ID:   fmt.Sprintf("g%05d", i+1),
			Name: fmt.Sprintf("%s %05d", teams[r.IntN(len(teams))], i+1),
		}
	}
	return groups
}

// Synthetic returns a world of users and groups with about the given number of
// memberships, spread at random: some groups are large and some may be empty.
// No group has more members than there are users.
func Synthetic(users, groups, memberships int, seed uint64) World {
	w := World{Users: People(users, seed), Groups: Groups(groups, seed)}
	if users == 0 || groups == 0 {
		return w
	}
	r := rand.New(rand.NewPCG(seed, 3))
	sizes := make([]int, groups)
	for range memberships {
		sizes[r.IntN(groups)]++
	}
	for i, size := range sizes {
		w.Groups[i].Members = pick(r, w.Users, min(size, users))
	}
	return w
}

// pick returns the ids of n different users in the order of users.
func pick(r *rand.Rand, users []User, n int) []string {
	ids := make([]string, 0, n)
	for i, u := range users {
		// Selection sampling: each of the rest is equally likely.
		if r.IntN(len(users)-i) < n-len(ids) {
			ids = append(ids, u.ID)
		}
	}
	return ids
}
