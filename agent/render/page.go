package render

import (
	"bufio"
	"fmt"
	"io"
	"strings"
)

// Style says how text is laid out.
type Style struct {
	// Width is the number of columns; 0 means 80, and 40 is the least.
	Width int
	// Color uses ANSI colours.
	Color bool
}

const (
	green   = "32"
	yellow  = "33"
	red     = "31"
	bold    = "1"
	boldRed = "1;31"
	dim     = "2"
	plain   = ""
)

// page writes lines that fit the style. The first error is kept by the writer.
type page struct {
	w     *bufio.Writer
	style Style
}

func newPage(w io.Writer, style Style) *page {
	const usual, least = 80, 40
	if style.Width == 0 {
		style.Width = usual
	}
	style.Width = max(style.Width, least)
	return &page{bufio.NewWriter(w), style}
}

// line writes one line as it is.
func (p *page) line(parts ...string) {
	fmt.Fprintln(p.w, strings.Join(parts, ""))
}

func (p *page) paint(color, s string) string {
	if !p.style.Color || color == plain || s == "" {
		return s
	}
	return "\x1b[" + color + "m" + s + "\x1b[0m"
}

// heading begins a part of the page.
func (p *page) heading(color, s string) {
	p.line()
	p.flow(color, "", "  ", strings.Fields(s))
}

// flow writes words in as many lines as they need: the first behind head, the
// others behind hang. A word that is longer than a line is cut.
func (p *page) flow(color, head, hang string, words []string) {
	for i, line := range layout(words, p.style.Width-width(head), p.style.Width-width(hang)) {
		if i > 0 {
			head = hang
		}
		p.line(head, p.paint(color, line))
	}
}

func layout(words []string, first, rest int) []string {
	var lines []string
	line, room := "", first
	for _, word := range words {
		for {
			need := width(word)
			if line != "" {
				need += width(line) + 1
			}
			if need <= room {
				if line != "" {
					line += " "
				}
				line += word
				break
			}
			if line == "" {
				line, word = cut(word, room)
			}
			lines, line, room = append(lines, strings.TrimRight(line, " ")), "", rest
		}
	}
	if line = strings.TrimRight(line, " "); line != "" {
		lines = append(lines, line)
	}
	return lines
}

// The indents of an item and of what is said below it.
const (
	itemIndent   = "  "
	detailIndent = "      "
)

// item writes what a line is about and a remark, which begins at the column
// where it can, and on a line of its own where it does not fit.
func (p *page) item(sign, color, name string, column int, remark string) {
	head := itemIndent + sign + " "
	name = fit(name, p.style.Width-width(head))
	remark = strings.TrimSpace(remark)
	if remark == "" {
		p.line(itemIndent, p.paint(color, sign+" "+name))
		return
	}
	gap := max(column-width(name), 0) + 2
	if width(head)+width(name)+gap+width(remark) <= p.style.Width {
		p.line(itemIndent, p.paint(color, sign+" "+name), strings.Repeat(" ", gap), p.paint(dim, remark))
		return
	}
	p.line(itemIndent, p.paint(color, sign+" "+name))
	p.detail(dim, remark)
}

// detail writes a sentence below an item.
func (p *page) detail(color, s string) {
	p.flow(color, detailIndent, detailIndent, strings.Fields(s))
}

// labelled writes words behind a label, all labels being equally wide.
func (p *page) labelled(label string, words []string) {
	const wide = 13
	head := label + strings.Repeat(" ", max(wide-len(label), 1))
	p.flow(plain, head, strings.Repeat(" ", wide), words)
}
