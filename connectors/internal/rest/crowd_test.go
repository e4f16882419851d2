package rest

import "testing"

// What was too many is tried again only after a while, and after twice as long when it
// still is. Refusals in one burst, answers between them or not, are no try of their own.
func TestCrowdHolds(t *testing.T) {
	t.Parallel()
	var c crowd
	answers := func(n int) {
		for range n {
			c.answered(4)
		}
	}
	for try, hold := range []int{crowdHold, 2 * crowdHold, 4 * crowdHold} {
		for range 3 {
			c.refused(5)
			answers(2)
		}
		c.refused(5)
		answers(hold - 1)
		if c.bad != 5 || c.hold != hold {
			t.Fatalf("try %d: %d are too many, for %d answers; want 5 for %d", try, c.bad, c.hold, hold)
		}
		answers(1)
		if c.bad != 0 {
			t.Fatalf("try %d: it is not tried again after %d answers", try, hold)
		}
	}
}
