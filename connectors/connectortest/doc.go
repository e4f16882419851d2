// Package connectortest proves that a source or a target keeps its contract. It
// holds the conformance suites, the synthetic worlds they run on, and the fault
// schedules they break them with. It is exported so that an implementation
// outside this module can be held to the same words.
//
// It is not a fake of any vendor and knows none: each implementation brings its
// own fake server and says, in a few lines, how a World is put into it and which
// requests ask for what. Nothing but tests may import it.
//
// A source joins like this:
//
//	func TestConformance(t *testing.T) {
//		connectortest.SourceSuite{
//			Type: Type(),
//			Wire: &connectortest.Wire{Users: …, Groups: …, Members: …},
//			Open: func(t *testing.T, o connectortest.SourceOptions) connectortest.SourceUnderTest {
//				fake := httptest.NewServer(o.Faults.Wrap(fakeOf(o.World)))
//				t.Cleanup(fake.Close)
//				return connectortest.SourceUnderTest{Source: open(t, fake.URL, o.PageSize)}
//			},
//			Skip: map[string]string{"nested groups": "Acme groups do not nest"},
//		}.Run(t)
//	}
//
// A case that an implementation cannot run must be named in Skip with the reason,
// which is printed; a name that is no case, or an empty reason, fails. Each case
// opens its own source or target and runs in parallel with the others.
//
// Sound holds one read to the words that hold for every read, for fuzz targets.
package connectortest
