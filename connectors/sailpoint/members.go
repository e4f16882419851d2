package sailpoint

import (
	"cmp"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/scimsync/scimsync/connectors"
	"github.com/scimsync/scimsync/identity"
)

// roster finds the groups an account is in, and keeps the memberships of a read
// until the list of accounts is proved whole. It holds about twenty bytes for
// each account and two for each membership.
//
// The parts of access profiles that are no groups themselves are known to it, and
// nothing is said of them.
type roster struct {
	groups []string // ids of entitlements, then of access profiles; their places stand for them below
	// parts are the places of entitlements that are no groups; placeOf finds
	// every entitlement by id, and is nil where nobody asks.
	parts   map[int]bool
	placeOf map[string]int
	bundles bundles
	// byAttribute are the places of the groups by account attribute and value.
	byAttribute map[string]*values
	attributes  []string // the keys of byAttribute, in order of appearance
	// doubts say why the members of a group cannot be told, and of all groups
	// that come from one attribute; doubt, of all groups.
	doubts      map[int]string
	ofAttribute map[string]string
	doubt       string
	links       spool
}

// values finds entitlements by value: spelled just so, or, for distinguished
// names, in another way.
type values struct{ exact, canonical map[string][]int }

func newRoster() *roster {
	return &roster{byAttribute: map[string]*values{}, parts: map[int]bool{}}
}

// addPart makes an entitlement known that is no group.
func (r *roster) addPart(id, attribute, value string) {
	r.parts[len(r.groups)] = true
	r.add(id, attribute, value)
}

// add makes an entitlement known, which is a group.
func (r *roster) add(id, attribute, value string) {
	place := len(r.groups)
	r.groups = append(r.groups, id)
	if r.placeOf != nil {
		r.placeOf[id] = place
	}
	v := r.byAttribute[attribute]
	if v == nil {
		v = &values{exact: map[string][]int{}, canonical: map[string][]int{}}
		r.byAttribute[attribute] = v
		r.attributes = append(r.attributes, attribute)
	}
	v.exact[value] = append(v.exact[value], place)
	if name, ok := canonical(value); ok {
		v.canonical[name] = append(v.canonical[name], place)
	}
}

func (v *values) find(value string) []int {
	if places, ok := v.exact[value]; ok {
		return places
	}
	if name, ok := canonical(value); ok {
		return v.canonical[name]
	}
	return nil
}

// begin forgets the accounts taken so far.
func (r *roster) begin() {
	r.doubts, r.ofAttribute, r.doubt, r.links = map[int]string{}, map[string]string{}, "", spool{}
}

// take notes the groups of one account. Of an account that cannot be named or
// understood, the groups it may be in have members that cannot be told.
func (r *roster) take(id string, attributes any) {
	object, ok := attributes.(map[string]any)
	if !ok && attributes != nil {
		r.doubt = "the attributes of account " + id + " are not an object"
		return
	}
	var places []int
	for _, attribute := range r.attributes {
		held, ok := texts(object[attribute])
		if !ok {
			r.ofAttribute[attribute] = fmt.Sprintf("attribute %s of account %s is neither text nor a list of texts", attribute, id)
			continue
		}
		for _, value := range held {
			places = append(places, r.byAttribute[attribute].find(value)...)
		}
	}
	slices.Sort(places)
	places = slices.Compact(places)
	places = append(places, r.bundles.held(places)...)
	if len(r.parts) > 0 {
		places = slices.DeleteFunc(places, func(place int) bool { return r.parts[place] })
	}
	if id == "" {
		for _, place := range places {
			r.doubts[place] = "a member came without an id"
		}
		return
	}
	if len(places) > 0 {
		r.links.put(id, places)
	}
}

// texts returns the values of an attribute: one text, a list of them, or none.
// Numbers count as text, because ids of groups are sometimes written so.
func texts(v any) ([]string, bool) {
	switch v := v.(type) {
	case nil:
		return nil, true
	case string:
		return []string{v}, true
	case float64:
		return []string{strconv.FormatFloat(v, 'f', -1, 64)}, true
	case []any:
		out := make([]string, 0, len(v))
		for _, element := range v {
			if _, list := element.([]any); list {
				return nil, false
			}
			one, ok := texts(element)
			if !ok {
				return nil, false
			}
			out = append(out, one...)
		}
		return out, true
	}
	return nil, false
}

// emit hands on the memberships of the groups that wanted accepts, then closes
// each of those groups.
func (r *roster) emit(wanted func(group string) bool, emit func(connectors.Event) error) error {
	whys := r.unknown()
	group := func(place int) identity.Ref { return identity.Ref{Kind: identity.Group, ID: r.groups[place]} }
	for id, places := range r.links.all() {
		for _, place := range places {
			if whys[place] != "" || !wanted(r.groups[place]) {
				continue
			}
			if err := emit(connectors.Link{Group: group(place), Member: identity.Ref{Kind: identity.User, ID: id}}); err != nil {
				return err
			}
		}
	}
	for place, id := range r.groups {
		if r.parts[place] || !wanted(id) {
			continue
		}
		closing := connectors.Links{Group: group(place), State: connectors.Complete}
		if whys[place] != "" {
			closing.State, closing.Why = connectors.Unknown, whys[place]
		}
		if err := emit(closing); err != nil {
			return err
		}
	}
	return nil
}

// unknown says of each place why its members cannot be told; empty where they
// can.
func (r *roster) unknown() []string {
	whys := make([]string, len(r.groups))
	for _, attribute := range r.attributes {
		if why := r.ofAttribute[attribute]; why != "" {
			for _, places := range r.byAttribute[attribute].exact {
				for _, place := range places {
					whys[place] = why
				}
			}
		}
	}
	r.bundles.unknown(whys)
	for place := range whys {
		whys[place] = cmp.Or(r.doubt, r.doubts[place], whys[place])
	}
	return whys
}

// spool is a list of accounts with the places of their groups, packed: the id in
// sixteen bytes or as text, then the differences of the sorted places.
type spool struct{ blocks [][]byte }

const spoolBlock = 64 << 10

func (s *spool) put(id string, places []int) {
	var record []byte
	if key, ok := packed(id); ok {
		record = append(record, 0)
		record = append(record, key[:]...)
	} else {
		record = binary.AppendUvarint(record, uint64(len(id)))
		record = append(record, id...)
	}
	record = binary.AppendUvarint(record, uint64(len(places)))
	last := 0
	for _, place := range places {
		record = binary.AppendUvarint(record, uint64(place-last))
		last = place
	}
	at := len(s.blocks) - 1
	if at < 0 || len(s.blocks[at])+len(record) > cap(s.blocks[at]) {
		s.blocks = append(s.blocks, make([]byte, 0, max(spoolBlock, len(record))))
		at++
	}
	s.blocks[at] = append(s.blocks[at], record...)
}

// all yields what was put, in that order. The slice is used again for the next.
func (s *spool) all() func(yield func(string, []int) bool) {
	return func(yield func(string, []int) bool) {
		var places []int
		for _, block := range s.blocks {
			for len(block) > 0 {
				var id string
				size := take(&block)
				if size == 0 {
					id, block = hex.EncodeToString(block[:16]), block[16:]
				} else {
					id, block = strings.Clone(string(block[:size])), block[size:]
				}
				places = places[:0]
				last := 0
				for range take(&block) {
					last += take(&block)
					places = append(places, last)
				}
				if !yield(id, places) {
					return
				}
			}
		}
	}
}

// take reads one number from the front of b, which put wrote there.
func take(b *[]byte) int {
	n, size := binary.Uvarint(*b)
	*b = (*b)[size:]
	return int(n)
}
