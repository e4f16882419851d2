package scimtest

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"

	"github.com/scimsync/scimsync/identity"
)

// journal is the file behind Options.File: one record a line, appended before
// the store changes. A line is written in one call, so that a killed process
// leaves at most one torn line at the end, which was never answered for (a
// power cut may cost more: nothing is synced to the disk). When
// too much of it is history, it is written anew beside and renamed into place.
type journal struct {
	path  string
	file  *os.File
	size  int64
	lines int
}

// compactAbove is how many lines of history a journal may hold beyond what its
// store needs.
const compactAbove = 10_000

// openJournal replays the file into the store and leaves it open for more.
func openJournal(path string, s *store) (*journal, error) {
	if err := replay(path, s); err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	j := &journal{path: path}
	if err := j.compact(s); err != nil {
		return nil, err
	}
	return j, nil
}

func replay(path string, s *store) error {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	in := bufio.NewReaderSize(f, 1<<16)
	for n := 1; ; n++ {
		line, err := in.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return nil // whatever follows the last newline is a torn line
		}
		if err != nil {
			return err
		}
		var rec record
		if err := json.Unmarshal(line, &rec); err != nil {
			return fmt.Errorf("line %d is no record: %w; delete the file to start empty", n, err)
		}
		if err := rec.check(); err != nil {
			return fmt.Errorf("line %d: %w; delete the file to start empty", n, err)
		}
		s.apply(rec)
	}
}

// write appends a record.
func (j *journal) write(rec record) error {
	var b bytes.Buffer
	if err := json.NewEncoder(&b).Encode(rec); err != nil {
		return err
	}
	if _, err := j.file.Write(b.Bytes()); err != nil {
		// A full disk may have taken half of the line; the next one must not
		// follow it.
		_, seekErr := j.file.Seek(j.size, io.SeekStart)
		return errors.Join(fmt.Errorf("write %s: %w", j.path, err), j.file.Truncate(j.size), seekErr)
	}
	j.size += int64(b.Len())
	j.lines++
	return nil
}

// check refuses a record that apply could not perform.
func (rec record) check() error {
	switch rec.Op {
	case opWipe, opDelete:
		return nil
	case opPut:
		attrs := bytes.TrimSpace(rec.Attrs)
		if rec.ID != "" && (rec.Kind == identity.User || rec.Kind == identity.Group) && len(attrs) > 2 && attrs[0] == '{' {
			return nil
		}
	}
	return errors.New("the record is not one of ours")
}

// compact writes the store as it is into a new file and continues there.
func (j *journal) compact(s *store) error {
	tmp := j.path + ".tmp"
	f, err := os.OpenFile(tmp, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	out := bufio.NewWriterSize(f, 1<<16)
	encoder := json.NewEncoder(out)
	lines := 0
	for rec := range s.records() {
		if err = encoder.Encode(rec); err != nil {
			break
		}
		lines++
	}
	err = errors.Join(err, out.Flush())
	if err == nil {
		err = os.Rename(tmp, j.path)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("write %s: %w", tmp, err), f.Close())
	}
	size, err := f.Seek(0, io.SeekCurrent)
	if err != nil {
		return errors.Join(err, f.Close())
	}
	old := j.file
	j.file, j.size, j.lines = f, size, lines
	if old != nil {
		return old.Close()
	}
	return nil
}

// records yields records that build the store anew: users, then groups without
// members, then the members, since groups may hold groups.
func (s *store) records() func(yield func(record) bool) {
	all := slices.Collect(func(yield func(*resource) bool) {
		for _, shelf := range s.shelves {
			for _, r := range shelf.order {
				if !yield(r) {
					return
				}
			}
		}
	})
	slices.SortFunc(all, func(a, b *resource) int {
		if a.seq < b.seq {
			return -1
		}
		return 1
	})
	return func(yield func(record) bool) {
		for _, r := range all {
			if !yield(r.record()) {
				return
			}
		}
		for _, r := range all {
			if r.members.len() == 0 {
				continue
			}
			rec := r.record()
			rec.Add = slices.Collect(r.members.all())
			if !yield(rec) {
				return
			}
		}
	}
}

// record returns the put that writes r as it is, members unchanged.
func (r *resource) record() record {
	return record{
		Op: opPut, Kind: r.kind, ID: r.id, Attrs: r.attrs,
		Created: r.created, Modified: r.modified, Version: r.version, Suspended: r.suspended,
	}
}

// commit makes a change durable and then true. The caller holds the lock.
func (s *Server) commit(rec record) error {
	if s.journal != nil {
		if err := s.journal.write(rec); err != nil {
			return err
		}
	}
	s.store.apply(rec)
	if s.journal != nil && s.journal.lines > 2*len(s.store.byID)+compactAbove {
		return s.journal.compact(s.store)
	}
	return nil
}
