package file

import (
	"bufio"
	"cmp"
	"container/heap"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"os"
	"slices"
)

// sighting says that an id, kept as a hash, stands on a line.
type sighting struct {
	hash uint64
	line uint64
}

const (
	// sightingsHeld is how many sightings are held in memory: more are sorted
	// and put into a temporary file, since a file may have any number of lines.
	sightingsHeld = 64 << 10
	sightingSize  = 16 // bytes in the file
	// repeatsMost is of how many ids it is told that they are repeated. An
	// export with more is not one with a mistake in it, but broken.
	repeatsMost = 10_000
)

// sightings finds the ids that stand on several lines, in memory that does not
// grow with the file. It notes every line and tells at the end.
type sightings struct {
	seed maphash.Seed
	most int // held in memory
	held []sighting
	// spool holds sorted runs one behind the other; ends are where they end.
	spool *os.File
	ends  []int64
}

func newSightings(most int) *sightings { return &sightings{seed: maphash.MakeSeed(), most: most} }

// add notes that an id stands on a line.
func (s *sightings) add(id string, line int) error {
	s.held = append(s.held, sighting{maphash.String(s.seed, id), uint64(line)})
	if len(s.held) < s.most {
		return nil
	}
	return s.spill()
}

// spill moves what is held into the temporary file.
func (s *sightings) spill() error {
	if s.spool == nil {
		var err error
		if s.spool, err = os.CreateTemp("", "scimsync-lines-*"); err != nil {
			return fmt.Errorf("a temporary file for the ids of a large export: %w", err)
		}
		// Where an open file can lose its name, a run that is killed leaves none.
		_ = os.Remove(s.spool.Name())
	}
	slices.SortFunc(s.held, sighting.compare)
	out := bufio.NewWriterSize(s.spool, 64<<10)
	var b [sightingSize]byte
	for _, one := range s.held {
		binary.BigEndian.PutUint64(b[:8], one.hash)
		binary.BigEndian.PutUint64(b[8:], one.line)
		if _, err := out.Write(b[:]); err != nil {
			return fmt.Errorf("a temporary file for the ids of a large export: %w", err)
		}
	}
	if err := out.Flush(); err != nil {
		return fmt.Errorf("a temporary file for the ids of a large export: %w", err)
	}
	end := int64(len(s.held)) * sightingSize
	if n := len(s.ends); n > 0 {
		end += s.ends[n-1]
	}
	s.ends, s.held = append(s.ends, end), s.held[:0]
	return nil
}

// close gives the temporary file back.
func (s *sightings) close() {
	if s.spool != nil {
		_ = s.spool.Close()           // nobody reads it again
		_ = os.Remove(s.spool.Name()) // where it could not be before
	}
}

func (a sighting) compare(b sighting) int {
	return cmp.Or(cmp.Compare(a.hash, b.hash), cmp.Compare(a.line, b.line))
}

// errRepeats says that too many ids are repeated.
var errRepeats = fmt.Errorf("has more than %d lines whose id another line has: the export is broken, make it again", repeatsMost)

// repeated returns the lines whose hash other lines have too, in groups that begin
// with the first of them.
func (s *sightings) repeated() ([][]int, error) {
	slices.SortFunc(s.held, sighting.compare)
	runs := merge{{of: s.held}}
	from := int64(0)
	for _, end := range s.ends {
		r := &run{file: bufio.NewReaderSize(io.NewSectionReader(s.spool, from, end-from), 4<<10)}
		runs, from = append(runs, r), end
	}
	for i := 0; i < len(runs); {
		switch more, err := runs[i].next(); {
		case err != nil:
			return nil, err
		case more:
			i++
		default:
			runs = slices.Delete(runs, i, i+1)
		}
	}
	heap.Init(&runs)
	var out [][]int
	var last sighting
	found, grouped := 0, false // whether last is in a group already
	for len(runs) > 0 {
		now := runs[0].now
		repeats := last.line > 0 && now.hash == last.hash
		if repeats {
			if !grouped {
				out = append(out, []int{int(last.line)})
			}
			out[len(out)-1] = append(out[len(out)-1], int(now.line))
			if found++; found > repeatsMost {
				return nil, errRepeats
			}
		}
		grouped, last = repeats, now
		switch more, err := runs[0].next(); {
		case err != nil:
			return nil, err
		case more:
			heap.Fix(&runs, 0)
		default:
			heap.Pop(&runs)
		}
	}
	return out, nil
}

// run is a sorted part of the sightings, in memory or in the temporary file.
type run struct {
	of   []sighting
	file *bufio.Reader
	now  sighting
}

// next moves to the next sighting, and reports whether there is one.
func (r *run) next() (bool, error) {
	if r.file == nil {
		if len(r.of) == 0 {
			return false, nil
		}
		r.now, r.of = r.of[0], r.of[1:]
		return true, nil
	}
	var b [sightingSize]byte
	if _, err := io.ReadFull(r.file, b[:]); err != nil {
		if errors.Is(err, io.EOF) {
			return false, nil
		}
		return false, fmt.Errorf("the temporary file of ids: %w", err)
	}
	r.now = sighting{binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:])}
	return true, nil
}

// merge is a heap of runs, the one with the least sighting first.
type merge []*run

// Len is that of heap.Interface.
func (m *merge) Len() int { return len(*m) }

// Less is that of heap.Interface.
func (m *merge) Less(i, j int) bool { return (*m)[i].now.compare((*m)[j].now) < 0 }

// Swap is that of heap.Interface.
func (m *merge) Swap(i, j int) { (*m)[i], (*m)[j] = (*m)[j], (*m)[i] }

// Push is that of heap.Interface.
func (m *merge) Push(x any) {
	if r, ok := x.(*run); ok {
		*m = append(*m, r)
	}
}

// Pop is that of heap.Interface.
func (m *merge) Pop() any {
	last := (*m)[len(*m)-1]
	*m = (*m)[:len(*m)-1]
	return last
}
