// Package serve is the daemon's HTTP side: is it alive (/healthz), will it do its
// work (/readyz), what has it done (/metrics), and run now (POST /hooks/SYNC).
//
// It decides nothing about when a sync runs (agent/schedule does) and knows no
// vendor: how one calls a hook is a connectors.Hook that it is given. It answers
// nothing about people: names in answers and labels are those of the
// configuration. It speaks plain HTTP; beyond the machine, put it behind a proxy
// that ends TLS.
package serve
