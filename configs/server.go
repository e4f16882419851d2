package configs

import (
	"net"
	"net/netip"
	"strconv"
	"strings"

	"github.com/scimsync/scimsync/connectors"
)

type serverDoc struct {
	Addr  string    `yaml:"addr" jsonschema:"required" jsonschema_description:"HOST:PORT to listen on, such as 127.0.0.1:9464."`
	Hooks *hooksDoc `yaml:"hooks,omitempty" jsonschema_description:"Run a sync now, by POST /hooks/SYNC. Left out: no hooks."`
}

type hooksDoc struct {
	Token connectors.Secret `yaml:"token" jsonschema:"required" jsonschema_description:"Bearer token that a hook must present."`
}

// server checks the daemon's endpoints.
func (b *builder) server() *Server {
	doc := b.doc.Server
	if doc == nil {
		return nil
	}
	const path = "server.addr"
	resolvePaths(doc, b.folder)
	out := &Server{Addr: doc.Addr}
	if doc.Hooks != nil {
		out.HookToken = doc.Hooks.Token
	}
	if !b.clean(path) {
		return out
	}
	host, port, err := net.SplitHostPort(doc.Addr)
	_, portErr := strconv.ParseUint(port, 10, 16)
	switch {
	case err != nil || portErr != nil || strings.ContainsAny(host, "/@ "):
		b.atValue(path, "is not HOST:PORT", "such as 127.0.0.1:9464, or :9464 for every address of this machine")
	case !loopback(host) && out.HookToken.IsZero() && doc.Hooks == nil:
		b.warn(path, "is reachable from other machines, and /metrics asks nobody who they are")
	}
	return out
}

// loopback reports whether a host is this machine.
func loopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.Unmap().IsLoopback()
}
