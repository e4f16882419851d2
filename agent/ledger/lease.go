package ledger

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

const (
	leaseRenewal = 10 * time.Second
	leaseExpiry  = time.Minute
	// releaseWait bounds the goodbye, which happens when a run may already be
	// cancelled.
	releaseWait = 5 * time.Second
)

// Lease holds locks by name until it is released. On SQLite the lock proper is
// one of the operating system on a file beside the ledger, which dies with the
// process; the lease rows say who holds it and, by their epoch, make sure that a
// holder that was overtaken journals nothing more.
type Lease struct {
	ledger *Ledger
	holder string
	names  []string
	epochs map[string]int64
	files  []*fileLock

	stop func()
	done chan struct{}
	once sync.Once
	err  error
}

// Lock takes every name or none, and does not wait: a *LockedError names the
// one that another run holds. A lock whose process has died is taken over at
// once. Holder is for people: host, process and run. The lease renews itself
// until Release.
func (l *Ledger) Lock(ctx context.Context, holder string, names ...string) (*Lease, error) {
	if l.readOnly {
		return nil, ErrReadOnly
	}
	names = slices.Compact(slices.Sorted(slices.Values(names)))
	if len(names) == 0 || names[0] == "" {
		return nil, errors.New("a lock needs a name")
	}
	lease := &Lease{ledger: l, holder: holder, names: names, epochs: map[string]int64{}, done: make(chan struct{})}
	// In one order everywhere, so that two runs cannot wait for each other.
	for _, name := range names {
		file, err := lockFile(l.lockPath(name))
		if errors.Is(err, errHeld) {
			return nil, errors.Join(l.lockedError(ctx, name), lease.unlock())
		}
		if err != nil {
			return nil, errors.Join(createError(l.path, err), lease.unlock())
		}
		lease.files = append(lease.files, file)
	}
	if err := lease.enter(ctx); err != nil {
		return nil, errors.Join(err, lease.unlock())
	}
	renewing, stop := context.WithCancel(context.WithoutCancel(ctx))
	lease.stop = stop
	go lease.renew(renewing)
	return lease, nil
}

// lockPath is where the operating system's lock of a name lives. Names may hold
// any character, so the file carries their hash.
func (l *Ledger) lockPath(name string) string {
	sum := sha256.Sum256([]byte(name))
	return l.path + ".lock." + hex.EncodeToString(sum[:8])
}

func (l *Ledger) lockedError(ctx context.Context, name string) error {
	var holder string
	var since int64
	_, err := found(l.db.QueryRowContext(ctx, `SELECT holder, acquired FROM lease WHERE name = ?`, name).Scan(&holder, &since))
	if err != nil {
		return l.wrap(ctx, "read lock "+name, err)
	}
	locked := &LockedError{Name: name, Holder: holder}
	if holder != "" {
		locked.Since = fromMillis(since)
	}
	return locked
}

func (e *Lease) enter(ctx context.Context) error {
	now := time.Now()
	return e.ledger.write(ctx, "take locks", func(t *tx) error {
		for _, name := range e.names {
			var epoch int64
			_, err := t.row(ctx, `
				INSERT INTO lease (name, holder, epoch, acquired, expires) VALUES (?,?,1,?,?)
				ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, epoch = lease.epoch + 1,
				  acquired = excluded.acquired, expires = excluded.expires
				RETURNING epoch`,
				[]any{name, e.holder, millis(now), millis(now.Add(leaseExpiry))}, &epoch)
			if err != nil {
				return err
			}
			e.epochs[name] = epoch
		}
		return nil
	})
}

// renew keeps the rows from expiring. A failure is not final: the epoch decides
// when intents commit, and the next renewal may succeed.
func (e *Lease) renew(ctx context.Context) {
	defer close(e.done)
	ticker := time.NewTicker(leaseRenewal)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-ticker.C:
			_ = e.update(ctx, "renew locks", e.holder, now.Add(leaseExpiry))
		}
	}
}

func (e *Lease) update(ctx context.Context, op, holder string, expires time.Time) error {
	return e.ledger.write(ctx, op, func(t *tx) error {
		for _, name := range e.names {
			if _, err := t.exec(ctx, `UPDATE lease SET holder = ?, expires = ? WHERE name = ? AND epoch = ?`,
				holder, millis(expires), name, e.epochs[name]); err != nil {
				return err
			}
		}
		return nil
	})
}

// Valid returns ErrLeaseLost, wrapped with the name, when another process has
// taken a lock of the lease over.
func (e *Lease) Valid(ctx context.Context) error {
	for _, name := range e.names {
		var epoch int64
		_, err := found(e.ledger.db.QueryRowContext(ctx, `SELECT epoch FROM lease WHERE name = ?`, name).Scan(&epoch))
		if err != nil {
			return e.ledger.wrap(ctx, "check lock "+name, err)
		}
		if epoch != e.epochs[name] {
			return fmt.Errorf("lock %s: %w", name, ErrLeaseLost)
		}
	}
	return nil
}

// check is Valid within the transaction that relies on it.
func (e *Lease) check(ctx context.Context, t *tx) error {
	for _, name := range e.names {
		var epoch int64
		if _, err := t.row(ctx, `SELECT epoch FROM lease WHERE name = ?`, []any{name}, &epoch); err != nil {
			return err
		}
		if epoch != e.epochs[name] {
			return fmt.Errorf("lock %s: %w", name, ErrLeaseLost)
		}
	}
	return nil
}

// Release gives the locks up. It may be called more than once, and works when
// the context of the run is done. The locks are free even where the rows could
// not be written.
func (e *Lease) Release() error {
	e.once.Do(func() {
		e.stop()
		<-e.done
		ctx, cancel := context.WithTimeout(context.Background(), releaseWait)
		defer cancel()
		e.err = errors.Join(e.update(ctx, "release locks", "", time.Time{}), e.unlock())
	})
	return e.err
}

func (e *Lease) unlock() error {
	var errs []error
	for _, f := range slices.Backward(e.files) {
		errs = append(errs, f.release())
	}
	e.files = nil
	return errors.Join(errs...)
}
