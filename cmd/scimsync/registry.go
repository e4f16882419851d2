package main

import (
	"github.com/scimsync/scimsync/agent/notify"
	"github.com/scimsync/scimsync/configs"
	"github.com/scimsync/scimsync/connectors/all"
)

// registry is what a configuration may name.
func registry() configs.Registry {
	return configs.Registry{Sources: all.Sources(), Targets: all.Targets(), Notifiers: notifierTypes()}
}

// notifierTypes are the notifiers by name. The table stands here because
// agent/notify does not know configs, nor configs agent/notify.
func notifierTypes() map[string]configs.NotifierType {
	out := map[string]configs.NotifierType{}
	for _, t := range []configs.NotifierType{
		{
			Name: "email", Summary: "mail through an SMTP server",
			Settings: func() any { return new(notify.EmailSettings) },
		},
		{
			Name: "webhook", Summary: "HTTP POST of JSON, also in the form that Slack takes",
			Settings: func() any { return new(notify.WebhookSettings) },
		},
	} {
		out[t.Name] = t
	}
	return out
}
