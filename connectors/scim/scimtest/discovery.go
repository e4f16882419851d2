package scimtest

import (
	"net/http"
	"strings"
)

// discover answers the three discovery endpoints (RFC 7644, section 4). They
// are read only and take no filter.
func (s *Server) discover(c *call) (*answer, error) {
	if c.r.Method != http.MethodGet {
		return nil, methodNotAllowed(c)
	}
	if c.query.Has("filter") {
		return nil, &fault{http.StatusForbidden, "", "discovery takes no filter"}
	}
	var one any
	var all []any
	switch c.parts[0] {
	case "ServiceProviderConfig":
		if len(c.parts) == 1 {
			one = s.providerConfig(c)
		}
	case "ResourceTypes":
		for _, t := range s.offered(c.h, s.types()) {
			doc := t.describe(c.baseURL)
			all = append(all, doc)
			if len(c.parts) == 2 && c.parts[1] == t.name {
				one = doc
			}
		}
	case "Schemas":
		for _, t := range s.offered(c.h, s.types()) {
			for _, x := range append([]*schema{t.core}, t.extensions...) {
				doc := x.describe(c.baseURL)
				all = append(all, doc)
				if len(c.parts) == 2 && strings.EqualFold(c.parts[1], x.urn) {
					one = doc
				}
			}
		}
	}
	switch {
	case one != nil:
		return &answer{status: http.StatusOK, body: encode(one)}, nil
	case len(c.parts) == 1:
		return &answer{status: http.StatusOK, body: encode(map[string]any{
			"schemas": []string{urnList}, "totalResults": len(all), "itemsPerPage": len(all), "startIndex": 1, "Resources": all,
		})}, nil
	}
	return nil, notFound(c.path)
}

// fields is a JSON object.
type fields = map[string]any

// providerConfig is RFC 7643, section 5, with the pagination of RFC 9865,
// section 4.
func (s *Server) providerConfig(c *call) fields {
	supported := func(yes bool) fields { return fields{"supported": yes} }
	schemes := []fields{}
	if s.options.Token != "" {
		schemes = append(schemes, fields{
			"type": "oauthbearertoken", "name": "OAuth Bearer Token", "description": "A bearer token in the Authorization header",
			"specUri": "https://www.rfc-editor.org/info/rfc6750", "primary": true,
		})
	}
	if s.options.Username != "" {
		schemes = append(schemes, fields{
			"type": "httpbasic", "name": "HTTP Basic", "description": "A user name and password in the Authorization header",
			"specUri": "https://www.rfc-editor.org/info/rfc7617", "primary": s.options.Token == "",
		})
	}
	pagination := fields{
		"cursor": s.options.CursorPaging, "index": true, "defaultPaginationMethod": "index",
		"defaultPageSize": s.options.PageSize, "maxPageSize": s.options.PageSize,
	}
	return fields{
		"schemas":               []string{urnConfig},
		"patch":                 supported(!c.h.PutReplaceOnly),
		"bulk":                  fields{"supported": false, "maxOperations": 0, "maxPayloadSize": 0},
		"filter":                fields{"supported": true, "maxResults": s.options.PageSize},
		"changePassword":        supported(false),
		"sort":                  supported(true),
		"etag":                  supported(!s.options.NoETag),
		"pagination":            pagination,
		"authenticationSchemes": schemes,
		"meta":                  fields{"resourceType": "ServiceProviderConfig", "location": c.baseURL + "/ServiceProviderConfig"},
	}
}

// describe is RFC 7643, section 6.
func (t *resourceType) describe(baseURL string) fields {
	extensions := []fields{}
	for _, e := range t.extensions {
		extensions = append(extensions, fields{"schema": e.urn, "required": false})
	}
	return fields{
		"schemas": []string{urnResourceType}, "id": t.name, "name": t.name, "endpoint": "/" + t.plural,
		"description": t.core.description, "schema": t.core.urn, "schemaExtensions": extensions,
		"meta": fields{"resourceType": "ResourceType", "location": baseURL + "/ResourceTypes/" + t.name},
	}
}

// describe is RFC 7643, section 7.
func (x *schema) describe(baseURL string) fields {
	return fields{
		"schemas": []string{urnSchema}, "id": x.urn, "name": x.name, "description": x.description,
		"attributes": describe(x.attributes),
		"meta":       fields{"resourceType": "Schema", "location": baseURL + "/Schemas/" + x.urn},
	}
}

func describe(list []*attribute) []fields {
	out := make([]fields, 0, len(list))
	for _, a := range list {
		returned := "default"
		switch {
		case a.mutability == writeOnly:
			returned = "never"
		case a.always:
			returned = "always"
		}
		uniqueness := "none"
		if a.unique {
			uniqueness = "server"
		}
		doc := fields{
			"name": a.name, "type": a.kind, "multiValued": a.multi, "required": a.required, "caseExact": a.caseExact,
			"mutability": a.mutability, "returned": returned, "uniqueness": uniqueness,
		}
		if len(a.canonical) > 0 {
			doc["canonicalValues"] = a.canonical
		}
		if len(a.references) > 0 {
			doc["referenceTypes"] = a.references
		}
		if a.kind == typeComplex {
			doc["subAttributes"] = describe(a.sub)
		}
		out = append(out, doc)
	}
	return out
}
