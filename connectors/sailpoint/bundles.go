package sailpoint

import "slices"

// bundles are the access profiles that a roster knows, by their places in it. An
// account is in one when it holds every one of its entitlements; SailPoint takes
// an access profile for granted to who holds all of it, however that came about.
type bundles struct {
	first int           // the place of the first; those of entitlements are before it
	all   []bundle      // from first on
	with  map[int][]int // the bundles that an entitlement is part of, as indexes of all
	hits  []int         // scratch: how many parts of each an account was seen to hold
}

type bundle struct {
	parts []int // places of entitlements
	why   string
}

// addProfile makes an access profile known, of whose entitlements those that are
// in it must be known before. One of which some entitlement is not known has
// members that cannot be told.
func (r *roster) addProfile(p wireProfile) {
	ids, why := p.parts()
	b := bundle{why: why}
	for _, id := range ids {
		place, known := r.placeOf[id]
		if !known {
			b.parts, b.why = nil, "entitlement "+id+" of the access profile could not be read"
			break
		}
		b.parts = append(b.parts, place)
	}
	slices.Sort(b.parts)
	b.parts = slices.Compact(b.parts)
	if len(r.bundles.all) == 0 {
		r.bundles.first, r.bundles.with = len(r.groups), map[int][]int{}
	}
	for _, place := range b.parts {
		r.bundles.with[place] = append(r.bundles.with[place], len(r.bundles.all))
	}
	r.bundles.all, r.bundles.hits = append(r.bundles.all, b), append(r.bundles.hits, 0)
	r.groups = append(r.groups, profileID(p))
}

// forgetProfiles makes the roster know entitlements only.
func (r *roster) forgetProfiles() {
	if len(r.bundles.all) > 0 {
		r.groups = r.groups[:r.bundles.first]
	}
	r.bundles = bundles{}
}

// held returns, in order, the places of the bundles of which an account holds
// every part, given the places of the entitlements it holds, each once.
func (b *bundles) held(entitlements []int) []int {
	if len(b.all) == 0 {
		return nil
	}
	var out, touched []int
	for _, place := range entitlements {
		for _, i := range b.with[place] {
			if b.hits[i]++; b.hits[i] == 1 {
				touched = append(touched, i)
			}
		}
	}
	for _, i := range touched {
		if b.hits[i] == len(b.all[i].parts) {
			out = append(out, b.first+i)
		}
		b.hits[i] = 0
	}
	slices.Sort(out)
	return out
}

// unknown adds, to what makes the members of entitlements unknown, what that makes
// unknown of the bundles.
func (b *bundles) unknown(whys []string) {
	for i, one := range b.all {
		whys[b.first+i] = one.why
		for _, place := range one.parts {
			if whys[place] != "" {
				whys[b.first+i] = whys[place]
			}
		}
	}
}
