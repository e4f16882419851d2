// Package ledger is what scimsync remembers between runs: the mirror of each
// source, what it owns at each target, the journal of what it did, the objects
// that are not in step, the removals a guard holds, and who holds which lock.
// It is one SQLite file.
//
// It is evidence, never a stand-in for what a target holds: the target is asked.
// The one exception is marked: memberships of targets that cannot be read are
// assumed. The ledger decides nothing (agent/plan does), sends nothing
// (agent/apply does) and knows no vendor. It holds personal data and no
// credential, and its files are readable by their owner only.
//
// # Durability
//
// A method that returns nil has reached the disk (WAL, synchronous FULL). A
// method that returns an error has changed nothing: every write is one
// transaction. Reads see the last committed state and never wait for a writer.
// Goroutines of one process take turns at writing; processes wait for each
// other for up to a minute. Nobody retries above this package.
//
// # Files
//
// Beside the database (PATH) there are PATH-wal and PATH-shm, which belong to
// SQLite, and empty PATH.lock files, which carry the locks of running
// processes. They are mode 0600 and may stay when nothing runs.
package ledger
