package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/term"

	"github.com/scimsync/scimsync/agent"
	"github.com/scimsync/scimsync/agent/apply"
	"github.com/scimsync/scimsync/agent/ledger"
	"github.com/scimsync/scimsync/agent/render"
	"github.com/scimsync/scimsync/configs"
	"github.com/scimsync/scimsync/connectors"
	"github.com/scimsync/scimsync/identity"
)

// streams are where a command reads and writes: data to out, talk to err.
type streams struct {
	in       io.Reader
	out, err io.Writer
}

func (s streams) say(format string, args ...any) {
	fmt.Fprintf(s.err, format+"\n", args...)
}

// app is what the verbs share.
type app struct {
	streams
	stop chan struct{}
	// now is the clock of the runs.
	now func() time.Time

	configPath string
	logLevel   string
	logFormat  string
	noColor    bool
	log        *slog.Logger
	// current is the sync whose progress is on the screen.
	current *opened
	// failpoint is where a test ends the process (ledger.Options); nil is nowhere.
	failpoint func(name string)
}

// startLog makes the logger the flags ask for.
func (a *app) startLog() error {
	var level slog.Level
	if err := level.UnmarshalText([]byte(a.logLevel)); err != nil {
		return usage("--log-level takes debug, info, warn or error, not %q", a.logLevel)
	}
	o := &slog.HandlerOptions{Level: level}
	switch a.logFormat {
	case "text":
		a.log = slog.New(slog.NewTextHandler(a.err, o))
	case "json":
		a.log = slog.New(slog.NewJSONHandler(a.err, o))
	default:
		return usage("--log-format takes text or json, not %q", a.logFormat)
	}
	return nil
}

func usage(format string, args ...any) error {
	return &codeError{exitUsage, fmt.Errorf(format, args...)}
}

// path returns the configuration file to read.
func (a *app) path() string {
	if a.configPath != "" {
		return a.configPath
	}
	if path := os.Getenv("SCIMSYNC_CONFIG"); path != "" {
		return path
	}
	return "scimsync.yaml"
}

// load reads the configuration and says its warnings.
func (a *app) load() (*configs.Config, error) {
	cfg, err := configs.Load(a.path(), registry())
	if err != nil {
		if errors.Is(err, os.ErrNotExist) {
			return nil, &codeError{exitConfig, fmt.Errorf("%w\nName a file with -c FILE or $SCIMSYNC_CONFIG; "+
				"`scimsync config example` prints one to start from", err)}
		}
		return nil, &codeError{exitConfig, err}
	}
	for _, w := range cfg.Warnings {
		a.log.Warn(w.String()) //nolint:sloglint // the warning is the message: it names its place in the file
	}
	return cfg, nil
}

// selectSyncs returns the syncs named, or all.
func selectSyncs(cfg *configs.Config, names []string) ([]*configs.Sync, error) {
	if len(names) == 0 {
		return cfg.Syncs, nil
	}
	var known []string
	byName := map[string]*configs.Sync{}
	for _, s := range cfg.Syncs {
		known = append(known, s.Name)
		byName[s.Name] = s
	}
	var out []*configs.Sync
	for _, name := range names {
		s, ok := byName[name]
		if !ok {
			return nil, usage("there is no sync %q; %s has %s", name, cfg.Path, strings.Join(known, ", "))
		}
		if !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out, nil
}

// siblings are the syncs on one source.
func siblings(cfg *configs.Config, source *configs.Source) []*configs.Sync {
	var out []*configs.Sync
	for _, s := range cfg.Syncs {
		if s.Source == source {
			out = append(out, s)
		}
	}
	return out
}

// fields is the union of what the syncs of one source use of its records, so
// that the mirror holds no more of people than that.
func fields(cfg *configs.Config, source *configs.Source) map[identity.Kind][]string {
	union := map[identity.Kind]map[string]bool{}
	add := func(k identity.Kind, paths []string) {
		if union[k] == nil {
			union[k] = map[string]bool{}
		}
		for _, p := range paths {
			union[k][p] = true
		}
	}
	for _, s := range cfg.Syncs {
		if s.Source != source {
			continue
		}
		if s.Users != nil {
			add(identity.User, s.Users.Mapping.Fields())
		}
		if s.Groups != nil {
			add(identity.Group, s.Groups.Mapping.Fields())
		}
	}
	out := map[identity.Kind][]string{}
	for k, paths := range union {
		out[k] = slices.Sorted(maps.Keys(paths))
	}
	return out
}

// ledger opens the state file of a configuration.
func (a *app) ledger(ctx context.Context, cfg *configs.Config) (*ledger.Ledger, error) {
	return ledger.OpenWith(ctx, cfg.State, ledger.Options{Failpoint: a.failpoint})
}

// style is how text is laid out on standard output.
func (a *app) style() render.Style {
	s := render.Style{Width: 80}
	file, ok := a.out.(*os.File)
	if !ok || !term.IsTerminal(int(file.Fd())) {
		return s
	}
	if columns, _, err := term.GetSize(int(file.Fd())); err == nil && columns > 40 {
		s.Width = columns
	}
	s.Color = !a.noColor && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
	return s
}

// explain says an error to a person, with what to do where that is known. Of a
// command that somebody has stopped it says just that: the request that was cut off
// is no reason.
func (a *app) explain(err error) string {
	if codeOf(err) == exitInterrupted && a.stopped() {
		return apply.ErrInterrupted.Error()
	}
	text := err.Error()
	if both, ok := errors.AsType[*agent.BothError](err); ok {
		target, source := remedy(both.Target), remedy(both.Source)
		if target != source {
			return text + labelled("\nTarget: ", target) + labelled("\nSource: ", source)
		}
		err = both.Target
	}
	return text + labelled("\n", remedy(err))
}

// labelled puts a label before a text, if there is one.
func labelled(label, text string) string {
	if text == "" {
		return ""
	}
	return label + text
}

// stopped reports whether somebody has asked the command to stop.
func (a *app) stopped() bool {
	select {
	case <-a.stop:
		return true
	default:
		return false
	}
}

// remedy says what to do about an error; empty: nothing is known.
func remedy(err error) string {
	switch codeOf(err) {
	case exitUnauthorized:
		if _, ok := errors.AsType[*connectors.SecretError](err); ok {
			return "Nothing was sent. Put the secret where the configuration says it is."
		}
		return "The credential was not accepted: renew it where it is kept, unless what stands above names another remedy."
	case exitIncomplete:
		const kept = "; what is provisioned stays as it is."
		switch rootClass(err) {
		case connectors.Rejected, connectors.Unsupported, connectors.Missing, connectors.Forbidden, connectors.Unauthorized:
			return "Running again will not help until that is put right: look at the configuration and the permissions (scimsync check)" + kept
		case connectors.Transient, connectors.Throttled:
			return "Run again when the other side answers" + kept
		}
		return "Run again when that is put right or over" + kept
	}
	return ""
}

// rootClass returns the class of the innermost *connectors.Error that has one. A
// source wraps whatever ends its read as Incomplete; the cause below tells whether
// the next run will end the same way.
func rootClass(err error) connectors.Class {
	class := connectors.Unclassified
	for e, ok := errors.AsType[*connectors.Error](err); ok; e, ok = errors.AsType[*connectors.Error](e.Err) {
		if e.Class != connectors.Unclassified {
			class = e.Class
		}
	}
	return class
}
