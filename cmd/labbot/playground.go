package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/kubectl-lab/kubectl-lab/internal/playground"
	"github.com/kubectl-lab/kubectl-lab/pkg/actions"
)

func (p *program) playgroundCommand() *cobra.Command {
	options := playground.Options{}
	cmd := &cobra.Command{
		Use:   "playground",
		Short: "Try labbot out on a page of your own, without Slack",
		Long: `Opens a page on this machine that looks and behaves like a Slack channel, with the real bot behind it, against the current kubeconfig. While it runs, the cluster has a namespace and two ClusterRoleBindings for the people of the page.

The kubeconfig must be an administrator's: it makes the bindings, and acts as the people of the page.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			options.Actions, options.Build = actions.All(), p.build
			options.Log, options.Audit = p.log, p.out
			options.Say = func(text string) { fmt.Fprintln(cmd.ErrOrStderr(), text) }
			options.Ready = func(url string) { fmt.Fprintln(cmd.ErrOrStderr(), "Open", url, "  (Ctrl-C ends it)") }
			return playground.Run(cmd.Context(), options)
		},
	}
	cmd.Flags().StringVar(&options.Addr, "addr", "127.0.0.1:0", "the loopback address of the page")
	cmd.Flags().StringVar(&options.Kubeconfig, "kubeconfig", "", "the cluster; default: KUBECONFIG")
	return cmd
}
