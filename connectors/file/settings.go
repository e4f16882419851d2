package file

import (
	"strings"

	"github.com/scimsync/scimsync/connectors"
	"github.com/scimsync/scimsync/identity"
)

// Settings are the keys of a source of type file.
type Settings struct {
	// Path is the folder with users.jsonl and groups.jsonl.
	Path string `yaml:"path" json:"path" path:"true" jsonschema:"required,description=Folder with users.jsonl and groups.jsonl"`
}

// Validate returns what is wrong with the settings. Whether the folder exists is
// seen when it is read: a configuration may be checked elsewhere.
func (s *Settings) Validate() []connectors.SettingError {
	switch {
	case strings.TrimSpace(s.Path) == "":
		return []connectors.SettingError{{Key: "path", Problem: "is missing: name the folder that holds users.jsonl and groups.jsonl"}}
	case strings.ContainsRune(s.Path, 0):
		return []connectors.SettingError{{Key: "path", Problem: "holds a zero byte: name the folder that holds users.jsonl and groups.jsonl"}}
	}
	return nil
}

// Type describes the source.
func Type() connectors.SourceType {
	return connectors.SourceType{
		Name:     "file",
		Summary:  "JSON Lines files of users and groups, such as an export",
		Settings: func() any { return &Settings{} },
		Fields: map[identity.Kind][]identity.Field{
			identity.User:  userFields(),
			identity.Group: groupFields(),
		},
		DefaultMap: map[identity.Kind]map[string]string{
			identity.User: {
				"userName":                     "userName",
				"name.givenName":               "givenName",
				"name.familyName":              "familyName",
				"displayName":                  `displayName ?? Join(" ", givenName, familyName)`,
				`emails[type eq "work"].value`: "email",
				"active":                       "active",
			},
			identity.Group: {
				"displayName": "name",
			},
		},
		Open: func(settings any, rt connectors.Runtime) (connectors.Source, error) {
			s, ok := settings.(*Settings)
			if !ok {
				return nil, connectors.Errorf(connectors.Rejected, "settings are a %T, want %T", settings, s)
			}
			if mistakes := s.Validate(); len(mistakes) > 0 {
				return nil, connectors.Errorf(connectors.Rejected, "%w", mistakes[0])
			}
			return &source{folder: s.Path}, nil
		},
	}
}

func userFields() []identity.Field {
	return []identity.Field{
		{Path: "id", Type: identity.String, Always: true},
		{Path: "userName", Type: identity.String, Always: true},
		{Path: "active", Type: identity.Bool, Always: true},
		{Path: "givenName", Type: identity.String},
		{Path: "familyName", Type: identity.String},
		{Path: "displayName", Type: identity.String},
		{Path: "email", Type: identity.String},
		{Path: "title", Type: identity.String},
		{Path: "department", Type: identity.String},
		{Path: "employeeNumber", Type: identity.String},
		{Path: "managerId", Type: identity.String},
		{Path: "attributes", Type: identity.Object, Open: true},
	}
}

func groupFields() []identity.Field {
	return []identity.Field{
		{Path: "id", Type: identity.String, Always: true},
		{Path: "name", Type: identity.String, Always: true},
		{Path: "description", Type: identity.String},
		{Path: "attributes", Type: identity.Object, Open: true},
	}
}
