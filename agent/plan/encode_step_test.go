package plan

import (
	"bytes"
	"encoding/json"
	"testing"

	"pgregory.net/rapid"

	"github.com/scimsync/scimsync/identity"
)

// A step is written as encoding/json writes its JSON form, whatever is in it.
func TestStepAsJSON(t *testing.T) {
	t.Parallel()
	text := rapid.OneOf(
		rapid.String(), rapid.StringMatching(`[a-z@. ]{0,20}`),
		rapid.SampledFrom([]string{
			"", `emails[type eq "work"].value`, `a\b`, `\ufffd`, "\xff", "a\xc3", "\ufffd", "\u2028\u2029", "\x00\x1f\x7f", "<&>", "Zoë", "\U0001F600",
		}),
	)
	value := rapid.OneOf(
		text.AsAny(), rapid.Bool().AsAny(), rapid.Just[any](nil), rapid.Float64().AsAny(), rapid.SliceOf(text).AsAny(),
		rapid.Just[any]([]string(nil)), rapid.Just[any](identity.Reference{Ref: identity.Ref{Kind: identity.User, ID: "<1>"}}),
	)
	rapid.Check(t, func(t *rapid.T) {
		s := Step{Place: Place{Wave(rapid.IntRange(0, 9).Draw(t, "wave")), rapid.IntRange(-1, 12).Draw(t, "level")}}
		s.Op, s.Cause, s.Reason = identity.Op(text.Draw(t, "op")), identity.Cause(text.Draw(t, "cause")), text.Draw(t, "reason")
		s.Ref = identity.Ref{Kind: identity.Kind(text.Draw(t, "kind")), ID: text.Draw(t, "id")}
		s.TargetID, s.Name = text.Draw(t, "target"), text.Draw(t, "name")
		s.Held, s.Outcome, s.Error = Rule(text.Draw(t, "rule")), Outcome(text.Draw(t, "outcome")), text.Draw(t, "error")
		for range rapid.IntRange(0, 3).Draw(t, "attributes") {
			s.Attributes = append(s.Attributes, identity.Attribute{
				Path: text.Draw(t, "path"), Before: value.Draw(t, "before"), After: value.Draw(t, "after"),
			})
		}
		for range rapid.IntRange(0, 3).Draw(t, "members") {
			kind := rapid.SampledFrom([]identity.Kind{identity.User, identity.Group, ""}).Draw(t, "member")
			s.Members = append(s.Members, identity.Member{
				Ref: identity.Ref{Kind: kind, ID: text.Draw(t, "member id")}, TargetID: text.Draw(t, "member target"), Name: text.Draw(t, "member name"),
			})
		}
		var got, want bytes.Buffer
		e := &encoder{w: &got}
		e.step(s)
		if err := e.end(); err != nil {
			t.Fatal(err)
		}
		encode := json.NewEncoder(&want)
		encode.SetEscapeHTML(false)
		if err := encode.Encode(toJSON(s)); err != nil {
			t.Fatal(err)
		}
		if w := plainReplacement(bytes.TrimRight(want.Bytes(), "\n")); !bytes.Equal(got.Bytes(), w) {
			t.Fatalf("written as\n%s, want\n%s", got.Bytes(), w)
		}
	})
}

// toJSON returns a step as encoding/json is to write it.
func toJSON(s Step) stepJSON {
	out := stepJSON{
		Op: s.Op, Kind: s.Ref.Kind, SourceID: s.Ref.ID, TargetID: s.TargetID, Name: s.Name,
		Cause: s.Cause, Reason: s.Reason, Attributes: s.Attributes, Members: make([]memberJSON, len(s.Members)),
		Wave: s.Place.Wave, Level: s.Place.Level, Rule: s.Held, Outcome: s.Outcome, Error: s.Error,
	}
	if out.Attributes == nil {
		out.Attributes = []identity.Attribute{}
	}
	for i, m := range s.Members {
		out.Members[i] = memberJSON{SourceID: m.Ref.ID, TargetID: m.TargetID, Name: m.Name}
		if m.Ref.Kind != identity.User {
			out.Members[i].Kind = m.Ref.Kind
		}
	}
	return out
}
