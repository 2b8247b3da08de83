package cli

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/kubectl-lab/kubectl-lab/cmd/labcluster/internal/cluster"
	"github.com/kubectl-lab/kubectl-lab/cmd/labcluster/internal/kubecontext"
	"github.com/kubectl-lab/kubectl-lab/cmd/labcluster/internal/lifecycle"
	"github.com/kubectl-lab/kubectl-lab/cmd/labcluster/internal/supervisor"
)

// maxNodes is Kubernetes' limit (https://kubernetes.io/docs/setup/best-practices/cluster-large/).
const maxNodes = 5000

const defaultNodes = "k8s01,k8s02,k8s03" // the manual's

type upFlags struct {
	nodes      string
	kubeconfig string
	wait       bool
	timeout    time.Duration
	auditLog   bool
	addons     bool
	ownerPID   int
}

func newUp(t *target, streams Streams) *cobra.Command {
	flags := &upFlags{}
	cmd := &cobra.Command{
		Use:   "up",
		Short: "Make the cluster, or start it again",
		Long: `Makes the cluster, or starts it again if it exists, and merges a context for it into the kubeconfig
($KUBECONFIG and --kubeconfig are honored as kubectl does). Repeating it is harmless; --nodes may name
more nodes than before.

If it fails or is interrupted, everything is as it was before.`,
		Example: `  labcluster up
  labcluster up --nodes 200 --name big
  labcluster up --nodes "" --kubeconfig ./kubeconfig   # a control plane alone`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			options, err := flags.options(t, cmd.Flags().Changed)
			if err != nil {
				return err
			}
			ctx, cancel := context.WithTimeoutCause(cmd.Context(), flags.timeout,
				fmt.Errorf("not ready within --timeout %s", flags.timeout))
			defer cancel()
			return runUp(ctx, *options, streams)
		},
	}
	cmd.Flags().StringVar(&flags.nodes, "nodes", defaultNodes,
		`nodes: names, or how many (named k8s01, k8s02, …), or "" for none; the first is the control plane`)
	cmd.Flags().StringVar(&flags.kubeconfig, "kubeconfig", "", "kubeconfig to merge the context into (default $KUBECONFIG, or ~/.kube/config)")
	cmd.Flags().BoolVar(&flags.wait, "wait", true, "wait until the nodes are Ready")
	cmd.Flags().DurationVar(&flags.timeout, "timeout", 15*time.Minute, "give up after this time")
	cmd.Flags().BoolVar(&flags.auditLog, "audit-log", false, "write who did what (no contents) to audit.log in the data folder")
	cmd.Flags().BoolVar(&flags.addons, "addons", true, "put what an installed cluster has into kube-system: CoreDNS, kube-proxy, kubeadm-config (simulated); with --real metrics-server, local-path-provisioner and Traefik")
	cmd.Flags().IntVar(&flags.ownerPID, "owner-pid", 0, "remove the cluster when the process with this pid ends (for tests)")
	return cmd
}

func (f *upFlags) options(t *target, given func(string) bool) (*lifecycle.UpOptions, error) {
	dir, err := t.dir()
	if err != nil {
		return nil, err
	}
	nodes, err := parseNodes(f.nodes)
	if err != nil {
		return nil, usageError{fmt.Errorf("--nodes: %w", err)}
	}
	if f.timeout <= 0 {
		return nil, usageError{fmt.Errorf("--timeout %s: must be positive", f.timeout)}
	}
	files, err := kubecontext.Resolve(f.kubeconfig, kubeconfigEnv())
	if err != nil {
		return nil, err
	}
	options := &lifecycle.UpOptions{
		Dir:             dir,
		Kind:            t.kind(),
		Name:            t.name,
		Nodes:           nodes,
		NodesGiven:      given("nodes"),
		KubeconfigFiles: files,
		Wait:            f.wait,
	}
	if given("owner-pid") {
		owner, err := supervisor.FindProcess(f.ownerPID)
		if err != nil {
			return nil, usageError{fmt.Errorf("--owner-pid: %w", err)}
		}
		options.Owner = &owner
	}
	if given("audit-log") {
		options.AuditLog = &f.auditLog
	}
	if given("addons") {
		options.Addons = &f.addons
	}
	return options, nil
}

func runUp(ctx context.Context, options lifecycle.UpOptions, streams Streams) error {
	started := time.Now()
	result, err := lifecycle.Up(ctx, options, lifecycle.NewProgress(streams.Err, streams.Terminal))
	if err != nil {
		if cause := context.Cause(ctx); cause != nil && errors.Is(err, ctx.Err()) {
			return fmt.Errorf("%w (%w)", cause, err)
		}
		return err
	}
	config := result.Config
	for _, note := range result.Notes {
		fmt.Fprintln(streams.Err, "note:", note)
	}
	verb := "is up"
	if result.Existed {
		verb = "was up already"
	}
	fmt.Fprintf(streams.Out, "Cluster %s (Kubernetes %s) %s after %.1fs at %s.\n",
		config.Name, config.Version, verb, time.Since(started).Seconds(), config.APIServerURL())
	if len(config.Nodes) > 0 && config.Kind == cluster.Simulated {
		fmt.Fprintln(streams.Out, "Its nodes are simulated: pods become Running, but nothing runs in them.")
	}
	fmt.Fprintf(streams.Out, "Try: kubectl --context %s get nodes\n", config.Name)
	return nil
}

// parseNodes reads a list of names, or a number of nodes.
func parseNodes(text string) ([]string, error) {
	text = strings.TrimSpace(text)
	if text == "" {
		return nil, nil
	}
	if n, err := strconv.Atoi(text); err == nil {
		return numberedNodes(n)
	}
	seen := map[string]bool{}
	var names []string
	for name := range strings.SplitSeq(text, ",") {
		name = strings.TrimSpace(name)
		if problems := validation.IsDNS1123Subdomain(name); len(problems) > 0 {
			return nil, fmt.Errorf("node name %q: %s", name, problems[0])
		}
		if problems := validation.IsValidLabelValue(name); len(problems) > 0 { // kubernetes.io/hostname
			return nil, fmt.Errorf("node name %q: %s", name, problems[0])
		}
		if seen[name] {
			return nil, fmt.Errorf("node name %q is given twice", name)
		}
		seen[name] = true
		names = append(names, name)
	}
	return names, checkCount(len(names))
}

func numberedNodes(n int) ([]string, error) {
	if err := checkCount(n); err != nil {
		return nil, err
	}
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprintf("k8s%02d", i+1)
	}
	return names, nil
}

func checkCount(n int) error {
	if n < 0 || n > maxNodes {
		return fmt.Errorf("%d nodes: Kubernetes supports 0 to %d", n, maxNodes)
	}
	return nil
}
