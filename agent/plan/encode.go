package plan

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"

	"github.com/scimsync/scimsync/identity"
)

// formatVersion is the version of the JSON form.
const formatVersion = 1

// stepJSON is a step on paper.
type stepJSON struct {
	Op         identity.Op          `json:"op"`
	Kind       identity.Kind        `json:"kind"`
	SourceID   string               `json:"source_id"`
	TargetID   string               `json:"target_id"`
	Name       string               `json:"name"`
	Cause      identity.Cause       `json:"cause"`
	Reason     string               `json:"reason"`
	Attributes []identity.Attribute `json:"attributes"`
	Members    []memberJSON         `json:"members"`
	Wave       Wave                 `json:"wave"`
	Level      int                  `json:"level"`
	Rule       Rule                 `json:"rule,omitempty"`
	Outcome    Outcome              `json:"outcome,omitempty"`
	Error      string               `json:"error,omitempty"`
}

type memberJSON struct {
	SourceID string        `json:"source_id"`
	TargetID string        `json:"target_id"`
	Name     string        `json:"name"`
	Kind     identity.Kind `json:"kind,omitempty"`
}

type skippedJSON struct {
	Kind      identity.Kind `json:"kind"`
	SourceID  string        `json:"source_id"`
	Name      string        `json:"name"`
	Why       string        `json:"why"`
	Undecided bool          `json:"undecided"`
	Policy    string        `json:"policy,omitempty"`
	TargetID  string        `json:"target_id,omitempty"`
}

func (s stepJSON) step() Step {
	out := Step{
		Place: Place{s.Wave, s.Level}, Held: s.Rule,
		Change: identity.Change{
			Op: s.Op, Ref: identity.Ref{Kind: s.Kind, ID: s.SourceID}, TargetID: s.TargetID, Name: s.Name,
			Cause: s.Cause, Reason: s.Reason, Attributes: s.Attributes,
		},
	}
	for _, m := range s.Members {
		kind := m.Kind
		if kind == "" {
			kind = identity.User
		}
		out.Members = append(out.Members, identity.Member{Ref: identity.Ref{Kind: kind, ID: m.SourceID}, TargetID: m.TargetID, Name: m.Name})
	}
	return out
}

// Write writes plans as one JSON document, step by step, so that a large plan
// needs no memory.
func Write(w io.Writer, plans ...*Plan) error {
	e := &encoder{w: w}
	e.text(fmt.Sprintf(`{"version":%d,"syncs":[`, formatVersion))
	for i, p := range plans {
		if i > 0 {
			e.text(",")
		}
		e.plan(p)
	}
	e.text("]}\n")
	return e.end()
}

// Digest returns the hash of what a plan would do: two plans of one digest do
// the same to the same target under the same configuration.
func Digest(p *Plan) (string, error) {
	hash := sha256.New()
	e := &encoder{w: hash}
	e.text("{")
	e.field("sync", p.Sync)
	e.what(p, func(s Step) Step {
		s.Outcome, s.Error = "", ""
		return s
	})
	if err := e.end(); err != nil {
		return "", err
	}
	return "sha256:" + hex.EncodeToString(hash.Sum(nil)), nil
}

// encoder writes JSON, a piece at a time, and keeps the first error.
type encoder struct {
	w     io.Writer
	piece []byte
	err   error
}

// pieceSize is from how many bytes on a piece is written.
const pieceSize = 32 << 10

func (e *encoder) text(s string) {
	if e.piece = append(e.piece, s...); len(e.piece) >= pieceSize {
		e.flush()
	}
}

func (e *encoder) bytes(b []byte) {
	if e.piece = append(e.piece, b...); len(e.piece) >= pieceSize {
		e.flush()
	}
}

func (e *encoder) flush() {
	if e.err == nil && len(e.piece) > 0 {
		_, e.err = e.w.Write(e.piece)
	}
	e.piece = e.piece[:0]
}

// end writes what is left and returns the first error.
func (e *encoder) end() error {
	e.flush()
	return e.err
}

func (e *encoder) value(v any) {
	if e.err != nil {
		return
	}
	var b bytes.Buffer
	encode := json.NewEncoder(&b)
	encode.SetEscapeHTML(false)
	if e.err = encode.Encode(v); e.err == nil {
		e.bytes(plainReplacement(bytes.TrimRight(b.Bytes(), "\n")))
	}
}

// plainReplacement writes U+FFFD as itself. encoding/json writes an escape where
// it replaces a byte that is not UTF-8, but the character where it finds it, so
// that a plan that was read back would have another digest.
func plainReplacement(text []byte) []byte {
	const escape = `\ufffd`
	if !bytes.Contains(text, []byte(escape)) {
		return text
	}
	out := make([]byte, 0, len(text))
	for len(text) > 0 {
		switch {
		case bytes.HasPrefix(text, []byte(escape)):
			out, text = append(out, "\uFFFD"...), text[len(escape):]
		case text[0] == '\\' && len(text) > 1:
			out, text = append(out, text[:2]...), text[2:]
		default:
			out, text = append(out, text[0]), text[1:]
		}
	}
	return out
}

func (e *encoder) field(name string, v any) {
	e.value(name)
	e.text(":")
	e.value(v)
	e.text(",")
}

func (e *encoder) plan(p *Plan) {
	e.text("{")
	e.field("sync", p.Sync)
	if p.Run != "" {
		e.field("run", p.Run)
	}
	e.field("id", p.ID)
	e.field("created", p.Created)
	e.what(p, func(s Step) Step { return s })
	guard := p.Guard
	if guard.Trips == nil {
		guard.Trips = []Trip{}
	}
	e.field("guard", guard)
	e.field("summary", p.Summary)
	notes := p.Notes
	if notes == nil {
		notes = []string{}
	}
	e.field("notes", notes)
	e.value("digest")
	e.text(":")
	e.value(p.Digest)
	e.text("}")
}

// what writes the part of a plan that its digest covers.
func (e *encoder) what(p *Plan, view func(Step) Step) {
	e.field("target", p.Target)
	e.field("config_hash", p.ConfigHash)
	e.field("cycle", p.Cycle)
	held := 0
	e.steps("changes", p.Steps, view, func(s Step) bool {
		if s.Held != "" {
			held++
		}
		return s.Held == ""
	})
	rest := p.Steps
	if held == 0 { // most plans hold nothing: they are not read twice
		rest = Of(nil)
	}
	e.steps("held", rest, view, func(s Step) bool { return s.Held != "" })
	skipped := make([]skippedJSON, len(p.Skipped))
	for i, s := range p.Skipped {
		skipped[i] = skippedJSON{s.Ref.Kind, s.Ref.ID, s.Name, s.Why, s.Undecided, s.Policy, s.TargetID}
	}
	e.field("skipped", skipped)
}

func (e *encoder) steps(name string, all iter.Seq2[Step, error], view func(Step) Step, want func(Step) bool) {
	e.value(name)
	e.text(":[")
	separator := "\n"
	for s, err := range all {
		if err != nil {
			e.err = errors.Join(e.err, err)
		}
		if e.err != nil {
			return
		}
		if want(s) {
			e.text(separator)
			e.step(view(s))
			separator = ",\n"
		}
	}
	e.text("],")
}

// planJSON is a plan as it is read back.
type planJSON struct {
	Sync       string        `json:"sync"`
	Run        string        `json:"run"`
	ID         string        `json:"id"`
	Created    string        `json:"created"`
	Target     string        `json:"target"`
	ConfigHash string        `json:"config_hash"`
	Cycle      Cycle         `json:"cycle"`
	Changes    []stepJSON    `json:"changes"`
	Held       []stepJSON    `json:"held"`
	Skipped    []skippedJSON `json:"skipped"`
	Guard      Guard         `json:"guard"`
	Summary    Summary       `json:"summary"`
	Notes      []string      `json:"notes"`
	Digest     string        `json:"digest"`
}

// maxFile bounds a saved plan, in bytes.
const maxFile = 2 << 30

// Read reads a saved plan and proves each part by its digest. The digest finds
// damage and edits made by hand; it is no signature.
func Read(r io.Reader) ([]*Plan, error) { return read(r, maxFile) }

func read(r io.Reader, limit int64) ([]*Plan, error) {
	bounded := &io.LimitedReader{R: r, N: limit + 1}
	plans, err := decode(bounded)
	if bounded.N <= 0 {
		return nil, fmt.Errorf("not a plan that scimsync saved: it is larger than %d bytes", limit)
	}
	return plans, err
}

func decode(r io.Reader) ([]*Plan, error) {
	decoder := json.NewDecoder(r)
	decoder.DisallowUnknownFields()
	var doc struct {
		Version int        `json:"version"`
		Syncs   []planJSON `json:"syncs"`
	}
	if err := decoder.Decode(&doc); err != nil {
		return nil, fmt.Errorf("not a plan that scimsync saved: %w", err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("not a plan that scimsync saved: something follows its end")
	}
	if doc.Version != formatVersion {
		return nil, fmt.Errorf("plan format %d; this scimsync reads format %d", doc.Version, formatVersion)
	}
	if len(doc.Syncs) == 0 {
		return nil, errors.New("the file holds no plan: plan again and save it anew")
	}
	plans := make([]*Plan, len(doc.Syncs))
	for i, j := range doc.Syncs {
		p := j.plan()
		if err := check(p); err != nil {
			return nil, err
		}
		if j.Run != "" {
			return nil, fmt.Errorf("this is the report of run %s, not a plan: save one with plan --out", j.Run)
		}
		digest, err := Digest(p)
		if err != nil {
			return nil, err
		}
		if digest != p.Digest {
			return nil, fmt.Errorf("the plan of sync %s was changed after it was saved: its digest does not fit", p.Sync)
		}
		plans[i] = p
	}
	return plans, nil
}

// check refuses steps that this scimsync does not know how to take.
func check(p *Plan) error {
	for s, err := range p.Steps {
		if err != nil {
			return err
		}
		switch s.Op {
		case identity.Create, identity.Adopt, identity.Update, identity.Reactivate, identity.Deactivate,
			identity.Delete, identity.AddMembers, identity.RemoveMembers, identity.Release:
		default:
			return fmt.Errorf("the plan of sync %s wants %q of %s, which this scimsync does not know", p.Sync, s.Op, s.Ref)
		}
		if !slices.Contains(identity.Kinds(), s.Ref.Kind) || s.Ref.ID == "" {
			return fmt.Errorf("the plan of sync %s: %q names no user or group", p.Sync, s.Ref)
		}
		if s.Place.Wave < WaveDeactivate || s.Place.Wave > WaveDeleteUsers || s.Place.Level < 0 {
			return fmt.Errorf("the plan of sync %s: %s of %s has no place in the write order (wave %d, level %d)",
				p.Sync, s.Op, s.Ref, s.Place.Wave, s.Place.Level)
		}
	}
	return nil
}

func (j planJSON) plan() *Plan {
	p := &Plan{
		Sync: j.Sync, ID: j.ID, Created: j.Created, Target: j.Target, ConfigHash: j.ConfigHash, Cycle: j.Cycle,
		Guard: j.Guard, Summary: j.Summary, Notes: j.Notes, Digest: j.Digest,
	}
	var steps []Step
	for _, list := range [...][]stepJSON{j.Changes, j.Held} {
		for _, s := range list {
			step := s.step()
			step.Seq = int64(len(steps) + 1)
			steps = append(steps, step)
		}
	}
	p.Steps = Of(steps)
	for _, s := range j.Skipped {
		p.Skipped = append(p.Skipped, Skipped{
			Ref: identity.Ref{Kind: s.Kind, ID: s.SourceID}, Name: s.Name, Why: s.Why, Undecided: s.Undecided,
			Policy: s.Policy, TargetID: s.TargetID,
		})
	}
	return p
}
