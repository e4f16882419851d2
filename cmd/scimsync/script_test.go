package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/scimsync/scimsync/connectors/okta/oktatest"
	"github.com/scimsync/scimsync/identity"
)

// TestMain puts the program itself on the PATH, as a copy of this test binary.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"scimsync": func() {
		if err := loseRights(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(exitFailed)
		}
		if failpoint := failpointOf(os.Getenv); failpoint != nil || os.Getenv(aheadVariable) != "" {
			os.Exit(runAt(clockOf(os.Getenv), os.Args[1:], streams{in: os.Stdin, out: os.Stdout, err: os.Stderr},
				func(a *app) { a.failpoint = failpoint }))
		}
		main()
	}})
}

// TestScripts runs testdata/script. Beside testscript's own commands there are:
//
//	code N PROGRAM ARG…      runs a program, which must exit with N
//	world USERS GROUPS       starts an Okta org and a SCIM application and
//	                         writes scimsync.yaml, okta.token and scim.token
//	                         for them; $OKTA and $SCIM are their addresses
//	source CHANGE …          changes the org: disable N people, rename N
//	                         people, or let the API token end
//	target CHANGE …          tampers with the application: drift changes a
//	                         person renamed at the source, end ends its
//	                         token, wipe removes everything
//	written N                demands that the application got N writes since
//	                         the script began or last asked
//	settled                  demands that everything is provisioned once, and
//	                         that the next plan is empty
//	edit FILE OLD NEW        replaces a text in a file, which must be there
//	keep FILE                keeps the output of the last program
//
// The condition [readonly] holds where a program can be kept from writing.
func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.RunT(scriptT{t}, testscript.Params{
		Dir: "testdata/script", RequireExplicitExec: true, RequireUniqueNames: true,
		Setup: func(env *testscript.Env) error {
			s := &script{t: env.T().(scriptT).T, dir: env.WorkDir}
			env.Values[script{}] = s
			env.Setenv("SCIMSYNC_CONFIG", "")
			return nil
		},
		Condition: func(name string) (bool, error) {
			if name == "readonly" {
				return os.Geteuid() != 0 || losesRights, nil
			}
			return false, fmt.Errorf("unknown condition %s", name)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"code":    of((*script).code),
			"world":   of((*script).begin),
			"source":  of((*script).source),
			"target":  of((*script).target),
			"written": of((*script).written),
			"settled": of((*script).settled),
			"edit":    of((*script).edit),
			"keep":    of((*script).keep),
		},
	})
}

// scriptT lets the commands of a script reach its *testing.T.
type scriptT struct{ *testing.T }

// Run runs a script as a subtest.
func (t scriptT) Run(name string, f func(testscript.T)) {
	t.T.Run(name, func(t *testing.T) { f(scriptT{t}) })
}

// Verbose reports whether all output is wanted.
func (scriptT) Verbose() bool { return testing.Verbose() }

// script is what the commands of one script share.
type script struct {
	t     *testing.T
	dir   string
	world *world
	seen  int
}

// of makes a command of a method; its error ends the script.
func of(do func(*script, *testscript.TestScript, []string) error) func(*testscript.TestScript, bool, []string) {
	return func(ts *testscript.TestScript, neg bool, args []string) {
		if neg {
			ts.Fatalf("! is not for this command")
		}
		if err := do(ts.Value(script{}).(*script), ts, args); err != nil {
			ts.Fatalf("%v", err)
		}
	}
}

func (s *script) code(ts *testscript.TestScript, args []string) error {
	if len(args) < 2 {
		return errors.New("usage: code N PROGRAM ARG…")
	}
	want, err := strconv.Atoi(args[0])
	if err != nil {
		return err
	}
	err = ts.Exec(args[1], args[2:]...)
	have := 0
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		have = exit.ExitCode()
	} else if err != nil {
		return err
	}
	if have != want {
		return fmt.Errorf("exit %d, want %d", have, want)
	}
	return nil
}

func (s *script) begin(ts *testscript.TestScript, args []string) error {
	users, err := strconv.Atoi(args[0])
	if err != nil {
		return err
	}
	groups, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	s.world = newWorld(s.t, withPeople(oktatest.Synthetic(users, groups, 3*users, 1)))
	s.world.settleIn(s.dir)
	s.seen = 0
	ts.Setenv("OKTA", s.world.orgURL)
	ts.Setenv("SCIM", s.world.url)
	return nil
}

// settleIn moves the configuration of a world into another folder.
func (w *world) settleIn(dir string) {
	w.t.Helper()
	w.dir, w.config = dir, filepath.Join(dir, "scimsync.yaml")
	w.write("okta.token", oktatest.DefaultToken)
	w.write("scim.token", scimToken)
	w.resync(everything)
}

func (s *script) source(_ *testscript.TestScript, args []string) error {
	switch args[0] {
	case "disable", "rename":
		n, err := strconv.Atoi(args[1])
		if err != nil {
			return err
		}
		for _, id := range s.world.activeIDs()[:n] {
			if args[0] == "disable" {
				err = s.world.org.SetStatus(id, oktatest.Deprovisioned)
			} else {
				err = s.world.org.UpdateUser(id, map[string]any{"lastName": args[2]})
			}
			if err != nil {
				return err
			}
		}
		return nil
	case "end":
		s.world.org.Configure(func(o *oktatest.Options) { o.Token = "another" })
		return nil
	}
	return fmt.Errorf("unknown change %s", args[0])
}

func (s *script) target(_ *testscript.TestScript, args []string) error {
	switch args[0] {
	case "drift":
		first := s.world.activeIDs()[0]
		for _, p := range s.world.people() {
			if p.id == first {
				return s.world.application.Edit(identity.User, p.login, "name.familyName", "Drifted")
			}
		}
		return errors.New("nobody to tamper with")
	case "end":
		s.world.application.SetToken("another")
		return nil
	case "wipe":
		return s.world.application.Wipe()
	}
	return fmt.Errorf("unknown change %s", args[0])
}

func (s *script) written(_ *testscript.TestScript, args []string) error {
	want, err := strconv.Atoi(args[0])
	if err != nil {
		return err
	}
	writes := s.world.writes()
	have := writes - s.seen
	if s.seen = writes; have != want {
		return fmt.Errorf("%d writes came to the application, want %d", have, want)
	}
	return nil
}

// writes returns how many writing requests came to the application.
func (w *world) writes() int {
	total := 0
	for kind, n := range w.application.Requests() {
		if !strings.HasPrefix(kind, "GET ") && !strings.HasSuffix(kind, "/.search") {
			total += n
		}
	}
	return total
}

func (s *script) settled(*testscript.TestScript, []string) error {
	s.world.unique()
	s.world.complete()
	s.world.settled()
	if s.t.Failed() {
		return errors.New("the application is not in step")
	}
	return nil
}

func (s *script) edit(ts *testscript.TestScript, args []string) error {
	if len(args) != 3 {
		return errors.New("usage: edit FILE OLD NEW")
	}
	text := ts.ReadFile(args[0])
	if !strings.Contains(text, args[1]) {
		return fmt.Errorf("%s does not hold %q", args[0], args[1])
	}
	return os.WriteFile(ts.MkAbs(args[0]), []byte(strings.ReplaceAll(text, args[1], args[2])), 0o600)
}

func (s *script) keep(ts *testscript.TestScript, args []string) error {
	return os.WriteFile(ts.MkAbs(args[0]), []byte(ts.ReadFile("stdout")), 0o600)
}
