package sailpointtest

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"strings"
)

// Synthetic makes a world of one source. The same arguments give the same world.
// Its people live at example.com; their names and those of groups hold accents,
// apostrophes, quotes, commas and other scripts. Directories are untidy, so one
// membership in five is spelled with other letters and blanks than the group's
// DN, and an account with one membership may hold it as a text instead of a list.
// One person in 32 is disabled. Beyond the people there are, from ten on, an
// account that is uncorrelated, one of a system and one of a machine, and beyond
// the groups two entitlements of another type and, from four groups on, three
// access profiles, one of which is not enabled.
func Synthetic(users, groups, memberships int, seed uint64) World {
	r := rand.New(rand.NewPCG(seed, 0x5a11))
	w := World{Sources: []Connection{Directory()}}
	for i := range groups {
		w.Entitlements = append(w.Entitlements, syntheticGroup(r, i))
	}
	for i := range users {
		w.Accounts = append(w.Accounts, syntheticAccount(r, i))
	}
	if users > 0 && groups > 0 {
		for range min(memberships, users*groups) {
			a, e := &w.Accounts[r.IntN(users)], w.Entitlements[r.IntN(groups)]
			*a = with(*a, e)
		}
	}
	for i := range w.Accounts {
		untidy(r, &w.Accounts[i])
	}
	if users >= 10 {
		for i, set := range []func(*Account){
			func(a *Account) { a.Uncorrelated, a.IdentityID = true, "" },
			func(a *Account) { a.SystemAccount = true },
			func(a *Account) { a.IsMachine = true },
		} {
			a := syntheticAccount(r, users+i)
			set(&a)
			w.Accounts = append(w.Accounts, a)
		}
		for i, name := range []string{"Local Administrator", "Log on as a service"} {
			w.Entitlements = append(w.Entitlements, Entitlement{
				ID: objectID(r, groups+i), SourceID: DirectoryID, Type: "privilege", Attribute: "privileges", Value: name, Name: name,
			})
		}
	}
	if groups >= 4 {
		ids := make([]string, groups)
		for i := range ids {
			ids[i] = w.Entitlements[i].ID
		}
		retired := Profile(objectID(r, 2), "Retired bundle", ids[2])
		retired.Disabled = true
		w.AccessProfiles = []AccessProfile{
			Profile(objectID(r, 0), "Data basics", ids[0], ids[1]),
			Profile(objectID(r, 1), `Labs + "Stewards"`, ids[1], ids[3]),
			retired,
		}
	}
	return w
}

func syntheticGroup(r *rand.Rand, i int) Entitlement {
	prefix := [...]string{"OM", "Collate", "Alation", "AD"}[i%4]
	name := fmt.Sprintf("%s_%s %03d", prefix,
		pickOne(r, "Data Stewards", "Bücher", `"Quoted" Readers`, "R&D + Labs", "Owner's Circle", "営業部", `Back\Slash`, "Finance, Controlling"), i)
	e := Group(objectID(r, i), name, DN(name, "Groups"))
	if i%3 == 0 {
		e.Description = "Synthetic group " + name
	}
	return e
}

func syntheticAccount(r *rand.Rand, i int) Account {
	first := pickOne(r, "Ada", "Åsa", "Zoë", "José", "Ngozi", "Łukasz", "Siobhán", "小百合", "Юлия", "Mary Ann", "Jean-Luc", "Grace", `Robert "Bob"`, "Tom")
	last := pickOne(r, "O'Brien", "Öberg", "Nuñez", "D’Angelo", "Müller-Lüdenscheidt", "Van der Berg", "Smith, Jr.", "王", "Okafor", "Szczęsny", "Brown", "Li")
	mail := fmt.Sprintf("person%d@example.com", i)
	a := Person(objectID(r, i), mail, first, last)
	a.Name = fmt.Sprintf("person%d", i)
	a.NativeIdentity = DN(fmt.Sprintf("%s %s %d", first, last, i), "People")
	a.Disabled = i%32 == 31
	if a.Disabled {
		a.CloudLifecycleState = "inactive"
	}
	a.Attributes["sAMAccountName"] = a.Name
	a.Attributes["department"] = pickOne(r, "Finance", "R&D", "Human Resources", "Sales", "IT", "Legal")
	a.Attributes["title"] = pickOne(r, "Analyst", "Engineer", "Data Steward", "Manager", "Director")
	a.Attributes["employeeID"] = fmt.Sprintf("%06d", 100000+i)
	return a
}

// untidy spells some memberships as directories do.
func untidy(r *rand.Rand, a *Account) {
	list := held(*a, "memberOf")
	for i, v := range list {
		if dn, ok := v.(string); ok && r.IntN(5) == 0 {
			list[i] = strings.ReplaceAll(strings.ToUpper(dn), ",OU=", " , OU = ")
		}
	}
	if len(list) == 1 && r.IntN(2) == 0 {
		a.Attributes["memberOf"] = list[0]
	}
}

// DN returns the distinguished name of an object in a folder of example.com,
// with what is special escaped (RFC 4514, section 2.4).
func DN(name, folder string) string {
	escaped := strings.NewReplacer(`\`, `\\`, `,`, `\,`, `+`, `\+`, `"`, `\"`, `<`, `\<`, `>`, `\>`, `;`, `\;`, `=`, `\=`).Replace(name)
	if strings.HasPrefix(escaped, "#") || strings.HasPrefix(escaped, " ") {
		escaped = `\` + escaped
	}
	return "CN=" + escaped + ",OU=" + folder + ",DC=example,DC=com"
}

// objectID returns an id in SailPoint's form: 32 hexadecimal digits, of which the
// first are random, so that new objects come anywhere in a list.
func objectID(r *rand.Rand, i int) string {
	var b [16]byte
	binary.BigEndian.PutUint64(b[:8], r.Uint64())
	binary.BigEndian.PutUint64(b[8:], uint64(i))
	return hex.EncodeToString(b[:])
}

func pickOne(r *rand.Rand, from ...string) string { return from[r.IntN(len(from))] }
