package sailpoint_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/scimsync/scimsync/connectors"
	"github.com/scimsync/scimsync/connectors/sailpoint"
	"github.com/scimsync/scimsync/connectors/sailpoint/sailpointtest"
	"github.com/scimsync/scimsync/identity"
)

func aggregating(s sailpoint.Settings, wait time.Duration) sailpoint.Settings {
	s.Aggregation = &sailpoint.Aggregation{Wait: connectors.Duration(wait)}
	return s
}

// TestAggregation: the read waits for the end of the aggregation and sees what it
// brought.
func TestAggregation(t *testing.T) {
	t.Parallel()
	w := sailpointtest.Synthetic(12, 3, 20, 3)
	server, settings := tenant(t, w)
	newcomer := sailpointtest.Person("ffffffffffffffffffffffffffffffff", "newcomer@example.com", "New", "Comer", w.Entitlements[0].Value)
	server.Configure(func(o *sailpointtest.Options) {
		o.Aggregation = []string{"NOT_FOUND", "STARTED", "ACCOUNTS_COLLECTED", "RETRIED", "STARTED", "COMPLETED"}
		o.Aggregated = func() {
			if err := server.PutAccount(newcomer); err != nil {
				t.Error(err)
			}
		}
	})
	source := open(t, aggregating(settings, time.Minute))
	got := read(t, source, everything())
	got.complete(t)
	if _, ok := got.records["user:"+newcomer.ID]; !ok {
		t.Error("what the aggregation brought was not read")
	}
	if !slices.Contains(got.members[w.Entitlements[0].ID], newcomer.ID) {
		t.Error("its membership was not read")
	}
	if n := server.Requests()["POST /sources/{id}/load-accounts"]; n != 1 {
		t.Errorf("%d aggregations were started", n)
	}
	only := read(t, source, connectors.Query{Only: []connectors.Key{{Kind: identity.User, ID: newcomer.ID}}})
	only.complete(t)
	if n := server.Aggregations(); n != 1 {
		t.Errorf("reading one object started an aggregation: %d", n)
	}
}

func TestAggregationFails(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		states []string
		fault  *sailpointtest.Effect
		say    string
	}{
		{"cancelled", []string{"STARTED", "CANCELLED"}, nil, "cancelled"},
		{"terminated", []string{"STARTED", "TERMINATED"}, nil, "virtual appliance"},
		{"forgotten", []string{"STARTED", "NOT_FOUND"}, nil, "does not know"},
		{"never there", []string{"NOT_FOUND"}, nil, "does not know"},
		{"unknown state", []string{"PONDERING"}, nil, "not known"},
		{"refused", nil, &sailpointtest.Effect{Status: http.StatusBadRequest}, "load-accounts"},
		{"no task", nil, &sailpointtest.Effect{Status: http.StatusAccepted, Body: `{"success":true}`}, "no task"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			server, settings := tenant(t, sailpointtest.Synthetic(3, 1, 2, 4))
			server.Configure(func(o *sailpointtest.Options) { o.Aggregation = test.states })
			if test.fault != nil {
				server.Inject(sailpointtest.Fault{ID: test.name, Match: server.Call("POST /sources/{id}/load-accounts"), MinFires: 1, Effect: *test.fault})
			}
			got := read(t, open(t, aggregating(settings, time.Minute)), everything())
			if connectors.ClassOf(got.err) != connectors.Incomplete || !strings.Contains(got.err.Error(), test.say) {
				t.Errorf("the read ended with %v, want class incomplete and %q", got.err, test.say)
			}
			if len(got.records) > 0 || server.Requests()["GET /accounts"] > 0 {
				t.Error("something was read all the same")
			}
			if unfired := server.Unfired(); len(unfired) > 0 {
				t.Error(unfired)
			}
		})
	}
}

// TestAggregationTakesTooLong: the time is up while the state is asked for.
func TestAggregationTakesTooLong(t *testing.T) {
	t.Parallel()
	server, settings := tenant(t, sailpointtest.Synthetic(3, 1, 2, 4))
	server.Configure(func(o *sailpointtest.Options) { o.Aggregation = []string{"STARTED"} })
	source := open(t, aggregating(settings, time.Minute))
	source.SetWait(50 * time.Millisecond)
	got := read(t, source, everything())
	if connectors.ClassOf(got.err) != connectors.Incomplete || !strings.Contains(got.err.Error(), "aggregation.wait") {
		t.Errorf("the read ended with %v", got.err)
	}
	// The caller's own end is not the aggregation's.
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, err := range source.Read(ctx, everything()) {
		if err == nil || strings.Contains(err.Error(), "aggregation.wait") {
			t.Errorf("a cancelled read ended with %v", err)
		}
	}
}

func TestAPIClientWithoutUser(t *testing.T) {
	t.Parallel()
	_, settings := tenant(t, sailpointtest.Synthetic(12, 3, 20, 4))
	client := sailpointtest.ServiceClient()
	settings.ClientID, settings.ClientSecret = client.ID, secret(t, client.Secret)
	read(t, open(t, settings), everything()).complete(t)

	source := open(t, aggregating(settings, time.Minute))
	got := read(t, source, everything())
	if connectors.ClassOf(got.err) != connectors.Incomplete || !strings.Contains(got.err.Error(), "personal access token") {
		t.Errorf("the read ended with %v", got.err)
	}
	info, err := source.Info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	notes := strings.Join(info.Notes, "\n")
	for _, want := range []string{"3 entitlements", "15 accounts", "will not work: the state of an aggregation cannot", "this client could not list them"} {
		if !strings.Contains(notes, want) {
			t.Errorf("Info does not say %q:\n%s", want, notes)
		}
	}
}

func TestInfo(t *testing.T) {
	t.Parallel()
	server, settings := tenant(t, sailpointtest.Synthetic(12, 3, 20, 4))
	info, err := open(t, settings).Info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if info.Delta || !strings.Contains(info.Identity, settings.ClientID) || !strings.Contains(info.Identity, sailpointtest.DirectoryName) {
		t.Errorf("Info is %+v", info)
	}
	if notes := strings.Join(info.Notes, "\n"); !strings.Contains(notes, "access_profiles: true would") {
		t.Errorf("notes:\n%s", notes)
	}
	denied := sailpointtest.DefaultClient()
	denied.Denied = []string{"GET /accounts", "GET /entitlements"}
	server.Register(denied)
	info, err = open(t, settings).Info(t.Context())
	if notes := strings.Join(info.Notes, "\n"); err != nil || !strings.Contains(notes, "idn:accounts:read") || !strings.Contains(notes, "idn:entitlement:read") {
		t.Errorf("Info of a client without scopes: %v\n%s", err, notes)
	}
	got := read(t, open(t, settings), everything())
	if connectors.ClassOf(got.err) != connectors.Forbidden || !strings.Contains(got.err.Error(), "idn:entitlement:read") {
		t.Errorf("the read ended with %v", got.err)
	}
	denied.Denied = []string{"GET /sources"}
	server.Register(denied)
	if _, err = open(t, settings).Info(t.Context()); connectors.ClassOf(err) != connectors.Forbidden || !strings.Contains(err.Error(), "idn:sources:read") {
		t.Errorf("Info without the source: %v", err)
	}
}

func TestFindSource(t *testing.T) {
	t.Parallel()
	awkward := []string{`Active "Directory" \ 1`, `a" or name eq "b`, `100% #1 & more + ?`, "Zoë's", `trailing\`}
	w := sailpointtest.Synthetic(3, 1, 2, 4)
	for i, name := range awkward {
		w.Sources = append(w.Sources, sailpointtest.Connection{ID: string(rune('p' + i)), Name: name})
	}
	w.Sources = append(w.Sources, sailpointtest.Connection{ID: "y", Name: "Twice"}, sailpointtest.Connection{ID: "z", Name: "Twice"})
	_, settings := tenant(t, w)
	for _, name := range append(awkward, sailpointtest.DirectoryName) {
		settings.Source = name
		info, err := open(t, settings).Info(t.Context())
		if err != nil || !strings.HasSuffix(info.Identity, "source "+strconv.Quote(name)) {
			t.Errorf("source %q: %v, %s", name, err, info.Identity)
		}
	}
	for name, say := range map[string]string{"Nowhere": "no source called", "Twice": "2 sources"} {
		settings.Source = name
		_, err := open(t, settings).Info(t.Context())
		if connectors.ClassOf(err) != connectors.Rejected || !strings.Contains(err.Error(), say) {
			t.Errorf("source %q: %v", name, err)
		}
		if got := read(t, open(t, settings), everything()); got.err == nil {
			t.Errorf("source %q was read", name)
		}
	}
	settings.Source, settings.SourceID = "", sailpointtest.DirectoryID
	read(t, open(t, settings), everything()).complete(t)
	settings.SourceID = "00000000000000000000000000000000"
	if got := read(t, open(t, settings), everything()); connectors.ClassOf(got.err) != connectors.Incomplete || !strings.Contains(got.err.Error(), "no source") {
		t.Errorf("a source that does not exist: %v", got.err)
	}
}

// TestPaths: every version, the new style, and single overrides.
func TestPaths(t *testing.T) {
	t.Parallel()
	api := func(s string) *string { return &s }
	newStyle := sailpoint.Paths{
		Sources: "/sources/v1", Entitlements: "/entitlements/v1", Accounts: "/accounts/v1", LoadAccounts: "/sources/v1/{id}/load-accounts",
		AggregationStatus: "/account-aggregations/v1/{id}/status", AccessProfiles: "/access-profiles/v1",
	}
	tests := map[string]func(*sailpoint.Settings){
		"default":   func(*sailpoint.Settings) {},
		"beta":      func(s *sailpoint.Settings) { s.API = api("beta") },
		"v2024":     func(s *sailpoint.Settings) { s.API = api("v2024") },
		"new style": func(s *sailpoint.Settings) { s.API, s.Paths = api(""), newStyle },
		"v3 and one override": func(s *sailpoint.Settings) {
			s.API, s.Paths = api("v3"), sailpoint.Paths{
				Entitlements: "/entitlements/v1", LoadAccounts: newStyle.LoadAccounts, AggregationStatus: "/v2025/account-aggregations/{id}/status",
			}
		},
	}
	for name, set := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, settings := tenant(t, sailpointtest.Synthetic(12, 3, 20, 4))
			settings = aggregating(settings, time.Minute)
			set(&settings)
			got := read(t, open(t, settings), everything())
			got.complete(t)
			if len(got.records) != 15 {
				t.Errorf("%d objects", len(got.records))
			}
		})
	}
	t.Run("no prefix, no paths", func(t *testing.T) {
		t.Parallel()
		_, settings := tenant(t, sailpointtest.Synthetic(12, 3, 20, 4))
		settings.API = api("")
		if got := read(t, open(t, settings), everything()); connectors.ClassOf(got.err) != connectors.Incomplete {
			t.Errorf("paths that do not exist: %v", got.err)
		}
	})
}

func TestHeaders(t *testing.T) {
	t.Parallel()
	server, settings := tenant(t, sailpointtest.Synthetic(30, 3, 20, 4))
	server.Configure(func(o *sailpointtest.Options) { o.RequireExperimental, o.Deprecated = true, true })
	settings.Limits.PageSize = 5
	var log bytes.Buffer
	source := openLogged(t, settings, slog.New(slog.NewTextHandler(&log, nil)))
	read(t, source, everything()).complete(t)
	read(t, source, everything()).complete(t)
	if n := strings.Count(log.String(), "deprecated"); n != 3 {
		t.Errorf("%d warnings, want one for each of three paths:\n%s", n, log.String())
	}
	if strings.Contains(log.String(), sailpointtest.DefaultClient().Secret) {
		t.Error("the secret is in the log")
	}
}

// TestFreshToken: a token that ends while pages are read costs one more, once.
func TestFreshToken(t *testing.T) {
	t.Parallel()
	server, settings := tenant(t, sailpointtest.Synthetic(30, 3, 20, 4))
	settings.Limits.PageSize = 5
	server.Inject(sailpointtest.Fault{ID: "revoked", Match: server.Call("GET /accounts"), Skip: 2, Times: 1, MinFires: 1, Effect: sailpointtest.Effect{Do: server.RevokeTokens}})
	read(t, open(t, settings), everything()).complete(t)
	if n := server.Requests()["POST /oauth/token"]; n != 2 {
		t.Errorf("%d tokens were fetched, want 2", n)
	}
	server.ClearFaults()
	server.Inject(sailpointtest.Fault{Match: server.Call("GET /accounts"), Effect: sailpointtest.Effect{Do: server.RevokeTokens}})
	got := read(t, open(t, settings), everything())
	if connectors.ClassOf(got.err) != connectors.Unauthorized || got.checkpoint != nil {
		t.Errorf("the read ended with %v", got.err)
	}
	settings.ClientSecret = secret(t, "wrong")
	_, err := open(t, settings).Info(t.Context())
	if connectors.ClassOf(err) != connectors.Unauthorized || strings.Contains(err.Error(), "wrong") {
		t.Errorf("Info with a wrong secret: %v", err)
	}
}

// TestTokenURL: a vanity tenant's tokens come from elsewhere.
func TestTokenURL(t *testing.T) {
	t.Parallel()
	server, settings := tenant(t, sailpointtest.Synthetic(3, 1, 2, 4))
	settings.TokenURL = settings.URL + "/oauth/token"
	var asked atomic.Int32
	settings = through(t, server, settings, func(r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/oauth/") {
			asked.Add(1)
		}
	})
	read(t, open(t, settings), everything()).complete(t)
	if asked.Load() > 0 {
		t.Error("a token was asked for at url in place of token_url")
	}
}

// TestPace: what SailPoint allows in ten seconds is never asked for, in no ten
// seconds; here ten times as fast, with a little more room, for the machine's timers
// are not.
func TestPace(t *testing.T) {
	t.Parallel()
	server, settings := tenant(t, entitlements(230))
	server.Configure(func(o *sailpointtest.Options) { o.RateLimit, o.Window = sailpointtest.RateLimit, time.Second })
	settings.Limits = sailpoint.Limits{RequestsPerSecond: 95, PageSize: 2}
	traffic := new(connectors.Traffic)
	source, err := sailpoint.Open(settings, connectors.Runtime{Log: slog.New(slog.DiscardHandler), Traffic: traffic})
	if err != nil {
		t.Fatal(err)
	}
	read(t, source, groupsOnly()).complete(t)
	if n := server.Busiest(); n > sailpointtest.RateLimit || n < sailpointtest.RateLimit/2 {
		t.Errorf("%d requests in the busiest window, want up to %d", n, sailpointtest.RateLimit)
	}
	if n := traffic.Throttled.Load(); n > 0 {
		t.Errorf("%d requests were throttled", n)
	}
}

// TestRateLimit: the server's own limit, met and waited for.
func TestRateLimit(t *testing.T) {
	t.Parallel()
	server, settings := tenant(t, sailpointtest.Synthetic(40, 3, 20, 4))
	server.Configure(func(o *sailpointtest.Options) { o.RateLimit, o.Window = 8, time.Second })
	settings.Limits.PageSize = 5
	traffic := new(connectors.Traffic)
	source, err := sailpoint.Open(settings, connectors.Runtime{Log: slog.New(slog.DiscardHandler), Traffic: traffic})
	if err != nil {
		t.Fatal(err)
	}
	got := read(t, source, everything())
	got.complete(t)
	if traffic.Throttled.Load() == 0 {
		t.Error("the limit was not met")
	}
	if n := len(got.ids(identity.User)); n != 40 {
		t.Errorf("%d users", n)
	}
}

func TestFaults(t *testing.T) {
	t.Parallel()
	tests := map[string]sailpointtest.Effect{
		"hangup":    {Hangup: true},
		"throttled": {Throttle: time.Nanosecond},
		"502":       {Status: http.StatusBadGateway},
		"cut off":   {Truncate: 20},
	}
	for name, effect := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server, settings := tenant(t, sailpointtest.Synthetic(12, 3, 20, 4))
			server.Inject(sailpointtest.Fault{ID: name, Match: server.Call("GET /accounts"), Times: 1, MinFires: 1, Effect: effect})
			read(t, open(t, settings), everything()).complete(t)
			if unfired := server.Unfired(); len(unfired) > 0 {
				t.Error(unfired)
			}
		})
	}
}

// TestMissingByProxy: a 404 that SailPoint did not write does not make anybody a
// leaver.
func TestMissingByProxy(t *testing.T) {
	t.Parallel()
	w := sailpointtest.Synthetic(3, 1, 2, 4)
	server, settings := tenant(t, w)
	server.Inject(sailpointtest.Fault{Match: server.Call("GET /accounts/{id}"), Effect: sailpointtest.Effect{Status: 404, Body: `{"message":"no route"}`}})
	got := read(t, open(t, settings), connectors.Query{Only: []connectors.Key{{Kind: identity.User, ID: w.Accounts[0].ID}}})
	if got.err == nil || len(got.gone) > 0 {
		t.Errorf("the read ended with %v, gone %v", got.err, got.gone)
	}
}

func TestCursor(t *testing.T) {
	t.Parallel()
	_, settings := tenant(t, sailpointtest.Synthetic(3, 1, 2, 4))
	q := everything()
	q.From = "somewhere"
	got := read(t, open(t, settings), q)
	if connectors.ClassOf(got.err) != connectors.Expired {
		t.Errorf("the read ended with %v", got.err)
	}
	if _, ok := errors.AsType[*connectors.Error](got.err); !ok {
		t.Error("without a class")
	}
}
