package notify

import "context"

// Notifier sends messages to one place. It retries what may be retried, within
// bounds of its own; an error names the place and the step, and holds no
// credential. It is safe for concurrent use.
type Notifier interface {
	Send(ctx context.Context, m Message) error
}

var (
	_ Notifier = (*Email)(nil)
	_ Notifier = (*Webhook)(nil)
)
