// Package render shows plans and their outcomes to people, as text that fits a
// terminal of 80 columns and as Markdown for a review.
//
// It calculates nothing: every number it shows stands in the plan. Names come
// from a directory and may hold anything, so control characters and those that
// reorder text never reach the reader's terminal.
package render
