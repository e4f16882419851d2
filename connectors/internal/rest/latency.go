package rest

import (
	"fmt"
	"net/http"
	"strings"
	"time"
	"unicode"
)

// latency follows how long answers take, against the best there was.
type latency struct {
	smooth, floor float64 // seconds
	resigned      int     // rounds in which fewer at once did not help
}

func (l *latency) add(took time.Duration) {
	seconds := max(took.Seconds(), 0.001) // below this nothing is telling
	if l.smooth == 0 {
		l.smooth, l.floor = seconds, seconds
		return
	}
	l.smooth += (seconds - l.smooth) / 16
	// The floor rises a little all the time, so that one lucky answer from a
	// cache does not count for ever.
	l.floor = min(l.floor*1.0001, l.smooth)
}

// rebase takes the present for the best there is.
func (l *latency) rebase() { l.floor, l.resigned = l.smooth, 0 }

func (l *latency) ratio() float64 { return l.smooth / l.floor }

// mostShapes bounds how many kinds of request are told apart.
const mostShapes = 64

// shape tells kinds of request apart whose latencies have little to do with each
// other: by method, depth of the path, and its last name where it looks like one.
func shape(r *http.Request) string {
	path := strings.TrimRight(r.URL.Path, "/")
	last := path[strings.LastIndexByte(path, '/')+1:]
	if len(last) > 24 || strings.ContainsFunc(last, func(c rune) bool { return !unicode.IsLetter(c) }) {
		last = ""
	}
	return fmt.Sprintf("%s %d %s", r.Method, strings.Count(path, "/"), last)
}
