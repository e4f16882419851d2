package configs

import (
	_ "embed"
	"fmt"
	"strings"
	"time"
	_ "time/tzdata" // 450 kB: a bare machine or container has no zones of its own
)

// zones are the names of the IANA time zone database, one a line. They are for
// hints alone: what a zone is, the machine's database says or the one built in.
//
//go:embed zones.txt
var zones string

// zone returns the time zone of an IANA name, UTC or Local, and the zone of the
// machine for "".
func zone(name string) (*time.Location, error) {
	if name == "" {
		return time.Local, nil
	}
	known := strings.Fields(zones)
	near := nearestZone(name, known)
	// A file system may not care for case; the database does.
	if loc, err := time.LoadLocation(name); err == nil && (near == name || !strings.EqualFold(near, name)) {
		return loc, nil
	}
	hint := "IANA names are like Europe/Berlin or America/New_York; also UTC, and Local for the machine's own"
	if near != "" {
		hint = fmt.Sprintf("did you mean %s?", near)
	}
	return nil, &ScheduleError{quoted(name) + " is not a time zone", hint}
}

// nearestZone returns the zone most likely meant: the same but for case, that of
// a city, or one written almost so.
func nearestZone(name string, known []string) string {
	normal := strings.ReplaceAll(strings.TrimSpace(name), " ", "_")
	for _, zone := range append([]string{"Local"}, known...) {
		if strings.EqualFold(zone, normal) {
			return zone
		}
	}
	for _, zone := range known {
		if strings.EqualFold(zone[strings.LastIndexByte(zone, '/')+1:], normal) {
			return zone
		}
	}
	if len(normal) <= 4 { // an abbreviation such as PST is near to many
		return ""
	}
	return nearest(normal, known)
}
