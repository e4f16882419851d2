package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

// newRoot returns the command line.
func newRoot(a *app) *cobra.Command {
	root := &cobra.Command{
		Use:   "scimsync",
		Short: "Keep SCIM applications in step with your identity provider",
		Long: `scimsync reads users and groups from an identity provider, shows what a SCIM 2.0
application lacks, and applies it under guards. Start with

  scimsync sandbox            a local world to try it on
  scimsync config example     a configuration to start from
  scimsync check              is everything reachable, and what can it do?
  scimsync plan               what would change, and why
  scimsync sync               plan, guard, apply`,
		SilenceUsage:  true,
		SilenceErrors: true,
		Version:       version,
		PersistentPreRunE: func(*cobra.Command, []string) error {
			return a.startLog()
		},
	}
	root.SetIn(a.in)
	root.SetOut(a.out)
	root.SetErr(a.err)
	root.SetVersionTemplate("scimsync {{.Version}}\n")
	// Help has to fit a terminal of 80 columns.
	root.SetUsageTemplate(strings.ReplaceAll(root.UsageTemplate(), ".FlagUsages", ".FlagUsagesWrapped 80"))
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return usage("%w\nSee: %s --help", err, c.CommandPath())
	})
	flags := root.PersistentFlags()
	flags.StringVarP(&a.configPath, "config", "c", "", "configuration `FILE` (default $SCIMSYNC_CONFIG, then ./scimsync.yaml)")
	flags.StringVar(&a.logLevel, "log-level", "warn", "debug, info, warn or error; logs go to standard error")
	flags.StringVar(&a.logFormat, "log-format", "text", "text or json")
	flags.BoolVar(&a.noColor, "no-color", false, "no colours (also: NO_COLOR)")
	root.AddCommand(
		newCheck(a), newPlan(a), newApply(a), newSync(a), newDaemon(a), newStatus(a),
		newSandbox(a), newConfig(a), newVersion(a),
	)
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	wrapArgs(root)
	return root
}

// wrapArgs makes wrong arguments a matter of usage, in every command below c. A
// command that only has others below it shows its help when it is called alone,
// and refuses a word that names none of them.
func wrapArgs(c *cobra.Command) {
	if c.HasSubCommands() && !c.Runnable() {
		c.Args = subcommand
		c.RunE = func(c *cobra.Command, _ []string) error { return c.Help() }
	}
	if check := c.Args; check != nil {
		c.Args = func(c *cobra.Command, args []string) error {
			if err := check(c, args); err != nil {
				return usage("%w\nSee: %s --help", err, c.CommandPath())
			}
			return nil
		}
	}
	for _, sub := range c.Commands() {
		wrapArgs(sub)
	}
}

// subcommand refuses words that name no command below c.
func subcommand(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	// Suggestions are only made of it when it is set.
	c.SuggestionsMinimumDistance = 2
	if near := c.SuggestionsFor(args[0]); len(near) > 0 {
		return fmt.Errorf("unknown command %q; did you mean %s?", args[0], strings.Join(near, " or "))
	}
	return fmt.Errorf("unknown command %q", args[0])
}

func newVersion(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Print the version", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			_, err := fmt.Fprintf(a.out, "scimsync %s\n", version)
			return err
		},
	}
}
