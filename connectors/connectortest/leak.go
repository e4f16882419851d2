package connectortest

import (
	"bytes"
	"context"
	"fmt"
	"runtime/pprof"
	"strings"
	"time"
)

// leakBound is how long goroutines may take to end after the caller has.
const leakBound = 2 * time.Second

// leaked runs f and returns the stacks of goroutines that f started and that
// are still there some time after it returned. Goroutines are told apart by a
// profiler label, which they inherit, so that other tests may run meanwhile. The
// keep-alive connections of net/http are nobody's leak.
func leaked(ctx context.Context, f func(context.Context)) []string {
	const key = "connectortest"
	var id string
	pprof.Do(ctx, pprof.Labels(key, "leak"), func(ctx context.Context) {
		// The address of a value of this call makes the label unique.
		id = fmt.Sprintf("leak %p", &id)
		pprof.Do(ctx, pprof.Labels(key, id), f)
	})
	mark := fmt.Sprintf("%q:%q", key, id)
	var stacks []string
	for deadline, pause := time.Now().Add(leakBound), time.Millisecond; ; pause *= 2 {
		stacks = labelled(mark)
		if len(stacks) == 0 || time.Now().After(deadline) {
			return stacks
		}
		// There is no event to wait for: a goroutine ends unseen.
		time.Sleep(pause)
	}
}

// labelled returns the stacks of the goroutines with the label.
func labelled(mark string) []string {
	var profile bytes.Buffer
	// Form 1 is text, one block for each stack, with the labels.
	if err := pprof.Lookup("goroutine").WriteTo(&profile, 1); err != nil {
		return []string{"goroutine profile: " + err.Error()}
	}
	var stacks []string
	for block := range strings.SplitSeq(profile.String(), "\n\n") {
		if strings.Contains(block, mark) && !keepAlive(block) {
			stacks = append(stacks, block)
		}
	}
	return stacks
}

func keepAlive(stack string) bool {
	for _, frame := range []string{
		"net/http.(*persistConn).readLoop", "net/http.(*persistConn).writeLoop",
		"net/http.(*http2ClientConn).readLoop", "net/http/internal/http2.(*ClientConn).readLoop",
		"golang.org/x/net/http2.(*ClientConn).readLoop",
	} {
		if strings.Contains(stack, frame) {
			return true
		}
	}
	return false
}
