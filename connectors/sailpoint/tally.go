package sailpoint

import (
	"fmt"
	"strconv"

	"github.com/scimsync/scimsync/connectors"
)

const (
	// maxRows ends a list that has no end and tells no total.
	maxRows = 10_000_000
	// maxTails is how often rows may come behind the end of a list while it is
	// read: one that grows with every request would be read for ever.
	maxTails = 20
	// maxBarren is how many pages in a row may bring no id that is new.
	maxBarren = 20
)

// tally counts the rows of one reading of a list and compares them with the
// totals that SailPoint tells.
type tally struct {
	ids *idSet
	// nameless rows came without an id; twins, twice in one answer. Both are
	// rows to SailPoint, which counts them.
	nameless, twins int
	// first is the total told at the start, most the number of rows that it
	// explains.
	first, most int
	recounted   bool
	largest     int // the rows of the largest page
	tails       int
	barren      int
}

func newTally() *tally { return &tally{ids: newIDSet()} }

func (t *tally) rows() int { return t.ids.len() + t.nameless + t.twins }

// begin takes the total told with the first page.
func (t *tally) begin(total, page int) {
	t.first, t.largest = total, page
	t.explain(total)
}

// explain sets how many rows a total may stand for: a list may grow by a page or
// a tenth while it is read.
func (t *tally) explain(total int) {
	t.most = maxRows
	if total != unknown {
		t.most = min(maxRows, total+max(t.largest, total/10))
	}
}

// excess reports whether more rows came than the total explains, so that the next
// page is to tell it once more.
func (t *tally) excess() bool { return t.rows() > t.most }

// recount takes the total told when there were too many rows. Why is not empty
// where the list has grown so much twice; an error says that the total never
// explained the rows, and that reading on, or anew, is in vain.
func (t *tally) recount(total int) (string, error) {
	if t.rows() > maxRows {
		return "", connectors.Errorf(connectors.Incomplete, "the list has more than %d rows", maxRows)
	}
	t.explain(total)
	switch {
	case total == unknown || t.excess():
		return "", connectors.Errorf(connectors.Incomplete,
			"the list goes on after %d rows, and SailPoint counted %s at the start and %s now: something on the way, a proxy or gateway, answers with rows that were not asked for",
			t.rows(), counted(t.first), counted(total))
	case t.recounted:
		return keepComing, nil
	}
	t.recounted = true
	return "", nil
}

const keepComing = "rows keep coming at its end"

// tail notes a page of so many rows behind what seemed to be the end, and reports
// whether there may be more. A server that answers less than was asked for does
// so on every page.
func (t *tally) tail(page int) bool {
	if page < t.largest {
		t.tails++
	}
	return t.tails <= maxTails
}

// page notes whether a page brought an id that is new, and reports whether there
// may be more.
func (t *tally) page(fresh bool) bool {
	t.barren++
	if fresh {
		t.barren = 0
	}
	return t.barren <= maxBarren
}

// judge compares the rows read with the totals told at both ends, and says in
// words what does not fit. A list that is told to be empty must be counted too:
// an empty answer alone is what a broken gateway gives.
func (t *tally) judge(last int) string {
	switch {
	case t.first == unknown && last == unknown && t.rows() > 0:
		return "" // every joint between two pages was proved
	case t.first == unknown && last == unknown:
		return "an empty list was answered, without the X-Total-Count that was asked for"
	case t.first != t.rows() || last != t.rows():
		return fmt.Sprintf("%d rows were read, and SailPoint counted %s at the start and %s at the end", t.rows(), counted(t.first), counted(last))
	}
	return ""
}

func counted(total int) string {
	if total == unknown {
		return "nothing"
	}
	return strconv.Itoa(total)
}
