package file

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"slices"

	"github.com/scimsync/scimsync/connectors"
	"github.com/scimsync/scimsync/identity"
)

// source reads the files of one folder. It holds no state between reads.
type source struct {
	folder string
}

var _ connectors.Source = (*source)(nil)

// errStopped says that the caller wants no more events.
var errStopped = errors.New("stopped by the caller")

// Info says where the files are and which are there. A folder that cannot be
// seen is an error of class Incomplete.
func (s *source) Info(ctx context.Context) (connectors.SourceInfo, error) {
	if err := ctx.Err(); err != nil {
		return connectors.SourceInfo{}, failed("look at the files", err)
	}
	folder, err := os.Stat(s.folder)
	if err == nil && !folder.IsDir() {
		err = fmt.Errorf("%s is not a folder: name the folder that holds users.jsonl and groups.jsonl", s.folder)
	}
	if err != nil {
		return connectors.SourceInfo{}, failed("look at the files", connectors.Errorf(connectors.Incomplete, "%w", err))
	}
	info := connectors.SourceInfo{
		Identity:    "JSON Lines files in " + s.folder,
		DeltaReason: "files hold no record of what changed: every read is a full one",
	}
	for _, kind := range identity.Kinds() {
		file, err := openLines(s.path(kind), kind)
		if err != nil {
			info.Notes = append(info.Notes, fmt.Sprintf("%s cannot be read: %v", kind.Plural(), err))
			continue
		}
		file.close()
	}
	return info, nil
}

// Read yields the lines of the files in their order, users first. A file has no
// history, so From is not used: every read is full, and its Checkpoint carries no
// cursor.
func (s *source) Read(ctx context.Context, q connectors.Query) iter.Seq2[connectors.Event, error] {
	return func(yield func(connectors.Event, error) bool) {
		r := &reader{source: s, query: q, yield: func(e connectors.Event) error {
			if !yield(e, nil) {
				return errStopped
			}
			return nil
		}}
		err := r.all(ctx)
		if err != nil && !errors.Is(err, errStopped) {
			yield(nil, err)
		}
	}
}

func (s *source) path(kind identity.Kind) string {
	return filepath.Join(s.folder, kind.Plural()+".jsonl")
}

// failed gives an error its operation, keeping its class.
func failed(op string, err error) error {
	class := connectors.ClassOf(err)
	if class == connectors.Unclassified {
		class = connectors.Incomplete
	}
	return &connectors.Error{Op: op, Class: class, Err: err}
}

// reader is one read.
type reader struct {
	*source

	query connectors.Query
	yield func(connectors.Event) error
	files []*lines
}

func (r *reader) all(ctx context.Context) error {
	defer func() {
		for _, f := range r.files {
			f.close()
		}
	}()
	kinds := r.kinds()
	for _, kind := range kinds {
		if err := r.kind(ctx, kind); err != nil {
			if errors.Is(err, errStopped) {
				return err
			}
			return failed("read "+kind.Plural(), err)
		}
	}
	// Users and groups belong together: neither may have changed since.
	for _, f := range r.files {
		if err := f.unchanged(); err != nil {
			return failed("read "+r.folder, err)
		}
	}
	end := connectors.Checkpoint{Full: kinds}
	if len(r.query.Only) > 0 {
		end = connectors.Checkpoint{Cursor: r.query.From}
	}
	return r.yield(end)
}

// kinds returns the kinds to read, users first.
func (r *reader) kinds() []identity.Kind {
	var kinds []identity.Kind
	for _, kind := range identity.Kinds() {
		if len(r.query.Only) == 0 && slices.Contains(r.query.Kinds, kind) ||
			slices.ContainsFunc(r.query.Only, func(k connectors.Key) bool { return k.Kind == kind }) {
			kinds = append(kinds, kind)
		}
	}
	return kinds
}

func (r *reader) kind(ctx context.Context, kind identity.Kind) error {
	file, err := openLines(r.path(kind), kind)
	if err != nil {
		return err
	}
	r.files = append(r.files, file)
	k := &kindReader{reader: r, kind: kind, file: file, seen: newSightings(sightingsHeld), asked: map[string]bool{}}
	defer k.seen.close()
	if k.declared = userFields(); kind == identity.Group {
		k.declared = groupFields()
	}
	for _, key := range r.query.Only {
		if key.Kind == kind {
			k.only = append(k.only, &wanted{Key: key, name: identity.Fold(key.Name)})
		}
	}
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		next, err := file.next()
		if errors.Is(err, io.EOF) {
			if err := k.repeats(ctx); err != nil {
				return err
			}
			return k.end()
		}
		if err != nil {
			return err
		}
		if err := k.line(next); err != nil {
			return err
		}
	}
}

// kindReader reads one file.
type kindReader struct {
	*reader

	kind identity.Kind
	// declared are the fields that are checked.
	declared []identity.Field
	file     *lines
	seen     *sightings
	// only is what is asked for, where that is not everything, and asked the
	// ids of what was.
	only  []*wanted
	asked map[string]bool
	// hidden says that some line could be anybody's.
	hidden bool
}

// wanted is a key of a read with Only.
type wanted struct {
	connectors.Key

	name  string // folded
	found bool
}

func (k *kindReader) line(l line) error {
	if l.long {
		return k.unreadable("", l.number, fmt.Sprintf("is longer than %d MiB", k.file.limit>>20))
	}
	o, err := parse(k.kind, k.declared, l.text)
	if err != nil && l.open && o.record.Fields == nil {
		return connectors.Errorf(connectors.Incomplete, "%s, the last line, %w and has no line break: the export was cut short, make it again", k.file.place(l.number), err)
	}
	if o.record.Ref.ID == "" {
		return k.unreadable("", l.number, err.Error())
	}
	if err := k.seen.add(o.record.Ref.ID, l.number); err != nil {
		return err
	}
	if !k.wants(o.record) {
		return nil
	}
	if len(k.only) > 0 {
		k.asked[o.record.Ref.ID] = true
	}
	if err != nil {
		return k.unreadable(o.record.Ref.ID, l.number, err.Error())
	}
	if err := k.yield(connectors.Upsert{Record: project(o.record, k.declared, k.query.Fields)}); err != nil {
		return err
	}
	if k.kind == identity.Group && k.query.Links {
		return k.yield(k.links(o))
	}
	return nil
}

// wants reports whether the object is asked for, and remembers that it is there.
func (k *kindReader) wants(r identity.Record) bool {
	if len(k.query.Only) == 0 {
		return true
	}
	label := "userName"
	if k.kind == identity.Group {
		label = "name"
	}
	name, _ := r.Fields[label].(string)
	name = identity.Fold(name)
	asked := false
	for _, w := range k.only {
		if w.ID == r.Ref.ID || w.ID == "" && w.name != "" && w.name == name {
			w.found, asked = true, true
		}
	}
	return asked
}

func (k *kindReader) links(o object) connectors.Links {
	ref := o.record.Ref
	if !o.known {
		return connectors.Links{Group: ref, State: connectors.Unknown, Why: k.file.path + ` gives the group no "members"`}
	}
	if k.query.Known != nil {
		if version, ok := k.query.Known(ref); ok && version == o.record.Version {
			return connectors.Links{Group: ref, State: connectors.Unchanged}
		}
	}
	return connectors.Links{Group: ref, Members: o.members, State: connectors.Complete}
}

// unreadable shields an object, or without an id its kind.
func (k *kindReader) unreadable(id string, number int, why string) error {
	why = k.file.place(number) + " " + why
	if id == "" {
		k.hidden = true
	}
	ref := identity.Ref{Kind: k.kind, ID: id}
	if err := k.yield(connectors.Unreadable{Ref: ref, Why: why}); err != nil {
		return err
	}
	if id == "" || k.kind != identity.Group || !k.query.Links {
		return nil
	}
	return k.yield(connectors.Links{Group: ref, State: connectors.Unknown, Why: why})
}

// end says what a read with Only did not find. A line that could not be read may
// be the very one, so then nothing is gone.
func (k *kindReader) end() error {
	for _, w := range k.only {
		if w.found || w.ID == "" {
			continue
		}
		ref := identity.Ref{Kind: k.kind, ID: w.ID}
		var event connectors.Event = connectors.Gone{Ref: ref, Why: identity.CauseGone}
		if k.hidden {
			event = connectors.Unreadable{Ref: ref, Why: k.file.path + " has lines that cannot be read: this may be one of them"}
		}
		if err := k.yield(event); err != nil {
			return err
		}
	}
	return nil
}
