package main

import (
	"bufio"
	"errors"
	"os"
	"path/filepath"
	"strconv"
)

// The people and groups of the growth measurement. Everything about the i-th of
// them follows from i, so that a directory of a million needs a file here, no
// memory there, and is the same every time. Ids are spread like the random ones of
// real directories: neither side hands them out in the order of names.

// appendUserID appends the source id of the i-th person.
func appendUserID(b []byte, i int) []byte { return appendID(b, uint32(i)*2654435761, "-4bcd-9e77-", i) }

// appendTargetID appends the target id of the i-th person.
func appendTargetID(b []byte, i int) []byte {
	return appendID(b, uint32(i+7)*2246822519, "-77aa-8c14-", i)
}

// appendID appends a number spread over all that fit into eight digits, and the
// number itself, which keeps ids apart: 36 characters, as a UUID has them.
func appendID(b []byte, spread uint32, middle string, i int) []byte {
	b = appendPadded(b, uint64(spread), 16, 8)
	b = appendPadded(append(b, '-'), uint64(uint16(i)), 16, 4)
	return appendPadded(append(b, middle...), uint64(i), 10, 12)
}

// appendPadded appends a number with leading zeros.
func appendPadded(b []byte, n uint64, base, width int) []byte {
	var digits [20]byte
	text := strconv.AppendUint(digits[:0], n, base)
	for range width - len(text) {
		b = append(b, '0')
	}
	return append(b, text...)
}

func appendGroupID(b []byte, g int) []byte { return appendPadded(append(b, "g-"...), uint64(g), 10, 8) }

func appendGroupName(b []byte, g int) []byte {
	return appendPadded(append(b, "Group "...), uint64(g), 10, 8)
}

// appendAddress appends the name and the address of the i-th person.
func appendAddress(b []byte, i int) []byte {
	return append(appendPadded(append(b, "person."...), uint64(i), 10, 8), "@example.com"...)
}

func appendGiven(b []byte, i int) []byte {
	return strconv.AppendInt(append(b, "Given"...), int64(i), 10)
}

func appendFamily(b []byte, i int) []byte {
	return strconv.AppendInt(append(b, "Family"...), int64(i%977), 10)
}

// crew is how many members each group of the world has.
func (w world) crew() int { return w.memberships / w.groups }

// member returns the j-th member of group g: all of a group are different, and
// neighbours in it are far from each other in the directory.
func (w world) member(g, j int) int {
	return int((uint64(g)*7919 + uint64(j)*uint64(w.users/w.crew())) % uint64(w.users))
}

// export writes the world as a source of type file.
func (w world) export(folder string) error {
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return err
	}
	return errors.Join(
		writeLines(filepath.Join(folder, "users.jsonl"), w.users, w.userLine),
		writeLines(filepath.Join(folder, "groups.jsonl"), w.groups, w.groupLine),
	)
}

func (w world) userLine(b []byte, i int) []byte {
	b = appendUserID(append(b, `{"id":"`...), i)
	b = appendAddress(append(b, `","userName":"`...), i)
	b = appendGiven(append(b, `","active":true,"givenName":"`...), i)
	b = appendFamily(append(b, `","familyName":"`...), i)
	b = appendGiven(append(b, `","displayName":"`...), i)
	b = appendFamily(append(b, ' '), i)
	b = appendAddress(append(b, `","email":"`...), i)
	b = append(b, `","title":"Engineer","department":"Department `...)
	b = strconv.AppendInt(b, int64(i%60), 10)
	b = strconv.AppendInt(append(b, `","employeeNumber":"`...), int64(i), 10)
	return append(b, `"}`...)
}

func (w world) groupLine(b []byte, g int) []byte {
	b = appendGroupID(append(b, `{"id":"`...), g)
	b = appendGroupName(append(b, `","name":"`...), g)
	b = append(b, `","members":[`...)
	for j := range w.crew() {
		if j > 0 {
			b = append(b, ',')
		}
		b = append(appendUserID(append(b, '"'), w.member(g, j)), '"')
	}
	return append(b, "]}"...)
}

// writeLines writes n lines to a new file.
func writeLines(path string, n int, line func(b []byte, i int) []byte) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	out := bufio.NewWriterSize(file, 1<<20)
	var b []byte
	for i := range n {
		b = append(line(b[:0], i), '\n')
		if _, err := out.Write(b); err != nil {
			return errors.Join(err, file.Close())
		}
	}
	return errors.Join(out.Flush(), file.Close())
}
