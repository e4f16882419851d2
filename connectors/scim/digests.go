package scim

import (
	"hash/maphash"
	"slices"
)

// digests is a set of strings by their digests, for a walk over a million ids
// beside everything else: about nine bytes each, where a map takes twenty and,
// while it grows, forty. The zero value is empty, and as small as that.
//
// Digests have 64 bits: two of a million strings have the same one in one set of
// 40 million. Each set has a seed of its own, so that nobody can choose strings
// whose digests are equal, or crowd.
type digests struct {
	seed maphash.Seed
	// buckets are sorted. A digest stands in the bucket that its last bits
	// name: as many as it takes to count the buckets, or one less where that
	// bucket is not there yet. They grow by one at a time (linear hashing), so
	// that no more than one is ever copied.
	buckets [][]uint64
	// mask are the bits that all buckets had when their number was last a power
	// of two.
	mask uint64
	n    int
}

// bucketSize is how many digests a bucket holds in the mean: a look-up halves it
// eight times, and an insertion moves a kilobyte.
const bucketSize = 256

// add puts a string into the set and reports whether it was not in it.
func (d *digests) add(s string) bool {
	if d.n == 0 {
		d.seed = maphash.MakeSeed()
	}
	return d.insert(maphash.String(d.seed, s))
}

// insert is add for a digest.
func (d *digests) insert(key uint64) bool {
	if d.n == 0 {
		d.buckets = make([][]uint64, 1)
	}
	i := d.bucket(key)
	at, found := slices.BinarySearch(d.buckets[i], key)
	if found {
		return false
	}
	d.buckets[i] = slices.Insert(roomier(d.buckets[i]), at, key)
	if d.n++; d.n > bucketSize*len(d.buckets) {
		d.split()
	}
	return true
}

// len returns how many different strings were added.
func (d *digests) len() int { return d.n }

// bucket returns the number of the bucket that a digest belongs to.
func (d *digests) bucket(key uint64) uint64 {
	if i := key & (d.mask<<1 | 1); i < uint64(len(d.buckets)) {
		return i
	}
	return key & d.mask
}

// split adds a bucket and gives it those of one other that now belong there.
func (d *digests) split() {
	bit := d.mask + 1
	from := uint64(len(d.buckets)) & d.mask
	old := d.buckets[from]
	moved := make([]uint64, 0, len(old)/2+bucketSize/8)
	stayed := make([]uint64, 0, len(old)/2+bucketSize/8)
	for _, key := range old {
		if key&bit != 0 {
			moved = append(moved, key)
		} else {
			stayed = append(stayed, key)
		}
	}
	d.buckets[from] = stayed
	d.buckets = append(d.buckets, moved)
	if uint64(len(d.buckets)) == bit<<1 {
		d.mask = d.mask<<1 | 1
	}
}

// roomier returns a bucket with room for one more. It grows by an eighth: by
// itself it would double.
func roomier(bucket []uint64) []uint64 {
	if len(bucket) < cap(bucket) {
		return bucket
	}
	return append(make([]uint64, 0, len(bucket)+len(bucket)/8+4), bucket...)
}
