package connectors_test

import (
	"slices"
	"testing"
	"time"

	"github.com/scimsync/scimsync/connectors"
)

func TestExpiryValidate(t *testing.T) {
	t.Parallel()
	const day = connectors.Duration(24 * time.Hour)
	for title, test := range map[string]struct {
		expiry connectors.Expiry
		keys   []string
	}{
		"nothing":          {connectors.Expiry{}, nil},
		"a date":           {connectors.Expiry{At: "2026-12-31", Warn: []connectors.Duration{15 * day, day, 0, -day}}, nil},
		"in any order":     {connectors.Expiry{Warn: []connectors.Duration{-day, 15 * day, 0}}, nil},
		"a time":           {connectors.Expiry{At: "2026-12-31T18:00:00+02:00"}, nil},
		"never warn":       {connectors.Expiry{Warn: []connectors.Duration{}}, nil},
		"no date":          {connectors.Expiry{At: "31.12.2026"}, []string{"expiry.at"}},
		"no such day":      {connectors.Expiry{At: "2026-02-30"}, []string{"expiry.at"}},
		"a blank":          {connectors.Expiry{At: "2026-12-31 18:00"}, []string{"expiry.at"}},
		"a year of once":   {connectors.Expiry{At: "0026-12-31"}, []string{"expiry.at"}},
		"twice":            {connectors.Expiry{Warn: []connectors.Duration{day, 0, day}}, []string{"expiry.warn[2]"}},
		"decades before":   {connectors.Expiry{Warn: []connectors.Duration{5000 * day}}, []string{"expiry.warn[0]"}},
		"decades after":    {connectors.Expiry{Warn: []connectors.Duration{-5000 * day}}, []string{"expiry.warn[0]"}},
		"too many":         {connectors.Expiry{Warn: make([]connectors.Duration, 17)}, []string{"expiry.warn"}},
		"several mistakes": {connectors.Expiry{At: "soon", Warn: []connectors.Duration{0, 0}}, []string{"expiry.at", "expiry.warn[1]"}},
	} {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			var keys []string
			for _, m := range test.expiry.Validate("expiry") {
				if m.Unavailable || m.Problem == "" {
					t.Errorf("mistake %+v", m)
				}
				keys = append(keys, m.Key)
			}
			if !slices.Equal(keys, test.keys) {
				t.Errorf("mistakes at %q, want %q", keys, test.keys)
			}
		})
	}
}

func TestExpiryCredential(t *testing.T) {
	t.Parallel()
	of := time.Date(2026, 8, 1, 12, 0, 0, 0, time.FixedZone("", 7200))
	for title, test := range map[string]struct {
		expiry connectors.Expiry
		ends   time.Time
		want   string
	}{
		"a date is its last second": {connectors.Expiry{At: "2026-12-31"}, time.Time{}, "2026-12-31T23:59:59Z"},
		"a time is itself":          {connectors.Expiry{At: "2026-12-31T18:00:00+02:00"}, time.Time{}, "2026-12-31T16:00:00Z"},
		"what is written counts":    {connectors.Expiry{At: "2026-12-31"}, of, "2026-12-31T23:59:59Z"},
		"else what is known":        {connectors.Expiry{}, of, "2026-08-01T10:00:00Z"},
		"else nothing":              {connectors.Expiry{}, time.Time{}, "0001-01-01T00:00:00Z"},
	} {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			c, err := test.expiry.Credential(test.ends)
			if err != nil || c.Expires.Format(time.RFC3339) != test.want || c.Warn != nil {
				t.Errorf("%+v, %v, want the end %s", c, err, test.want)
			}
		})
	}
	c, err := connectors.Expiry{Warn: []connectors.Duration{}}.Credential(of)
	if err != nil || c.Warn == nil || len(c.Warn) != 0 {
		t.Errorf("a list of no warnings became %#v, %v", c.Warn, err)
	}
	if _, err := (connectors.Expiry{At: "soon"}).Credential(of); err == nil {
		t.Error("a mistake is no end")
	}
}
