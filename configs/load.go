package configs

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
)

// Load reads and validates the configuration at path. It is strict and reports
// everything that is wrong at once: the error is an *Error then. It reads no
// other file, no environment variable and no secret, and connects to nothing.
// Relative paths within are resolved against the folder of the file.
func Load(path string, reg Registry) (*Config, error) {
	data, problem := read(path)
	if problem != nil {
		return nil, &Error{[]Problem{*problem}}
	}
	return load(path, data, reg)
}

func load(path string, data []byte, reg Registry) (*Config, error) {
	root, problems := parse(path, data)
	if root == nil {
		return nil, &Error{sorted(problems)}
	}
	d := newDecoder(path, reg)
	var doc document
	doc.setDefaults()
	d.root(root, &doc)
	b := builder{decoder: d, doc: &doc, tree: root, folder: folderOf(path)}
	cfg := b.config(path)
	if problems = append(problems, d.problems...); len(problems) > 0 {
		return nil, &Error{sorted(problems)}
	}
	return cfg, nil
}

// root decodes the whole file.
func (d *decoder) root(n *node, doc *document) {
	switch {
	case n.problem != nil:
		d.troubled[""] = true
	case n.kind == nullNode:
		d.add(1, 1, "", "is empty", "begin with version: 1; scimsync config example shows the rest")
	case n.kind != mapNode:
		d.add(n.line, n.column, "", "expected a mapping, found "+n.kind.found(), "begin with version: 1")
	default:
		d.decodeEntries(n.entries, "", reflect.ValueOf(doc).Elem())
	}
}

// read returns the content of a regular file of bounded size.
func read(path string) ([]byte, *Problem) {
	problem := func(text, hint string) ([]byte, *Problem) {
		return nil, &Problem{File: path, Text: text, Hint: hint}
	}
	// Looked at before it is opened: opening a pipe would wait for a writer.
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return problem("does not exist", "name the file with -c or SCIMSYNC_CONFIG; scimsync config example writes one")
	case err != nil:
		return problem("cannot be read: "+cause(err), "")
	case info.IsDir():
		return problem("is a folder", "name the file within")
	case !info.Mode().IsRegular():
		return problem("is not a regular file", "")
	}
	f, err := os.Open(path)
	if err != nil {
		return problem("cannot be read: "+cause(err), "")
	}
	defer func() { _ = f.Close() }() // nothing was written
	data, err := io.ReadAll(io.LimitReader(f, maxSize+1))
	if err != nil {
		return problem("cannot be read: "+cause(err), "")
	}
	return data, nil
}

// cause returns what went wrong without the path, which the problem names.
func cause(err error) string {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return e.Err.Error()
	}
	return err.Error()
}

func folderOf(path string) string {
	if absolute, err := filepath.Abs(path); err == nil {
		path = absolute
	}
	return filepath.Dir(path)
}
