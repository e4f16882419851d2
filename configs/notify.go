package configs

import (
	"reflect"

	"github.com/scimsync/scimsync/connectors"
)

// notifyDoc says who hears about what of a sync.
type notifyDoc struct {
	To     []string `yaml:"to" jsonschema:"required" jsonschema_description:"Names of notifiers."`
	Events []string `yaml:"events,omitempty" jsonschema:"enum=group_created,enum=group_exists,enum=failed,enum=held,enum=credential_expiring,enum=stale" jsonschema_description:"What to tell."`
	Batch  string   `yaml:"batch,omitempty" jsonschema:"enum=run,enum=object" jsonschema_description:"One message a run, or one an object."`
}

// notifier is an e-mail or a webhook, by its type.
type notifier struct {
	Email   *emailDoc
	Webhook *webhookDoc
}

type emailDoc struct {
	Type     string            `yaml:"type" jsonschema:"required,enum=email"`
	SMTP     string            `yaml:"smtp" jsonschema:"required" jsonschema_description:"HOST:PORT of the mail server."`
	TLS      tlsMode           `yaml:"tls,omitempty" jsonschema:"enum=starttls,enum=implicit,enum=off"`
	Username string            `yaml:"username,omitempty"`
	Password connectors.Secret `yaml:"password,omitempty"`
	From     string            `yaml:"from" jsonschema:"required"`
	To       []string          `yaml:"to" jsonschema:"required"`
}

type webhookDoc struct {
	Type   string            `yaml:"type" jsonschema:"required,enum=webhook"`
	URL    string            `yaml:"url" jsonschema:"required"`
	Format string            `yaml:"format,omitempty" jsonschema:"enum=json,enum=slack"`
	Secret connectors.Secret `yaml:"secret,omitempty" jsonschema_description:"Key of the HMAC that signs each message."`
}

// tlsMode is starttls, implicit or off.
type tlsMode string

func (tlsMode) takesOff() bool { return true }

func (m *notifier) decodeNode(d *decoder, n *node, path string) {
	if n.kind != mapNode {
		d.atValue(path, "expected a mapping, found "+n.kind.found(), "")
		return
	}
	var kind string
	if t := n.find("type"); t != nil && t.kind == textNode {
		kind = t.text
	}
	switch kind {
	case "email":
		m.Email = &emailDoc{TLS: "starttls"}
		d.decodeEntries(n.entries, path, reflect.ValueOf(m.Email).Elem())
	case "webhook":
		m.Webhook = &webhookDoc{Format: "json"}
		d.decodeEntries(n.entries, path, reflect.ValueOf(m.Webhook).Elem())
	default:
		d.typeProblem(n, path, kind, []string{"email", "webhook"})
	}
}
