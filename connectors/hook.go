package connectors

import "net/http"

// Hook is what a vendor does beyond a bearer token when it calls an address of
// ours to say that something has changed. The call is a reason to run now and
// nothing else: no datum of it is trusted.
type Hook struct {
	// Challenge answers the vendor's proof that the address is ours, and
	// reports whether the request was one. It is called before
	// authentication, with a body that is bounded; it must not answer anything
	// else. Nil: the vendor has none.
	Challenge func(w http.ResponseWriter, r *http.Request, body []byte) bool
	// Secret returns the shared secret that the body carries where the vendor
	// cannot send an Authorization header, and false where it carries none.
	// Nil: the vendor sends the header.
	Secret func(body []byte) (secret string, ok bool)
	// Ignore says why a genuine call is no reason to run, such as an
	// aggregation that failed, or "". Nil: every call is a reason.
	Ignore func(body []byte) (why string)
}
