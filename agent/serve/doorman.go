package serve

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/scimsync/scimsync/connectors"
)

const (
	// tokenAge is how long a token that was read is used before its place is
	// looked at again.
	tokenAge = 5 * time.Second
	// A caller may be wrong this often at once, and then once in failureEvery,
	// before it is told to wait and no longer logged.
	failureBurst = 20
	failureEvery = 3 * time.Second
	// mostCallers bounds what is remembered of callers that were wrong.
	mostCallers = 1024
)

// doorman compares tokens, and bounds what is said to those who guess. It never
// keeps the right token waiting: that is too long to be guessed at any pace. The
// zero value is not ready; see newDoorman.
type doorman struct {
	now func() time.Time

	mu     sync.Mutex
	place  string // where the token below is from
	token  [sha256.Size]byte
	err    error // why there is none
	readAt time.Time
	wrong  map[string]*rate.Limiter
}

func newDoorman(now func() time.Time) *doorman {
	return &doorman{now: now, wrong: map[string]*rate.Limiter{}}
}

// knows reports whether the token is the one at its place. The place is read anew
// every few seconds, so that a token that was replaced counts without a restart.
func (d *doorman) knows(ctx context.Context, place connectors.Secret, given string) (bool, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	key := place.String() + "\x00" + strings.Join(place.Command, "\x00")
	if age := d.now().Sub(d.readAt); d.place != key || age < 0 || age >= tokenAge {
		// A failure is kept as well, so that strangers cannot make us run the
		// command behind a secret as often as they like.
		token, err := place.Resolve(ctx)
		d.place, d.token, d.err, d.readAt = key, sha256.Sum256([]byte(token)), err, d.now()
	}
	if d.err != nil {
		return false, d.err
	}
	// Hashes have one length, so that the comparison tells nothing of the token's.
	hash := sha256.Sum256([]byte(given))
	return subtle.ConstantTimeCompare(hash[:], d.token[:]) == 1, nil
}

// waits returns how long a caller whose token is wrong has to wait before it may
// try again; 0: it may now.
func (d *doorman) waits(caller string) time.Duration {
	d.mu.Lock()
	defer d.mu.Unlock()
	l, ok := d.wrong[caller]
	if !ok || l.TokensAt(d.now()) >= 1 {
		return 0
	}
	return failureEvery
}

// failed counts a wrong token.
func (d *doorman) failed(caller string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := d.now()
	l, ok := d.wrong[caller]
	if !ok {
		d.forget(now)
		l = rate.NewLimiter(rate.Every(failureEvery), failureBurst)
		d.wrong[caller] = l
	}
	l.AllowN(now, 1)
}

// forget makes room: whoever has not been wrong for a while goes, and when that
// is nobody, everybody.
func (d *doorman) forget(now time.Time) {
	if len(d.wrong) < mostCallers {
		return
	}
	for caller, l := range d.wrong {
		if l.TokensAt(now) >= failureBurst {
			delete(d.wrong, caller)
		}
	}
	if len(d.wrong) >= mostCallers {
		clear(d.wrong)
	}
}

// callerOf names who is at the other end: an address, of IPv6 the network that
// one customer has (a /64), for within it addresses are free.
func callerOf(remote string) string {
	host, _, err := net.SplitHostPort(remote)
	if err != nil {
		return remote
	}
	addr, err := netip.ParseAddr(host)
	if err != nil {
		return host
	}
	addr = addr.Unmap().WithZone("")
	if addr.Is6() {
		if network, err := addr.Prefix(64); err == nil {
			return network.String()
		}
	}
	return addr.String()
}
