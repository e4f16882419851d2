package ledger

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/scimsync/scimsync/identity"
)

// anyValue draws what an attribute may hold.
func anyValue() *rapid.Generator[any] {
	reference := rapid.Custom(func(t *rapid.T) any {
		return identity.Reference{Ref: identity.Ref{Kind: identity.User, ID: rapid.String().Draw(t, "id")}}
	})
	return rapid.OneOf(
		rapid.String().AsAny(), rapid.Bool().AsAny(), rapid.Float64().AsAny(), rapid.SliceOf(rapid.String()).AsAny(),
		rapid.Just[any](nil), rapid.Just[any]([]string(nil)), rapid.Int().AsAny(), reference,
	)
}

// What is packed comes back as it would from JSON, which is how it is kept where it
// lasts.
func TestPackEntry(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		e := identity.Entry{
			Ref:      identity.Ref{Kind: identity.Kind(rapid.String().Draw(t, "kind")), ID: rapid.String().Draw(t, "id")},
			TargetID: rapid.String().Draw(t, "target"),
			Attrs:    rapid.MapOf(rapid.String(), anyValue()).Draw(t, "attributes"),
		}
		data, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		var want identity.Entry
		if err := json.Unmarshal(data, &want); err != nil {
			t.Fatal(err)
		}
		packed, err := packEntry(e)
		if err != nil {
			t.Fatal(err)
		}
		got, err := unpackEntry(packed)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("entry (-JSON +packed):\n%s", diff)
		}
	})
}

func TestPackBody(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := stepBody{Cause: identity.Cause(rapid.String().Draw(t, "cause")), Reason: rapid.String().Draw(t, "reason")}
		for range rapid.IntRange(0, 4).Draw(t, "attributes") {
			s.Attributes = append(s.Attributes, identity.Attribute{
				Path: rapid.String().Draw(t, "path"), Before: anyValue().Draw(t, "before"), After: anyValue().Draw(t, "after"),
			})
		}
		for range rapid.IntRange(0, 4).Draw(t, "members") {
			s.Members = append(s.Members, identity.Member{
				Ref:      identity.Ref{Kind: identity.Group, ID: rapid.String().Draw(t, "id")},
				TargetID: rapid.String().Draw(t, "target"), Name: rapid.String().Draw(t, "name"),
			})
		}
		data, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		var want stepBody
		if err := json.Unmarshal(data, &want); err != nil {
			t.Fatal(err)
		}
		packed, err := packBody(s)
		if err != nil {
			t.Fatal(err)
		}
		got, err := unpackBody(packed)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("step (-JSON +packed):\n%s", diff)
		}
	})
}

// What JSON has no number for is refused.
func TestPackNoNumber(t *testing.T) {
	t.Parallel()
	for _, v := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
		if _, err := packEntry(identity.Entry{Attrs: identity.Attrs{"n": v}}); err == nil {
			t.Errorf("%v was packed", v)
		}
	}
}

// Damage is an error: never a panic, and never more memory than the damage has.
func FuzzUnpack(f *testing.F) {
	entry, err := packEntry(identity.Entry{
		Ref: identity.Ref{Kind: identity.User, ID: "1"}, TargetID: "t",
		Attrs: identity.Attrs{"a": "b", "l": []string{"x"}, "n": 1.5, "t": true, "r": identity.Reference{}, "o": 7},
	})
	if err != nil {
		f.Fatal(err)
	}
	body, err := packBody(stepBody{Attributes: []identity.Attribute{{Path: "a"}}, Members: []identity.Member{{Name: "n"}}})
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range [][]byte{nil, {0xff}, bytes.Repeat([]byte{0xff}, 20), entry, entry[:len(entry)-1], append(entry, 0), body, body[:3]} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if e, err := unpackEntry(data); err == nil {
			packed, err := packEntry(e)
			if err != nil {
				t.Skip() // a number JSON has not
			}
			again, err := unpackEntry(packed)
			if err != nil {
				t.Fatalf("%#v came back with %v", e, err)
			}
			if diff := cmp.Diff(e, again); diff != "" {
				t.Fatalf("entry (-first +second):\n%s", diff)
			}
		} else if !errors.Is(err, errPacked) {
			t.Fatal(err)
		}
		if _, err := unpackBody(data); err != nil && !errors.Is(err, errPacked) {
			t.Fatal(err)
		}
	})
}
