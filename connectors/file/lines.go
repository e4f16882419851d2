package file

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/scimsync/scimsync/connectors"
	"github.com/scimsync/scimsync/identity"
)

// The bounds of a line. A group names all its members on one.
const (
	userLine  = 1 << 20
	groupLine = 16 << 20
)

// lines reads one file line by line, and can tell at the end whether it was
// still the file it was at the start.
type lines struct {
	path   string
	limit  int
	file   *os.File
	before os.FileInfo
	reader *bufio.Reader
	number int
	buffer []byte
}

// line is one line of a file.
type line struct {
	number int
	// text is valid until the next line is read; without blanks around it.
	text []byte
	// long says that the line is over the bound, and text is not all of it.
	long bool
	// open says that no line break follows: the file ends here.
	open bool
}

// openLines opens the file of a kind.
func openLines(path string, kind identity.Kind) (*lines, error) {
	// Opening a named pipe would wait for a writer.
	info, err := os.Stat(path)
	if err == nil && !info.Mode().IsRegular() {
		return nil, connectors.Errorf(connectors.Incomplete, "%s is not a regular file: put the %s there, one JSON object a line", path, kind.Plural())
	}
	if err != nil {
		return nil, missing(path, kind, err)
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, missing(path, kind, err)
	}
	if info, err = file.Stat(); err != nil {
		_ = file.Close()
		return nil, missing(path, kind, err)
	}
	limit := userLine
	if kind == identity.Group {
		limit = groupLine
	}
	l := &lines{path: path, limit: limit, file: file, before: info, reader: bufio.NewReaderSize(file, 64<<10)}
	if err := l.mark(); err != nil {
		_ = file.Close()
		return nil, err
	}
	return l, nil
}

func missing(path string, kind identity.Kind, err error) error {
	switch {
	case errors.Is(err, os.ErrNotExist):
		return connectors.Errorf(connectors.Incomplete, "%s does not exist: put the %s there, one JSON object a line, or an empty file if there are none: %w", path, kind.Plural(), err)
	case errors.Is(err, os.ErrPermission):
		return connectors.Errorf(connectors.Incomplete, "%s may not be read: give this user read permission: %w", path, err)
	}
	return connectors.Errorf(connectors.Incomplete, "open the %s: %w", kind.Plural(), err)
}

// mark skips a UTF-8 byte order mark, and refuses other encodings by theirs.
func (l *lines) mark() error {
	head, err := l.reader.Peek(3)
	if err != nil && !errors.Is(err, io.EOF) {
		return l.broken(err)
	}
	switch {
	case bytes.Equal(head, []byte("\xef\xbb\xbf")):
		_, err = l.reader.Discard(3)
		return err
	case bytes.HasPrefix(head, []byte("\xff\xfe")), bytes.HasPrefix(head, []byte("\xfe\xff")):
		return connectors.Errorf(connectors.Incomplete, "%s is UTF-16: save it as UTF-8", l.path)
	}
	return nil
}

func (l *lines) broken(err error) error {
	return connectors.Errorf(connectors.Incomplete, "read %s after line %d: %w", l.path, l.number, err)
}

// next returns the next line that is not blank, and io.EOF after the last.
func (l *lines) next() (line, error) {
	for {
		text, long, open, err := l.read()
		if err != nil {
			return line{}, err
		}
		if text = bytes.TrimSpace(text); len(text) > 0 {
			return line{number: l.number, text: text, long: long, open: open}, nil
		}
		if open {
			return line{}, io.EOF
		}
	}
}

// read returns one line: at most limit bytes of it, and whether there was more,
// and whether the file ended instead of the line.
func (l *lines) read() ([]byte, bool, bool, error) {
	l.number++
	l.buffer = l.buffer[:0]
	long := false
	for {
		part, err := l.reader.ReadSlice('\n')
		if len(l.buffer)+len(part) > l.limit {
			long = true
			part = part[:l.limit-len(l.buffer)]
		}
		l.buffer = append(l.buffer, part...)
		switch {
		case err == nil:
			return l.buffer, long, false, nil
		case errors.Is(err, bufio.ErrBufferFull):
		case errors.Is(err, io.EOF):
			return l.buffer, long, true, nil
		default:
			return nil, false, false, l.broken(err)
		}
	}
}

// unchanged fails when the file is not what it was when it was opened: somebody
// is writing it, or has put another in its place.
func (l *lines) unchanged() error {
	for _, stat := range []func() (os.FileInfo, error){l.file.Stat, func() (os.FileInfo, error) { return os.Stat(l.path) }} {
		now, err := stat()
		if err != nil {
			return l.broken(err)
		}
		if !os.SameFile(l.before, now) || now.Size() != l.before.Size() || !now.ModTime().Equal(l.before.ModTime()) {
			return connectors.Errorf(connectors.Incomplete, "%s changed while it was read: run again when the export is finished, and let exports end in a rename", l.path)
		}
	}
	return nil
}

func (l *lines) close() { _ = l.file.Close() }

// place names a line of the file.
func (l *lines) place(number int) string { return fmt.Sprintf("%s:%d", l.path, number) }
