package render_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode"

	"github.com/google/go-cmp/cmp"
	gotext "github.com/jedib0t/go-pretty/v6/text"
	"pgregory.net/rapid"

	"github.com/scimsync/scimsync/agent/plan"
	"github.com/scimsync/scimsync/agent/render"
	"github.com/scimsync/scimsync/identity"
)

// TestMain fixes the width of ambiguous characters, which the locale decides
// elsewhere.
func TestMain(m *testing.M) {
	gotext.OverrideRuneWidthEastAsianWidth(false)
	os.Exit(m.Run())
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if os.Getenv("UPDATE_GOLDEN") != "" {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got); run with UPDATE_GOLDEN=1 when it is meant:\n%s", file, diff)
	}
}

type fataler interface {
	Helper()
	Fatal(...any)
}

func text(t fataler, p *plan.Plan, style render.Style) string {
	t.Helper()
	var b strings.Builder
	if err := render.Text(&b, p, style); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func markdown(t fataler, p *plan.Plan) string {
	t.Helper()
	var b strings.Builder
	if err := render.Markdown(&b, p); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// cases are the plans whose look is fixed.
func cases() map[string]*plan.Plan {
	many := func(n int, step func(string) plan.Step) []plan.Step {
		var out []plan.Step
		for i := range n {
			out = append(out, step(fmt.Sprintf("person%03d@example.com", i)))
		}
		return out
	}
	first := many(60, created)
	for i := range 30 {
		s := created(fmt.Sprintf("OM_Group %02d", i))
		s.Ref.Kind, s.Members = identity.Group, people("ann@example.com", "bob@example.com")
		first = append(first, s)
	}
	stopped := many(40, created)
	for i := range stopped {
		switch {
		case i == 3 || i == 37:
			stopped[i].Outcome, stopped[i].Error = plan.Failed, "500: out of order"
		case i > 20:
			stopped[i].Outcome, stopped[i].Error = plan.NotTried, "the run stopped before its turn"
		}
	}
	seven := func(rule plan.Rule) []plan.Step { return held(rule, many(7, deactivated)...) }
	vanished := func() []plan.Step {
		steps := many(3, created)
		for i := range steps {
			steps[i].Cause, steps[i].Reason = identity.CauseVanished, "was provisioned, but is no longer at the target"
		}
		return held(plan.RuleVanished, steps...)
	}
	undecided := []plan.Skipped{
		{Ref: user("00u1"), Name: "ann@example.com", Why: "2 objects at the target match by userName: 17, 18", Undecided: true},
		{Ref: user("00u2"), Name: "00u2", Why: "could not be read at the source: the profile has no login", Undecided: true},
	}
	policy := []plan.Skipped{{Ref: group("00g1"), Name: "BuiltInAdmins", Why: "protected"}}
	for i := range 30 {
		policy = append(policy, plan.Skipped{Ref: user(fmt.Sprintf("00u%02d", i)), Name: fmt.Sprintf("new%02d@example.com", i), Why: "create is off"})
	}
	waiting := held(plan.RuleDepends, updated("amy@example.com", set("userName", "amy@example.com", "gus@example.com")))
	return map[string]*plan.Plan{
		"empty":      made(nil, unchanged(1234, 50)),
		"empty-run":  made(nil, unchanged(1234, 50), ran),
		"first-load": made(first, func(p *plan.Plan) { p.Requests, p.Seconds = 90, 4.6 }),
		"mixed": made(mixed(), unchanged(940, 12), func(p *plan.Plan) {
			p.Notes = []string{"the credential of target alation expires in 12 days, on 2026-01-14: renew it before, or every run will be refused"}
		}),
		"run":         made(mixed(), unchanged(940, 12), ran),
		"run-trouble": made(finished(), unchanged(940, 12), ran),
		"run-stopped": made(stopped, ran),
		"guard-limits": made(append(append(mixed()[2:3], seven(plan.RuleMax)...), waiting...), unchanged(30, 0), tripped(
			plan.Trip{Rule: plan.RuleMax, Kind: plan.Users, Count: 7, Of: 38, Limit: 5},
			plan.Trip{Rule: plan.RuleShare, Kind: plan.Users, Count: 7, Of: 38, Limit: 0.1})),
		"guard-limits-run": made(append(mixed()[2:3], seven(plan.RuleMax)...), unchanged(30, 0), tripped(
			plan.Trip{Rule: plan.RuleMax, Kind: plan.Users, Count: 7, Of: 38, Limit: 5}), ran),
		"guard-vanished": made(vanished(), tripped(
			plan.Trip{Rule: plan.RuleVanished, Kind: plan.Users, Count: 3, Of: 3, Limit: 0.5})),
		"guard-wrong-target": made(held(plan.RuleWrongTarget, created("ann@example.com")), tripped(
			plan.Trip{Rule: plan.RuleWrongTarget, Kind: plan.Users, Count: 990, Of: 990, Name: "https://old.alation.example.com/scim/v2"})),
		"guard-configuration": made(held(plan.RuleConfig, deactivated("ann@example.com")), unchanged(30, 0), tripped(
			plan.Trip{Rule: plan.RuleConfig, Kind: plan.Users, Count: 1, Of: 31})),
		"guard-emptied-group": made(append(mixed()[2:3], held(plan.RuleEmptiedGroup, membersOf(identity.RemoveMembers, "OM_Admins",
			"ann@example.com", "bob@example.com", "cleo@example.com", "dan@example.com", "eve@example.com", "flo@example.com"))...),
			unchanged(30, 4), tripped(
				plan.Trip{Rule: plan.RuleEmptiedGroup, Kind: plan.Memberships, Count: 6, Of: 6, Limit: 5, Name: "OM_Admins"})),
		"guard-max-changes": made(held(plan.RuleCeiling, many(3, created)...), tripped(
			plan.Trip{Rule: plan.RuleCeiling, Kind: plan.Users, Count: 3, Of: 3, Limit: 2}), ran),
		"guard-allowance": made(seven(plan.RuleAllowance), tripped(
			plan.Trip{Rule: plan.RuleAllowance, Kind: plan.Users, Count: 7, Of: 7, Limit: 6}), ran),
		"guard-allowance-none": made(held(plan.RuleAllowance, created("ann@example.com")), tripped(
			plan.Trip{Rule: plan.RuleAllowance, Kind: plan.Users, Limit: 6}), ran),
		"skipped": made(nil, unchanged(900, 10), skipped(append(undecided, policy...)...)),
		"hostile": hostile(),
	}
}

func TestText(t *testing.T) {
	t.Parallel()
	for name, p := range cases() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			plain := text(t, p, render.Style{})
			golden(t, name+".txt", plain)
			wholesome(t, plain, 80)
			colored := text(t, p, render.Style{Color: true})
			if diff := cmp.Diff(plain, stripped(colored)); diff != "" {
				t.Errorf("colour changes more than colours (-without +with):\n%s", diff)
			}
			switch name {
			case "mixed", "run-trouble", "guard-limits", "skipped":
				golden(t, name+".color.txt", strings.ReplaceAll(colored, "\x1b", `\e`))
			}
			for _, columns := range []int{1, 40, 57, 200} {
				wholesome(t, text(t, p, render.Style{Width: columns}), max(columns, 40))
			}
		})
	}
}

func TestMarkdown(t *testing.T) {
	t.Parallel()
	for name, p := range cases() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := markdown(t, p)
			golden(t, name+".md", got)
			tables(t, got)
		})
	}
}

var escapes = regexp.MustCompile("\x1b\\[[0-9;]*m")

func stripped(s string) string { return escapes.ReplaceAllString(s, "") }

// wholesome checks what no plan may break: the width of lines, apart from the
// command that is to be copied, and the reader's terminal.
func wholesome(t interface {
	fataler
	Errorf(string, ...any)
}, got string, columns int,
) {
	t.Helper()
	for i, line := range strings.Split(got, "\n") {
		if n := gotext.StringWidthWithoutEscSequences(line); n > columns && !strings.HasPrefix(line, "  scimsync sync ") {
			t.Errorf("line %d has %d columns of %d: %q", i+1, n, columns, line)
		}
		if strings.TrimRight(line, " ") != line {
			t.Errorf("line %d ends in spaces: %q", i+1, line)
		}
		visible(t, line)
	}
}

func visible(t interface {
	fataler
	Errorf(string, ...any)
}, line string,
) {
	t.Helper()
	if len(line) > 4096 {
		t.Errorf("a line of %d bytes: %.80q…", len(line), line)
	}
	for _, r := range line {
		if unicode.In(r, unicode.Cc, unicode.Cf, unicode.Co, unicode.Zl, unicode.Zp) {
			t.Errorf("%U in %q", r, line)
		}
	}
}

// tables checks that every row of a table has the cells its head has, as GFM
// counts them: pipes behind an odd number of backslashes do not count.
func tables(t interface {
	fataler
	Errorf(string, ...any)
}, got string,
) {
	t.Helper()
	columns := 0
	for line := range strings.SplitSeq(got, "\n") {
		for _, r := range line {
			if unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp) {
				t.Errorf("%U in %q", r, line)
			}
		}
		if strings.Contains(line, "<script") || strings.Contains(line, "<img") {
			if prose := spans.ReplaceAllString(line, ""); strings.Contains(prose, "<script") || strings.Contains(prose, "<img") {
				t.Errorf("HTML of a name gets through: %q", line)
			}
		}
		if !strings.HasPrefix(line, "|") {
			columns = 0
			continue
		}
		cells, slashes := -1, 0
		for _, r := range line {
			if r == '|' && slashes%2 == 0 {
				cells++
			}
			if slashes++; r != '\\' {
				slashes = 0
			}
		}
		if columns == 0 {
			columns = cells
		}
		if cells != columns {
			t.Errorf("%d cells under a head of %d: %q", cells, columns, line)
		}
	}
}

// spans are code spans of one or more backticks.
var spans = regexp.MustCompile("```.*?```|``.*?``|`[^`]*`")

// TestAnyNames: whatever a directory holds, the page keeps its shape.
func TestAnyNames(t *testing.T) {
	t.Parallel()
	name := rapid.OneOf(rapid.String(), rapid.SampledFrom(nasty), rapid.StringOf(rapid.RuneFrom([]rune("|\\`*<> \n\u202e\u200d漢é\u0301👩"))))
	rapid.Check(t, func(t *rapid.T) {
		draw := func() string { return name.Draw(t, "name") }
		adopt := created(draw())
		adopt.Op, adopt.TargetID, adopt.Reason = identity.Adopt, draw(), draw()
		failed := deactivated(draw())
		failed.Outcome, failed.Error = plan.Failed, draw()
		p := made([]plan.Step{
			adopt, failed, created(draw()), updated(draw(), set(draw(), draw(), draw()), set("roles", []string{draw()}, []string{draw()})),
			membersOf(identity.RemoveMembers, draw(), draw(), draw()), held(plan.RuleMax, deactivated(draw()))[0],
		}, tripped(plan.Trip{Rule: plan.RuleEmptiedGroup, Name: draw()}), skipped(
			plan.Skipped{Ref: user(draw()), Name: draw(), Why: draw(), Undecided: true}, plan.Skipped{Ref: group(draw()), Name: draw(), Why: draw()}))
		p.Notes = []string{draw()}
		columns := rapid.SampledFrom([]int{40, 80, 132}).Draw(t, "columns")
		wholesome(t, text(t, p, render.Style{Width: columns}), columns)
		tables(t, markdown(t, p))
	})
}

// TestRemovalsAreShownInFull: every removal is named, however many there are.
func TestRemovalsAreShownInFull(t *testing.T) {
	t.Parallel()
	var steps []plan.Step
	var names []string
	for i := range 200 {
		names = append(names, fmt.Sprintf("leaver%03d@example.com", i))
		steps = append(steps, deactivated(names[i]))
	}
	for what, p := range map[string]*plan.Plan{
		"deactivations": made(steps),
		"memberships":   made([]plan.Step{membersOf(identity.RemoveMembers, "OM_Everyone", names...)}),
		"held": made(held(plan.RuleMax, append([]plan.Step(nil), steps...)...), tripped(
			plan.Trip{Rule: plan.RuleMax, Kind: plan.Users, Count: 200, Of: 200, Limit: 5})),
	} {
		shown, reviewed := text(t, p, render.Style{}), markdown(t, p)
		for _, name := range names {
			if !strings.Contains(shown, name) || !strings.Contains(reviewed, name) {
				t.Errorf("%s: %s is not shown", what, name)
			}
		}
	}
}

// TestTrouble: neither a broken plan nor a broken writer goes unnoticed.
func TestTrouble(t *testing.T) {
	t.Parallel()
	gone := errors.New("the scratch room is gone")
	for after := range 2 {
		p := made(mixed())
		steps, reads := p.Steps, 0
		p.Steps = func(yield func(plan.Step, error) bool) {
			if reads++; reads > after {
				yield(plan.Step{}, gone)
				return
			}
			steps(yield)
		}
		if err := render.Text(&strings.Builder{}, p, render.Style{}); !errors.Is(err, gone) {
			t.Errorf("Text, at reading %d: %v", after+1, err)
		}
		reads = 0
		if err := render.Markdown(&strings.Builder{}, p); !errors.Is(err, gone) {
			t.Errorf("Markdown, at reading %d: %v", after+1, err)
		}
	}
	full := errors.New("disk full")
	if err := render.Text(failing{full}, made(mixed()), render.Style{}); !errors.Is(err, full) {
		t.Errorf("Text: %v", err)
	}
	if err := render.Markdown(failing{full}, made(mixed())); !errors.Is(err, full) {
		t.Errorf("Markdown: %v", err)
	}
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }
