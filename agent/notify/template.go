package notify

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"text/template"
	"time"

	"github.com/scimsync/scimsync/identity"
)

const (
	longestTemplate = 64 << 10
	longestBody     = 256 << 10
	longestTitle    = 4 << 10
)

// forms are the subject and body of a notifier.
type forms struct{ subject, body *template.Template }

// newForms parses the templates of a configuration; empty ones take the built-in
// text. A template sees a Message, and the function first.
func newForms(subject, body string) (forms, error) {
	s, subjectErr := parse("subject", subject, "{{.Title}}")
	b, bodyErr := parse("body", body, "{{.Text}}")
	return forms{s, b}, errors.Join(subjectErr, bodyErr)
}

// parse reads a template and tries it on messages of every kind, so that a field
// that does not exist is found when the configuration is loaded.
func parse(name, text, builtIn string) (*template.Template, error) {
	if text == "" {
		text = builtIn
	}
	if len(text) > longestTemplate {
		return nil, fmt.Errorf("is larger than %d KiB", longestTemplate>>10)
	}
	t, err := template.New(name).Option("missingkey=error").Funcs(template.FuncMap{"first": first}).Parse(text)
	if err != nil {
		return nil, err
	}
	for _, sample := range samples() {
		if _, err := render(t, sample, longestBody); err != nil {
			return nil, err
		}
	}
	return t, nil
}

// first returns the first n of a section's objects.
func first(n int, items []Item) []Item { return items[:max(min(n, len(items)), 0)] }

// render executes a template; an output beyond most bytes is an error.
func render(t *template.Template, m Message, most int) (string, error) {
	out := &bounded{left: most}
	if err := t.Execute(out, m); err != nil {
		return "", err
	}
	return out.String(), nil
}

// title renders the subject as one line.
func (f forms) title(m Message) (string, error) {
	text, err := render(f.subject, m, longestTitle)
	return line(text, longestSubject), err
}

// text renders the body.
func (f forms) text(m Message) (string, error) {
	text, err := render(f.body, m, longestBody)
	return lines(text), err
}

// bounded is a buffer that refuses to grow beyond a size.
type bounded struct {
	bytes.Buffer
	left int
}

func (b *bounded) Write(p []byte) (int, error) {
	if b.left -= len(p); b.left < 0 {
		return 0, fmt.Errorf("the text is too large: %w", io.ErrShortWrite)
	}
	return b.Buffer.Write(p)
}

// samples are messages that take a template through what it may meet: every kind
// of event, with and without objects and run.
func samples() []Message {
	at := time.Date(2026, time.March, 1, 12, 0, 0, 0, time.UTC)
	o := Object{Ref: identity.Ref{Kind: identity.Group, ID: "g1"}, Name: "Finance", Detail: "conflict", Condition: "c"}
	var with, without []news
	for _, kind := range Kinds() {
		e := Event{Kind: kind, Severity: Warning, Sync: "sync", Run: "run", Time: at, Text: "text", Closes: Failed}
		if kind != Recovered {
			e.Closes = ""
		}
		bare := e
		bare.Run, bare.Text = "", ""
		e.Objects = []Object{o}
		with, without = append(with, news{event: e, known: 1}), append(without, news{event: bare})
	}
	return []Message{compose(with, at), compose(without, at)}
}
