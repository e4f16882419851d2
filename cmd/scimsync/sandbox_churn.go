package main

import (
	"fmt"
	"math/rand/v2"
	"slices"
)

// churn changes a directory the way a working day does: mostly people who join
// and leave groups and get another title, sometimes one who is new, gone or
// renamed, rarely a group. The same directory and seed give the same changes as
// long as nobody else makes any.
//
// It remembers what there is. Where somebody else has changed the source
// meanwhile and a change fails, it says so and forgets what the change was about.
type churn struct {
	directory

	r      *rand.Rand
	people []entry
	teams  []team
	// least and fewest are how many people and groups there were at the
	// start: below that, nobody is removed.
	least, fewest int
	done          int
}

func newChurn(s *fakeSource, seed uint64) *churn {
	c := &churn{
		directory: s.directory, r: rand.New(rand.NewPCG(seed, 0xc4a2)), //nolint:gosec // one seed has to tell one story
		people: slices.Clone(s.people), least: len(s.people), fewest: len(s.teams),
	}
	for _, t := range s.teams {
		c.teams = append(c.teams, team{t.entry, slices.Clone(t.members)})
	}
	return c
}

// kind is a sort of change: how often it comes, in parts of the sum of all, and
// what it does. It reports what it has done, or "" where there was nothing to do.
type kind struct {
	weight int
	change func(*churn) (string, error)
}

func kinds() []kind {
	return []kind{
		{24, (*churn).joins},
		{20, (*churn).leaves},
		{14, (*churn).moves},
		{16, (*churn).promoted},
		{8, (*churn).arrives},
		{5, (*churn).disabled},
		{4, (*churn).returns},
		{4, (*churn).departs},
		{4, (*churn).renamed},
		{2, (*churn).groupRenamed},
		{1, (*churn).groupMade},
		{1, (*churn).groupGone},
	}
}

// step makes one change and says which.
func (c *churn) step() string {
	total := 0
	for _, k := range kinds() {
		total += k.weight
	}
	c.done++
	for {
		at := c.r.IntN(total)
		for _, k := range kinds() {
			if at -= k.weight; at >= 0 {
				continue
			}
			said, err := k.change(c)
			switch {
			case err != nil:
				return fmt.Sprintf("churn %d: %s: %v", c.done, said, err)
			case said != "":
				return fmt.Sprintf("churn %d: %s", c.done, said)
			}
			break // there was nothing to do: draw again, and in the end somebody arrives
		}
	}
}

func (c *churn) any(n int) int { return c.r.IntN(n) }

// someone returns the place of a person who is disabled or not, from a random one
// on, and false where there is none.
func (c *churn) someone(disabled state) (int, bool) {
	if len(c.people) == 0 {
		return 0, false
	}
	for i, start := 0, c.any(len(c.people)); i < len(c.people); i++ {
		if at := (start + i) % len(c.people); c.people[at].disabled == (disabled == inactive) {
			return at, true
		}
	}
	return 0, false
}

// state is whether somebody may log in.
type state int

const (
	active state = iota
	inactive
)

func (c *churn) arrives() (string, error) {
	given := pickOf(c.r, "Ada", "Åsa", "Zoë", "José", "Ngozi", "Łukasz", "Mary Ann", "Jean-Luc", "Grace", "小百合")
	surname := pickOf(c.r, "O'Brien", "Öberg", "Nuñez", "D’Angelo", "Van der Berg", "Brown", "Okafor", "Li")
	p := recruit{
		given: given, surname: surname, mail: fmt.Sprintf("joiner%d@example.com", c.done),
		job: pickOf(c.r, titles()...), department: pickOf(c.r, "Finance", "R&D", "Sales", "IT", "Legal"),
		number: fmt.Sprintf("%06d", 900000+c.done%100000),
	}
	id, err := c.addPerson(p)
	said := fmt.Sprintf("%s arrives (%s)", p.mail, p.name())
	if err == nil {
		c.people = append(c.people, entry{id: id, label: p.mail})
	}
	return said, err
}

func titles() []string {
	return []string{"Analyst", "Engineer", "Data Steward", "Manager", "Director", "Architect", "Controller"}
}

func (c *churn) promoted() (string, error) {
	at, ok := c.someone(active)
	if !ok {
		return "", nil
	}
	job := pickOf(c.r, titles()...)
	return c.about(at, "is now "+job, c.setTitle(c.people[at].id, job))
}

func (c *churn) renamed() (string, error) {
	at, ok := c.someone(active)
	if !ok {
		return "", nil
	}
	given := pickOf(c.r, "Ada", "Zoë", "Ngozi", "Grace", "Tom")
	surname := fmt.Sprintf("%s-%s", pickOf(c.r, "Brown", "Öberg", "Li"), pickOf(c.r, "Smith", "Nuñez", "王"))
	return c.about(at, "is now called "+given+" "+surname, c.setName(c.people[at].id, given, surname))
}

func (c *churn) disabled() (string, error) {
	at, ok := c.someone(active)
	if !ok {
		return "", nil
	}
	err := c.disable(c.people[at].id)
	c.people[at].disabled = err == nil
	return c.about(at, "is disabled", err)
}

func (c *churn) returns() (string, error) {
	at, ok := c.someone(inactive)
	if !ok {
		return "", nil
	}
	err := c.enable(c.people[at].id)
	c.people[at].disabled = err != nil
	return c.about(at, "is enabled again", err)
}

func (c *churn) departs() (string, error) {
	at, ok := c.someone(active)
	if !ok || len(c.people) <= c.least {
		return "", nil
	}
	who := c.people[at]
	err := c.removePerson(who.id)
	c.forget(at)
	return who.label + " is deleted", err
}

// about says what became of a person, and forgets one who was not there.
func (c *churn) about(at int, what string, err error) (string, error) {
	label := c.people[at].label
	if err != nil {
		c.forget(at)
	}
	return label + " " + what, err
}

func (c *churn) forget(at int) {
	id := c.people[at].id
	c.people = slices.Delete(c.people, at, at+1)
	for i := range c.teams {
		c.teams[i].members = slices.DeleteFunc(c.teams[i].members, func(m string) bool { return m == id })
	}
}

func (c *churn) joins() (string, error) {
	at, ok := c.someone(active)
	if !ok || len(c.teams) == 0 {
		return "", nil
	}
	to, who := c.any(len(c.teams)), c.people[at]
	if slices.Contains(c.teams[to].members, who.id) {
		return "", nil
	}
	err := c.addMember(c.teams[to].id, who.id)
	return c.aboutTeam(to, who.label+" joins", err, func(t *team) { t.members = append(t.members, who.id) })
}

func (c *churn) leaves() (string, error) {
	from, who, ok := c.member()
	if !ok {
		return "", nil
	}
	err := c.removeMember(c.teams[from].id, who)
	return c.aboutTeam(from, c.label(who)+" leaves", err, func(t *team) { t.drop(who) })
}

func (c *churn) moves() (string, error) {
	from, who, ok := c.member()
	if !ok || len(c.teams) < 2 {
		return "", nil
	}
	to := (from + 1 + c.any(len(c.teams)-1)) % len(c.teams)
	if slices.Contains(c.teams[to].members, who) {
		return "", nil
	}
	label, target := c.label(who), c.teams[to]
	if said, err := c.aboutTeam(from, label+" leaves", c.removeMember(c.teams[from].id, who), func(t *team) { t.drop(who) }); err != nil {
		return said, err
	}
	err := c.addMember(target.id, who)
	return c.aboutTeam(to, label+" moves to", err, func(t *team) { t.members = append(t.members, who) })
}

// member returns a group that is not empty and somebody in it.
func (c *churn) member() (at int, id string, ok bool) {
	if len(c.teams) == 0 {
		return 0, "", false
	}
	for i, start := 0, c.any(len(c.teams)); i < len(c.teams); i++ {
		at := (start + i) % len(c.teams)
		if members := c.teams[at].members; len(members) > 0 {
			return at, members[c.any(len(members))], true
		}
	}
	return 0, "", false
}

func (c *churn) label(id string) string {
	at := slices.IndexFunc(c.people, func(e entry) bool { return e.id == id })
	if at < 0 {
		return id
	}
	return c.people[at].label
}

func (t *team) drop(id string) {
	t.members = slices.DeleteFunc(t.members, func(m string) bool { return m == id })
}

// aboutTeam says what happened to a group, remembers it, or forgets a group that
// was not there.
func (c *churn) aboutTeam(at int, what string, err error, remember func(*team)) (string, error) {
	said := what + " " + c.teams[at].label
	if err != nil {
		c.teams = slices.Delete(c.teams, at, at+1)
		return said, err
	}
	remember(&c.teams[at])
	return said, nil
}

func (c *churn) groupRenamed() (string, error) {
	if len(c.teams) == 0 {
		return "", nil
	}
	at, name := c.any(len(c.teams)), c.groupName()
	err := c.renameGroup(c.teams[at].id, name)
	return c.aboutTeam(at, name+" is the new name of", err, func(t *team) { t.label = name })
}

func (c *churn) groupMade() (string, error) {
	name := c.groupName()
	id, err := c.addGroup(name)
	if err == nil {
		c.teams = append(c.teams, team{entry: entry{id: id, label: name}})
	}
	return name + " is a new group", err
}

func (c *churn) groupGone() (string, error) {
	if len(c.teams) <= c.fewest {
		return "", nil
	}
	at := c.any(len(c.teams))
	label, err := c.teams[at].label, c.removeGroup(c.teams[at].id)
	c.teams = slices.Delete(c.teams, at, at+1)
	return label + " is deleted", err
}

// groupName returns a name that no group has had.
func (c *churn) groupName() string {
	return fmt.Sprintf("%s %04d", pickOf(c.r, "OM_Stewards", "Collate_Bücher", `Alation_"Quoted"`, "Team_R&D + Labs"), c.done)
}

func pickOf(r *rand.Rand, from ...string) string { return from[r.IntN(len(from))] }
