package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/kubectl-lab/kubectl-lab/cmd/labcluster/internal/cluster"
	"github.com/kubectl-lab/kubectl-lab/cmd/labcluster/internal/lifecycle"
	"github.com/kubectl-lab/kubectl-lab/cmd/labcluster/internal/supervisor"
)

func newDown(t *target, streams Streams) *cobra.Command {
	return &cobra.Command{
		Use:   "down",
		Short: "Remove the cluster: its processes, its context, its files",
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			dir, err := t.dir()
			if err != nil {
				return err
			}
			existed, err := lifecycle.Down(cmd.Context(), dir)
			if err != nil {
				return err
			}
			if !existed {
				fmt.Fprintf(streams.Out, "No cluster in %s.\n", dir)
				return nil
			}
			fmt.Fprintf(streams.Out, "Removed the cluster in %s.\n", dir)
			return nil
		},
	}
}

func newStatus(t *target, streams Streams) *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show the cluster's components",
		Long:  "Shows the cluster's components. The exit code is 0 only if all of them serve.",
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if output != "" && output != "json" {
				return usageError{fmt.Errorf("-o %q: only json is known", output)}
			}
			dir, err := t.dir()
			if err != nil {
				return err
			}
			status, err := lifecycle.GetStatus(cmd.Context(), dir)
			if err != nil {
				return t.explain(dir, err)
			}
			if output == "json" {
				err = printJSON(streams.Out, status)
			} else {
				err = printStatus(streams.Out, status, time.Now())
			}
			if err == nil && status.State != lifecycle.StateRunning {
				return errSilent
			}
			return err
		},
	}
	cmd.Flags().StringVarP(&output, "output", "o", "", "json, or empty for a table")
	return cmd
}

func printJSON(out io.Writer, value any) error {
	encoder := json.NewEncoder(out)
	encoder.SetIndent("", "  ")
	return encoder.Encode(value)
}

func printStatus(out io.Writer, status *lifecycle.Status, now time.Time) error {
	fmt.Fprintf(out, "Cluster %s (Kubernetes %s, %d %s nodes): %s\n", status.Name, status.Version,
		len(status.Nodes), status.Kind, status.State)
	if status.Problem != "" {
		fmt.Fprintf(out, "  %s\n", status.Problem)
	}
	fmt.Fprintf(out, "Server %s, data folder %s\n\n", status.Server, status.DataDir)
	table := tabwriter.NewWriter(out, 0, 0, 3, ' ', 0)
	fmt.Fprintln(table, "COMPONENT\tSTATE\tFOR\tPID\tRESTARTS\tLAST EXIT")
	for _, component := range status.Components {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%d\t%s\n", component.Name, describeState(component),
			now.Sub(component.Since).Round(time.Second), pidOf(component), component.Restarts, lastExit(component, now))
	}
	return table.Flush()
}

func describeState(component supervisor.ComponentStatus) string {
	if component.State == supervisor.Unhealthy && component.Problem != "" {
		return fmt.Sprintf("%s (%s)", component.State, component.Problem)
	}
	return string(component.State)
}

func pidOf(component supervisor.ComponentStatus) string {
	if component.Process == nil {
		return "-"
	}
	return fmt.Sprint(component.Process.PID)
}

func lastExit(component supervisor.ComponentStatus, now time.Time) string {
	if component.ExitedAt == nil {
		return "-"
	}
	return fmt.Sprintf("%s, %s ago", component.LastExit, now.Sub(*component.ExitedAt).Round(time.Second))
}

func newKubeconfig(t *target, streams Streams) *cobra.Command {
	var path bool
	cmd := &cobra.Command{
		Use:   "kubeconfig",
		Short: "Print the administrator's kubeconfig",
		Long: `Prints a kubeconfig of its own for the cluster's administrator. It holds a key: whoever has it may do
everything in the cluster.`,
		Example: `  export KUBECONFIG=$(labcluster kubeconfig --path)`,
		Args:    noArgs,
		RunE: func(*cobra.Command, []string) error {
			dir, err := t.dir()
			if err != nil {
				return err
			}
			if _, err := cluster.Load(dir); err != nil {
				return t.explain(dir, err)
			}
			if path {
				fmt.Fprintln(streams.Out, dir.AdminKubeconfig())
				return nil
			}
			data, err := os.ReadFile(dir.AdminKubeconfig())
			if err != nil {
				return fmt.Errorf("read the administrator's kubeconfig: %w", err)
			}
			_, err = streams.Out.Write(data)
			return err
		},
	}
	cmd.Flags().BoolVar(&path, "path", false, "print where the file is instead")
	return cmd
}

func newLogs(t *target, streams Streams) *cobra.Command {
	var (
		follow bool
		tail   int
	)
	cmd := &cobra.Command{
		Use:   "logs COMPONENT",
		Short: "Print a component's log",
		Example: `  labcluster logs kube-apiserver --tail 20
  labcluster logs supervisor -f`,
		Args: exactArgs(1, "one component, such as kube-apiserver"),
		RunE: func(cmd *cobra.Command, args []string) error {
			dir, err := t.dir()
			if err != nil {
				return err
			}
			err = lifecycle.WriteLog(cmd.Context(), dir, args[0], tail, follow, streams.Out)
			if err == nil {
				err = cmd.Context().Err() // following ends with an interrupt
			}
			return t.explain(dir, err)
		},
	}
	cmd.Flags().BoolVarP(&follow, "follow", "f", false, "go on with what is added")
	cmd.Flags().IntVar(&tail, "tail", -1, "print this many lines from the end (-1: all)")
	return cmd
}

func newComponent(t *target, streams Streams) *cobra.Command {
	parent := &cobra.Command{
		Use:   "component",
		Short: "Stop, start or kill a component, to see what then happens",
		Args:  noArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	commands := []struct{ use, short, done string }{
		{"stop", "Stop a component and leave it stopped", "stopped"},
		{"start", "Start a component that was stopped, and wait until it serves", "ready"},
		{"kill", "Kill a component, which is then started again", "killed"},
	}
	for _, command := range commands {
		parent.AddCommand(&cobra.Command{
			Use:   command.use + " COMPONENT",
			Short: command.short,
			Args:  exactArgs(1, "one component, such as kube-apiserver"),
			RunE: func(cmd *cobra.Command, args []string) error {
				dir, err := t.dir()
				if err != nil {
					return err
				}
				if err := lifecycle.Command(cmd.Context(), dir, command.use, args[0]); err != nil {
					return t.explain(dir, err)
				}
				fmt.Fprintf(streams.Out, "%s: %s\n", args[0], command.done)
				return nil
			},
		})
	}
	return parent
}

func newVersion(streams Streams) *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version of Kubernetes that the cluster runs",
		Args:  noArgs,
		RunE: func(*cobra.Command, []string) error {
			fmt.Fprintln(streams.Out, "Kubernetes", cluster.KubernetesVersion)
			return nil
		},
	}
}
