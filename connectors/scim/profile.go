package scim

import (
	"embed"
	"fmt"
	"path"
	"strings"

	"github.com/goccy/go-yaml"

	"github.com/scimsync/scimsync/connectors"
	"github.com/scimsync/scimsync/identity"
)

//go:embed profiles/*.yaml
var profileFiles embed.FS

const defaultProfile = "generic"

// product is what is known about one product: the content of a file in
// profiles/. A field left out is unknown: discovery decides, then the default
// beside the field.
type product struct {
	Name    string `yaml:"name"`
	Product string `yaml:"product"`
	Source  string `yaml:"source"` // where the facts come from

	Dialect string `yaml:"dialect"` // default rfc
	// Write is patch or put; empty asks discovery and then learns.
	Write  writeMethod `yaml:"write"`
	Groups *bool       `yaml:"groups"` // has the kind; default: asks discovery

	Members memberFacts `yaml:"members"`
	Paging  paging      `yaml:"paging"` // default: asks discovery, then index
	// Search says that listings are asked for by POST /.search (RFC 7644,
	// section 3.4.3), because GET does not page. Only a product that is known
	// to answer it without making anything may say so.
	Search bool `yaml:"search"`
	// PageSize is the count to ask for; default 100.
	PageSize int `yaml:"page_size"`
	// Filterable are the only paths a filter may name, per kind. A kind
	// without a list may be asked for any path.
	Filterable         map[string][]string `yaml:"filterable"`
	ExcludedAttributes *bool               `yaml:"excluded_attributes"` // default true
	Listable           *bool               `yaml:"listable"`            // default true

	Active       *bool                   `yaml:"active"` // default true
	Delete       connectors.DeleteEffect `yaml:"delete"` // default removes
	RenameUsers  *bool                   `yaml:"rename_users"`
	RenameGroups *bool                   `yaml:"rename_groups"`

	Required        map[string][]string `yaml:"required"`
	Dropped         map[string][]string `yaml:"dropped"`
	Immutable       map[string][]string `yaml:"immutable"`
	CaseInsensitive map[string][]string `yaml:"case_insensitive"`
	LowerCase       map[string][]string `yaml:"lower_case"`

	// Verify reads every object back after a write without an answer body.
	Verify bool `yaml:"verify"`

	RequestsPerSecond float64 `yaml:"requests_per_second"`
	Concurrency       int     `yaml:"concurrency"`

	Rules rules    `yaml:"rules"`
	Notes []string `yaml:"notes"`
}

// memberFacts is what is known about group members.
type memberFacts struct {
	Access   connectors.MembersAccess `yaml:"access"`    // default readable
	InPost   *bool                    `yaml:"in_post"`   // a create may carry members; default: the dialect's
	PerPatch int                      `yaml:"per_patch"` // default 100
	// InLists says whether listings show members; default: learned.
	InLists *bool `yaml:"in_lists"`
}

// rules are what a product demands of its set-up.
type rules struct {
	// PasswordLonger is the length a basic password must exceed.
	PasswordLonger  int  `yaml:"password_longer"`
	PasswordSpecial bool `yaml:"password_special"`
}

// writeMethod is how an existing object is changed.
type writeMethod string

const (
	patchWrites writeMethod = "patch"
	putWrites   writeMethod = "put"
)

// paging is how a listing is continued.
type paging string

const (
	indexPaging  paging = "index"  // RFC 7644, section 3.4.2.4
	cursorPaging paging = "cursor" // RFC 9865
	noPaging     paging = "none"   // one answer holds everything
)

// The defaults where neither configuration, profile nor discovery says.
const (
	defaultPageSize        = 100
	defaultMembersPerPatch = 100
)

// profileNames returns the names of the profiles in order.
func profileNames() []string {
	// The folder is part of the program: reading it cannot fail.
	entries, _ := profileFiles.ReadDir("profiles")
	names := make([]string, 0, len(entries))
	for _, e := range entries {
		names = append(names, strings.TrimSuffix(e.Name(), ".yaml"))
	}
	return names
}

// loadProduct reads a profile by name; empty means generic.
func loadProduct(name string) (product, error) {
	if name == "" {
		name = defaultProfile
	}
	data, err := profileFiles.ReadFile(path.Join("profiles", name+".yaml"))
	if err != nil {
		return product{}, fmt.Errorf("%s", unknownName("profile", name, profileNames()))
	}
	var p product
	if err := yaml.UnmarshalWithOptions(data, &p, yaml.Strict()); err != nil {
		return product{}, fmt.Errorf("profile %s: %w", name, err)
	}
	if err := p.check(name); err != nil {
		return product{}, fmt.Errorf("profile %s: %w", name, err)
	}
	return p, nil
}

// check refuses values the code has no meaning for.
func (p *product) check(name string) error {
	if p.Name != name {
		return fmt.Errorf("name is %q, the file's is %q", p.Name, name)
	}
	if p.Dialect != "" && !known(dialectNames(), p.Dialect) {
		return fmt.Errorf("%s", unknownName("dialect", p.Dialect, dialectNames()))
	}
	for _, word := range []struct {
		key, value string
		allowed    []string
	}{
		{"write", string(p.Write), []string{"", string(patchWrites), string(putWrites)}},
		{"paging", string(p.Paging), []string{"", string(indexPaging), string(cursorPaging), string(noPaging)}},
		{"delete", string(p.Delete), []string{
			"", string(connectors.DeleteRemoves), string(connectors.DeleteSuspends), string(connectors.DeleteUnsupported),
		}},
		{"members.access", string(p.Members.Access), []string{
			"", string(connectors.MembersReadable), string(connectors.MembersBlind), string(connectors.MembersNone),
		}},
	} {
		if !known(word.allowed, word.value) {
			return fmt.Errorf("%s: %q is not one of %s", word.key, word.value, strings.Join(word.allowed[1:], ", "))
		}
	}
	for key, lists := range map[string]map[string][]string{
		"filterable": p.Filterable, "required": p.Required, "dropped": p.Dropped, "immutable": p.Immutable,
		"case_insensitive": p.CaseInsensitive, "lower_case": p.LowerCase,
	} {
		for kind, paths := range lists {
			if kind != identity.User.Plural() && kind != identity.Group.Plural() {
				return fmt.Errorf("%s: %q is neither users nor groups", key, kind)
			}
			for _, text := range paths {
				if _, err := identity.ParsePath(text); err != nil {
					return fmt.Errorf("%s.%s: %w", key, kind, err)
				}
			}
		}
	}
	return nil
}

// byKind turns the spelling of the file into the contract's.
func byKind(lists map[string][]string) map[identity.Kind][]string {
	out := make(map[identity.Kind][]string, len(lists))
	for _, k := range identity.Kinds() {
		if paths, ok := lists[k.Plural()]; ok {
			out[k] = paths
		}
	}
	return out
}

// or returns the value, or the default where it is unknown.
func or(value *bool, otherwise bool) bool {
	if value == nil {
		return otherwise
	}
	return *value
}

// firstPositive returns the first number above zero.
func firstPositive(numbers ...int) int {
	for _, n := range numbers {
		if n > 0 {
			return n
		}
	}
	return 0
}
