package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/scimsync/scimsync/agent/notify"
	"github.com/scimsync/scimsync/configs"
	"github.com/scimsync/scimsync/connectors"
)

// expiryTimeout bounds how long one side may take to say when its credential
// ends: a command that is a secret's place, and the few vendors that are asked.
const expiryTimeout = 20 * time.Second

// credential is when the credential of one source or target ends.
type credential struct {
	side string // source or target
	name string
	connectors.Credential
	// err says why it is not known.
	err error
	// syncs are those that use it, of the ones asked about.
	syncs []*configs.Sync
}

// credentials returns what is known of the credentials that syncs use, each once,
// in the order of the syncs. It reads each secret anew and asks the sides one
// beside the other.
func credentials(ctx context.Context, c *connections, syncs []*configs.Sync) []credential {
	var out []credential
	var holders []func() (any, error)
	add := func(side, name string, s *configs.Sync, open func() (any, error)) {
		i := slices.IndexFunc(out, func(one credential) bool { return one.side == side && one.name == name })
		if i >= 0 {
			out[i].syncs = append(out[i].syncs, s)
			return
		}
		out = append(out, credential{side: side, name: name, syncs: []*configs.Sync{s}})
		holders = append(holders, open)
	}
	for _, s := range syncs {
		add("source", s.Source.Name, s, func() (any, error) {
			one, err := c.source(s.Source)
			return one.is, err
		})
		add("target", s.Target.Name, s, func() (any, error) {
			one, err := c.target(s.Target)
			return one.is, err
		})
	}
	var asked sync.WaitGroup
	for i := range out {
		asked.Go(func() { out[i].Credential, out[i].err = ask(ctx, holders[i]) })
	}
	asked.Wait()
	return out
}

// ask returns what one side says; nothing where it has nothing to say.
func ask(ctx context.Context, open func() (any, error)) (connectors.Credential, error) {
	side, err := open()
	if err != nil {
		return connectors.Credential{}, err
	}
	holder, ok := side.(connectors.CredentialHolder)
	if !ok {
		return connectors.Credential{}, nil
	}
	ctx, cancel := context.WithTimeout(ctx, expiryTimeout)
	defer cancel()
	return holder.Credential(ctx)
}

// warn are the times at which to tell of the end.
func (c credential) warn() []time.Duration {
	if c.Warn == nil {
		return notify.DefaultWarn()
	}
	return c.Warn
}

// due reports whether the end is near enough to be told of.
func (c credential) due(now time.Time) bool {
	_, due := notify.Due(c.Expires, c.warn(), now)
	return due
}

// note says when the credential ends, for a person; "" where nobody knows.
func (c credential) note(now time.Time) string {
	if c.Expires.IsZero() {
		return ""
	}
	when := c.Expires.UTC().Format("2006-01-02 15:04 UTC")
	text := fmt.Sprintf("credential ends at %s, in %s", when, span(c.Expires.Sub(now)))
	if !now.Before(c.Expires) {
		text = fmt.Sprintf("credential ended at %s, %s ago", when, span(now.Sub(c.Expires)))
	}
	if c.due(now) {
		return "warning: " + text + ": renew it"
	}
	return text
}

// ends says when the credentials of one sync end, the one that ends first at the
// front; those without an end that is known are left out.
func ends(known []credential, s *configs.Sync, now time.Time) string {
	mine := slices.DeleteFunc(slices.Clone(known), func(c credential) bool {
		return c.Expires.IsZero() || !slices.Contains(c.syncs, s)
	})
	if len(mine) == 0 {
		return "no end known"
	}
	slices.SortStableFunc(mine, func(a, b credential) int { return a.Expires.Compare(b.Expires) })
	texts := make([]string, len(mine))
	for i, c := range mine {
		texts[i] = fmt.Sprintf("%s %s ends in %s", c.side, c.name, span(c.Expires.Sub(now)))
		if !now.Before(c.Expires) {
			texts[i] = fmt.Sprintf("%s %s ended %s ago", c.side, c.name, span(now.Sub(c.Expires)))
		}
		if c.due(now) {
			texts[i] += ": renew it"
		}
	}
	return strings.Join(texts, "; ")
}

// span says a time in days, hours or minutes, as people do.
func span(d time.Duration) string {
	n, unit := int(d/time.Minute), "minute"
	switch {
	case d >= 48*time.Hour:
		n, unit = int(d/(24*time.Hour)), "day"
	case d >= time.Hour:
		n, unit = int(d/time.Hour), "hour"
	}
	return fmt.Sprintf("%d %s", n, plural(n, unit))
}

// expiring tells of credentials whose end is near, each to whoever hears about a
// sync that uses it. A credential that cannot be looked at is logged: the run
// that needs it will say why.
func (n *announcer) expiring(ctx context.Context, known []credential) {
	for _, c := range known {
		if c.err != nil {
			n.app.log.Warn("when the credential ends is not known", "side", c.side, "name", c.name, "err", c.err)
			continue
		}
		for _, s := range c.syncs {
			if s.Notify == nil {
				continue
			}
			event, due := notify.CredentialExpiring(s.Name, c.side+" "+c.name, c.Expires, c.warn(), n.now())
			if !due {
				break
			}
			n.within(ctx, s, func(ctx context.Context, route notify.Route) error {
				return n.tell.Dispatch(ctx, route, s.Name, []notify.Event{event})
			})
		}
	}
}

// watch tells of credentials that are about to end and of syncs that have become
// stale: after the runs of a command, and each hour in the daemon. Credentials
// that nobody would hear of are not looked at.
func (n *announcer) watch(ctx context.Context, c *connections, syncs []*configs.Sync) {
	heard := slices.DeleteFunc(slices.Clone(syncs), func(s *configs.Sync) bool { return s.Notify == nil })
	if len(heard) == 0 {
		return
	}
	n.expiring(ctx, credentials(ctx, c, heard))
	for _, s := range heard {
		n.stale(ctx, s)
	}
}
