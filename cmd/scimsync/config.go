package main

import (
	"github.com/spf13/cobra"

	"github.com/scimsync/scimsync/configs"
)

func newConfig(a *app) *cobra.Command {
	c := &cobra.Command{
		Use:   "config",
		Short: "Print the schema, an example, or the effective configuration",
	}
	printing := func(use, short string, text func() ([]byte, error)) *cobra.Command {
		return &cobra.Command{
			Use: use, Short: short, Args: cobra.NoArgs,
			RunE: func(*cobra.Command, []string) error {
				data, err := text()
				if err != nil {
					return err
				}
				_, err = a.out.Write(data)
				return err
			},
		}
	}
	c.AddCommand(
		printing("schema", "Print the JSON Schema of the configuration", func() ([]byte, error) {
			return configs.Schema(registry())
		}),
		printing("example", "Print a commented example", func() ([]byte, error) {
			return configs.Example(), nil
		}),
		printing("show", "Print the effective configuration, secrets masked", func() ([]byte, error) {
			cfg, err := a.load()
			if err != nil {
				return nil, err
			}
			return configs.Show(cfg)
		}),
	)
	return c
}
