package sailpoint

import (
	"bytes"
	"encoding/hex"
	"iter"
	"slices"
)

// idKey is the sixteen bytes of an id of SailPoint's, which has 32 hexadecimal
// digits.
type idKey [16]byte

func (k idKey) compare(other idKey) int { return bytes.Compare(k[:], other[:]) }

// idSet is a set of ids, in little more than sixteen bytes each where they come in
// their own order, as lists that are sorted by id bring them. Others take three
// times as much.
type idSet struct {
	// blocks are the ids that came in order, so many in each but the last.
	blocks [][]idKey
	strays map[idKey]struct{} // those that did not
	other  map[string]struct{}
}

const idBlock = 1024

func newIDSet() *idSet {
	return &idSet{strays: map[idKey]struct{}{}, other: map[string]struct{}{}}
}

// packed returns the bytes of an id that consists of 32 lower-case hexadecimal
// digits.
func packed(id string) (idKey, bool) {
	var key idKey
	if len(id) != 2*len(key) {
		return key, false
	}
	for i := range len(id) {
		if c := id[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return key, false
		}
	}
	_, err := hex.Decode(key[:], []byte(id))
	return key, err == nil
}

// add reports whether the id is new.
func (s *idSet) add(id string) bool {
	if s.has(id) {
		return false
	}
	key, short := packed(id)
	switch {
	case !short:
		s.other[id] = struct{}{}
	case !s.follows(key):
		s.strays[key] = struct{}{}
	default:
		last := len(s.blocks) - 1
		if last < 0 || len(s.blocks[last]) == idBlock {
			s.blocks = append(s.blocks, make([]idKey, 0, idBlock))
			last++
		}
		s.blocks[last] = append(s.blocks[last], key)
	}
	return true
}

// follows reports whether a key comes after all that came in order.
func (s *idSet) follows(key idKey) bool {
	if len(s.blocks) == 0 {
		return true
	}
	last := s.blocks[len(s.blocks)-1]
	return key.compare(last[len(last)-1]) > 0
}

func (s *idSet) has(id string) bool {
	key, short := packed(id)
	if !short {
		_, in := s.other[id]
		return in
	}
	if s.follows(key) {
		return false // a stray does not
	}
	at, first := slices.BinarySearchFunc(s.blocks, key, func(block []idKey, key idKey) int { return block[0].compare(key) })
	if first {
		return true
	}
	if at > 0 {
		if _, in := slices.BinarySearchFunc(s.blocks[at-1], key, idKey.compare); in {
			return true
		}
	}
	_, in := s.strays[key]
	return in
}

func (s *idSet) len() int {
	n := len(s.strays) + len(s.other)
	if last := len(s.blocks) - 1; last >= 0 {
		n += last*idBlock + len(s.blocks[last])
	}
	return n
}

func (s *idSet) all() iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, block := range s.blocks {
			for _, key := range block {
				if !yield(hex.EncodeToString(key[:])) {
					return
				}
			}
		}
		for key := range s.strays {
			if !yield(hex.EncodeToString(key[:])) {
				return
			}
		}
		for id := range s.other {
			if !yield(id) {
				return
			}
		}
	}
}
