package ledger

import "testing"

// The caches grow with what is spooled, within the memory there is, and never
// shrink.
func TestCaches(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	var c caches
	for _, step := range []struct{ spooled, most, temp, main int }{
		{0, mostWorkspace, tempCache, scratchCache},
		{100 << 10, mostIntake, mostIntake, scratchCache},
		{100 << 10, mostWorkspace, 100 << 10 / tempShare, scratchCache},
		{1 << 20, mostIntake, 100 << 10 / tempShare, mostMain},
		{1 << 30, mostWorkspace, mostWorkspace, mostMain},
		{0, mostIntake, mostWorkspace, mostMain},
	} {
		must(t, c.fit(t.Context(), r.conn, step.spooled, step.most))
		for pragma, want := range map[string]int{"temp": step.temp, "main": step.main} {
			var got int
			must(t, r.conn.QueryRowContext(t.Context(), `PRAGMA `+pragma+`.cache_size`).Scan(&got))
			if got != -want {
				t.Errorf("for %d KiB the cache of %s is %d KiB, want %d", step.spooled, pragma, -got, want)
			}
		}
	}
}

// A workspace leaves memory to the intake beside it, until there is something
// desired.
func TestCachesBeside(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	for _, want := range []int{mostIntake, mostWorkspace} {
		must(t, r.fit(t.Context(), 1<<30))
		if r.caches.temp != want {
			t.Errorf("the cache is %d KiB, want %d", r.caches.temp, want)
		}
		r.want(user("a"), In, "a")
	}
}
