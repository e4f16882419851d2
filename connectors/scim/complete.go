package scim

import (
	"context"

	"golang.org/x/sync/errgroup"

	"github.com/scimsync/scimsync/connectors"
	"github.com/scimsync/scimsync/identity"
)

const (
	// readAtOnce bounds the groups read one by one at the same time.
	readAtOnce = 8
	// emptyProbes is how many groups that a listing shows as explicitly empty
	// are read by themselves before the listing is believed.
	emptyProbes = 3
)

// completeMembers settles the members of groups that came from a listing. Where
// listings leave members out, each group is read by itself; whether they do is
// learned from the first groups that show none.
func (s *session) completeMembers(
	ctx context.Context, k identity.Kind, w connectors.Want, entries []identity.Entry, walk *walk,
) ([]identity.Entry, error) {
	if k != identity.Group {
		return entries, nil
	}
	if !w.Members || !s.membersReadable() {
		for i := range entries {
			entries[i].Members = identity.Members{}
		}
		return entries, nil
	}
	var absent, empty []int
	for i, e := range entries {
		switch {
		case len(e.Members.TargetIDs) > 0:
			s.learned.membersShown.Store(true)
			s.learned.inLists.Store(listsShow)
		case e.Members.Known:
			empty = append(empty, i)
		default:
			absent = append(absent, i)
		}
		entries[i].Members.Known = true
	}
	fill := fillIn{s: s, entries: entries, walk: walk}
	hide := s.learned.inLists.Load() == listsHide
	if s.product.Members.InLists != nil {
		hide = !*s.product.Members.InLists
	} else if !hide && s.learned.inLists.Load() == listsUnknown {
		// Nothing on this page proves that listings show members. A missing
		// attribute says nothing, so each such group is read; an explicit
		// empty list is a claim, and a few are checked.
		probes := append(absent, empty[:min(emptyProbes, len(empty))]...)
		shown, err := fill.read(ctx, probes)
		if err != nil {
			return nil, err
		}
		absent = nil
		if hide = shown; hide {
			s.learned.inLists.Store(listsHide)
			empty = empty[min(emptyProbes, len(empty)):]
		}
	}
	if hide {
		if _, err := fill.read(ctx, append(absent, empty...)); err != nil {
			return nil, err
		}
	}
	return fill.kept(), nil
}

// fillIn reads groups one by one into the entries of a page.
type fillIn struct {
	s       *session
	entries []identity.Entry
	walk    *walk
	refused map[int]string // why an entry is not handed on
}

// read reads the groups at these places and reports whether any has members. Of a
// group that was listed and is not found by its id they are not known: it may have
// gone meanwhile or not, so that it is neither made anew nor changed.
func (f *fillIn) read(ctx context.Context, places []int) (bool, error) {
	errs := make([]error, len(places))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(readAtOnce)
	for n, i := range places {
		group.Go(func() error {
			e, err := f.s.read(ctx, identity.Group, f.entries[i].TargetID, connectors.Want{Members: true})
			if isClass(err, connectors.Rejected, connectors.Forbidden) {
				errs[n] = err
				return nil
			}
			if err == nil || isClass(err, connectors.Missing) {
				f.entries[i].Members = e.Members
				return nil
			}
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return false, err
	}
	shown := false
	for n, i := range places {
		shown = shown || len(f.entries[i].Members.TargetIDs) > 0
		if errs[n] == nil {
			continue
		}
		if f.refused == nil {
			f.refused = map[int]string{}
		}
		f.refused[i] = errs[n].Error()
	}
	return shown, nil
}

// kept returns the entries without those that could not be read: they make the
// listing incomplete.
func (f *fillIn) kept() []identity.Entry {
	if len(f.refused) == 0 {
		return f.entries
	}
	var out []identity.Entry
	for i, e := range f.entries {
		if why, refused := f.refused[i]; refused {
			f.walk.refuse(why)
			continue
		}
		out = append(out, e)
	}
	return out
}
