package connectors

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// HTTP are the transport settings every source and target shares, under the key
// http.
type HTTP struct {
	Proxy      string            `yaml:"proxy,omitempty" json:"proxy,omitempty"`             // URL; empty uses the environment
	CAFile     string            `yaml:"ca_file,omitempty" json:"ca_file,omitempty"`         // PEM bundle, in addition to the system's
	ClientCert string            `yaml:"client_cert,omitempty" json:"client_cert,omitempty"` // PEM file with certificate and key
	Timeout    Duration          `yaml:"timeout,omitempty" json:"timeout,omitempty"`         // of one request, retries apart; default 60s
	Headers    map[string]string `yaml:"headers,omitempty" json:"headers,omitempty"`
}

// Duration is a time.Duration that is written as Go does, and with d for days.
type Duration time.Duration

const day = 24 * time.Hour

// ParseDuration reads a Go duration, which may also use d for days ("1d12h",
// "-1d").
func ParseDuration(text string) (Duration, error) {
	rest, negative := strings.CutPrefix(text, "-")
	var days time.Duration
	if number, tail, ok := strings.Cut(rest, "d"); ok {
		n, err := strconv.ParseUint(number, 10, 16)
		if err != nil {
			return 0, fmt.Errorf("%q is not a duration: write 90s, 40m, 12h or 15d", text)
		}
		days, rest = time.Duration(n)*day, tail
	}
	var clock time.Duration
	if rest != "" || days == 0 && !strings.Contains(text, "d") {
		var err error
		if clock, err = time.ParseDuration(rest); err != nil || clock < 0 {
			return 0, fmt.Errorf("%q is not a duration: write 90s, 40m, 12h or 15d", text)
		}
	}
	total := days + clock
	if negative {
		total = -total
	}
	return Duration(total), nil
}

// String writes whole days as d, anything else as Go does.
func (d Duration) String() string {
	if t := time.Duration(d); t != 0 && t%day == 0 {
		return fmt.Sprintf("%dd", t/day)
	}
	return time.Duration(d).String()
}

// UnmarshalText reads the form ParseDuration takes.
func (d *Duration) UnmarshalText(text []byte) error {
	parsed, err := ParseDuration(string(text))
	if err != nil {
		return err
	}
	*d = parsed
	return nil
}

// MarshalText writes the form String returns.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }
