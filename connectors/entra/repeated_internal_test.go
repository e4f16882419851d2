package entra

import "testing"

func TestRepeated(t *testing.T) {
	t.Parallel()
	for object, want := range map[string]string{
		`{"value":[],"@odata.nextLink":"a"}`:                                      "",
		`{"value":[{"value":1},{"value":[{"value":2}]}]}`:                         "",
		`{"note":"\"value\"","value":[],"other":{"value":1,"@odata.nextLink":1}}`: "",
		`{"value":[{"id":"a"}],"value":[]}`:                                       "value",
		`{"value":[],"@odata.nextLink":"a","@odata.nextLink":"b"}`:                "@odata.nextLink",
		`{"@odata.nextLink":"a","value":[],"x":{"value":1},"value":null}`:         "value",
	} {
		if got := repeated([]byte(object), "value", "@odata.nextLink"); got != want {
			t.Errorf("%s: %q, want %q", object, got, want)
		}
	}
}
