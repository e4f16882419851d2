// Package render shows plans and their outcomes to people, as text that fits a
// terminal of 80 columns and as Markdown for a review.
//
// It decides nothing and knows nothing the plan does not say: it sorts steps
// under headings and counts them. Names come from a directory and may hold
// anything, so control characters and those that reorder or hide text never
// reach the reader's terminal, and nothing a name holds is markup.
package render
