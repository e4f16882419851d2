package ledger

import (
	"context"
	"database/sql"
	"fmt"
	"os"
)

// Where much is spooled, the caches of scratch connections grow with it, up to what
// is left of the memory that a run may take at any size: temporary tables are filled
// and looked up in whatever order a target lists its objects, and a page that is
// not in the cache costs a system call.
//
// In KiB, and a KiB of them takes two: a page of 4 KiB with its header takes the
// next power of two. Sorting takes as much again as the cache of main.
const (
	tempShare = 16
	mainShare = 128
	// mostIntake is for an intake, and for a workspace that is filled beside
	// it; mostWorkspace for one that has the memory to itself.
	mostIntake    = 6 << 10
	mostWorkspace = 16 << 10
	mostMain      = 3 << 10
	// stagedSize is about how many bytes an event takes in the tables of an
	// intake, and stagedOften after how many it looks at its caches again.
	stagedSize  = 128
	stagedOften = 50_000
	// trimOften is after how many rows a workspace trims its caches.
	trimOften = 25_000
)

// caches are how large the caches of a scratch connection are, in KiB.
type caches struct{ temp, main int }

// fit gives a connection caches for what is spooled, in KiB: they grow, and never
// shrink.
func (c *caches) fit(ctx context.Context, conn *sql.Conn, spooled, mostTemp int) error {
	want := caches{
		temp: min(max(spooled/tempShare, tempCache), mostTemp),
		main: min(max(spooled/mainShare, scratchCache), mostMain),
	}
	if want.temp <= c.temp && want.main <= c.main {
		return nil
	}
	want = caches{max(want.temp, c.temp), max(want.main, c.main)}
	query := fmt.Sprintf("PRAGMA temp.cache_size = -%d; PRAGMA main.cache_size = -%d;", want.temp, want.main)
	if _, err := conn.ExecContext(ctx, query); err != nil {
		return fmt.Errorf("caches: %w", err)
	}
	*c = want
	return nil
}

// trim empties the caches of all connections. As SQLite is built here they share
// their pages: one that is full takes the oldest page of any, another one that got
// smaller thereby reads a page and, because all together have as many as they may,
// gives it up at once (pcache1Unpin in SQLite's pcache1.c). Its cache is then of no
// use, and stays so. Some thousand pages are read again.
func trim(ctx context.Context, conn *sql.Conn) error {
	if _, err := conn.ExecContext(ctx, "PRAGMA shrink_memory"); err != nil {
		return fmt.Errorf("caches: %w", err)
	}
	return nil
}

// size returns the size of the ledger with its journal, in KiB.
func (l *Ledger) size() int {
	total := int64(0)
	for _, name := range [...]string{l.path, l.path + "-wal"} {
		if info, err := os.Stat(name); err == nil {
			total += info.Size()
		}
	}
	return int(total >> 10)
}
