package main

import (
	"github.com/spf13/cobra"

	"github.com/scimsync/scimsync/agent/plan"
	"github.com/scimsync/scimsync/agent/render"
)

// output is the form in which plans are written: text, json or markdown.
type output string

func (o *output) register(c *cobra.Command) {
	*o = "text"
	c.Flags().VarP(o, "output", "o", "text, json or markdown")
	_ = c.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(
		[]cobra.Completion{"text", "json", "markdown"}, cobra.ShellCompDirectiveNoFileComp))
}

// String returns the form.
func (o *output) String() string { return string(*o) }

// Type names the values for help.
func (o *output) Type() string { return "FORM" }

// Set takes one of the forms.
func (o *output) Set(s string) error {
	switch s {
	case "text", "json", "markdown":
		*o = output(s)
		return nil
	}
	return usage("give text, json or markdown")
}

// show writes one plan at once, unless the form wants all of them together.
func (a *app) show(o output, p *plan.Plan) error {
	switch o {
	case "text":
		return render.Text(a.out, p, a.style())
	case "markdown":
		return render.Markdown(a.out, p)
	}
	return nil
}

// showAll writes all plans where the form wants them in one document.
func (a *app) showAll(o output, plans []*plan.Plan) error {
	if o != "json" {
		return nil
	}
	return plan.Write(a.out, plans...)
}
