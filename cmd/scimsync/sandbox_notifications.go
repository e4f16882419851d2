package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/scimsync/scimsync/agent/notify"
)

// notifications is the receiver of the sandbox's webhook:
//
//	GET    /sandbox/notifications   what has arrived, oldest first
//	POST   /sandbox/notifications   what the daemon sends, signed
//	DELETE /sandbox/notifications   forgets it
//
// It does what a receiver should: it checks signature and age, and takes a
// delivery that comes again for the same.
type notifications struct {
	secret string
	now    func() time.Time

	mu       sync.Mutex
	arrived  []notification
	repeated int
}

// notification is one delivery.
type notification struct {
	Delivery string          `json:"delivery"`
	At       time.Time       `json:"at"`
	Message  json.RawMessage `json:"message"`
}

const (
	largestNotification = 1 << 20
	mostNotifications   = 200
	oldestNotification  = 5 * time.Minute
)

// ServeHTTP answers below /sandbox/notifications.
func (n *notifications) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch r.Method {
	case http.MethodGet, http.MethodHead:
		n.show(w)
	case http.MethodPost:
		n.take(w, r)
	case http.MethodDelete:
		n.mu.Lock()
		n.arrived, n.repeated = nil, 0
		n.mu.Unlock()
		w.WriteHeader(http.StatusNoContent)
	default:
		w.Header().Set("Allow", "GET, POST, DELETE")
		http.Error(w, "GET shows what has arrived, DELETE forgets it", http.StatusMethodNotAllowed)
	}
}

func (n *notifications) show(w http.ResponseWriter) {
	n.mu.Lock()
	answer := struct {
		Notifications []notification `json:"notifications"`
		Repeated      int            `json:"repeated"`
	}{slices.Clone(n.arrived), n.repeated}
	n.mu.Unlock()
	if answer.Notifications == nil {
		answer.Notifications = []notification{}
	}
	w.Header().Set("Content-Type", "application/json")
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	_ = encoder.Encode(answer) // a client that has gone away is its own business
}

func (n *notifications) take(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, largestNotification))
	if err != nil {
		http.Error(w, err.Error(), http.StatusRequestEntityTooLarge)
		return
	}
	if why := n.forged(r.Header, body); why != "" {
		http.Error(w, why, http.StatusUnauthorized)
		return
	}
	if !json.Valid(body) {
		http.Error(w, "the body is not JSON", http.StatusBadRequest)
		return
	}
	delivery := r.Header.Get(notify.HeaderDelivery)
	n.mu.Lock()
	defer n.mu.Unlock()
	w.WriteHeader(http.StatusNoContent)
	if slices.ContainsFunc(n.arrived, func(have notification) bool { return have.Delivery == delivery }) {
		n.repeated++
		return
	}
	n.arrived = append(n.arrived, notification{delivery, n.now().UTC(), body})
	if more := len(n.arrived) - mostNotifications; more > 0 {
		n.arrived = slices.Delete(n.arrived, 0, more)
	}
}

// forged says why a delivery is not to be believed, or "".
func (n *notifications) forged(h http.Header, body []byte) string {
	seconds := h.Get(notify.HeaderTimestamp)
	at, err := unixSeconds(seconds)
	if err != nil || n.now().Sub(at).Abs() > oldestNotification {
		return "the timestamp is missing or more than five minutes off"
	}
	mac := hmac.New(sha256.New, []byte(n.secret))
	mac.Write([]byte(seconds + "."))
	mac.Write(body)
	given, ok := strings.CutPrefix(h.Get(notify.HeaderSignature), "v1=")
	sum, err := hex.DecodeString(given)
	if !ok || err != nil || !hmac.Equal(sum, mac.Sum(nil)) {
		return "the signature does not fit"
	}
	return ""
}

func unixSeconds(text string) (time.Time, error) {
	seconds, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return time.Time{}, err
	}
	return time.Unix(seconds, 0), nil
}
