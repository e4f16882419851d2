package main

import (
	"context"
	"errors"

	"github.com/scimsync/scimsync/agent"
	"github.com/scimsync/scimsync/agent/ledger"
	"github.com/scimsync/scimsync/configs"
)

// session is one command over several syncs.
type session struct {
	app    *app
	cfg    *configs.Config
	ledger *ledger.Ledger
	conns  *connections
	tell   *announcer
	syncs  []*configs.Sync
	// cycles stay open until the command ends, so that their plans can be
	// written together.
	cycles []*agent.Cycle
	code   int
}

func (a *app) session(ctx context.Context, names []string) (*session, error) {
	cfg, err := a.load()
	if err != nil {
		return nil, err
	}
	syncs, err := selectSyncs(cfg, names)
	if err != nil {
		return nil, err
	}
	l, err := a.ledger(ctx, cfg)
	if err != nil {
		return nil, err
	}
	return &session{
		app: a, cfg: cfg, ledger: l, conns: a.connect(cfg), syncs: syncs,
		tell: a.announcer(cfg, l, announcing{}),
	}, nil
}

func (s *session) close() {
	var errs []error
	for _, c := range s.cycles {
		errs = append(errs, c.Close())
	}
	s.app.log.Debug("closing the state file", "commits", s.ledger.Commits())
	if err := errors.Join(append(errs, s.ledger.Close())...); err != nil {
		s.app.log.Warn("closing the state file", "err", err)
	}
}

// prepare reads both sides of one sync and plans.
func (s *session) prepare(ctx context.Context, sync *configs.Sync, o agent.Options) (*agent.Cycle, error) {
	opened, err := s.conns.open(sync, s.ledger)
	if err != nil {
		return nil, err
	}
	preparing, prepared := s.app.interruptible(ctx)
	cycle, err := opened.Prepare(preparing, o)
	prepared()
	s.app.endProgress(opened)
	if err != nil {
		return nil, err
	}
	s.cycles = append(s.cycles, cycle)
	return cycle, nil
}

// unlock lets others run while this command still writes its output.
func (s *session) unlock(c *agent.Cycle) {
	if err := c.Unlock(); err != nil {
		s.app.log.Warn("releasing the lock", "err", err)
	}
}

// failed says why a sync did not run, and goes on with the next.
func (s *session) failed(sync *configs.Sync, err error) {
	s.app.say("%s: %s", sync.Name, s.app.explain(err))
	s.ended(codeOf(err))
}

func (s *session) ended(code int) { s.code = worst(s.code, code) }

// interruptible is a context for the phases in which nothing is written: the
// first interrupt ends them at once, until the function is called. What was
// prepared lives on in the context, so that an interrupted run can be shown.
func (a *app) interruptible(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		select {
		case <-a.stop:
			cancel()
		case <-ended:
		case <-ctx.Done():
		}
	}()
	return ctx, func() { close(ended) }
}
