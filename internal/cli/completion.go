package cli

import (
	"context"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/kubectl-lab/kubectl-lab/pkg/actions"
)

// completionTime bounds how long a completion may take: somebody waits at the prompt.
const completionTime = 3 * time.Second

// completeCommand makes the shell complete a verb's arguments and flags from its options.
func (a *app) completeCommand(cmd *cobra.Command, options actions.Options) {
	suggester, ok := options.(actions.Suggester)
	if !ok {
		cmd.ValidArgsFunction = cobra.NoFileCompletions
		return
	}
	cmd.ValidArgsFunction = a.completer(suggester, "")
	cmd.LocalNonPersistentFlags().VisitAll(func(f *pflag.Flag) {
		if f.Value.Type() == "bool" || isFile(f) {
			return
		}
		// The error is about a flag that does not exist; these were just visited.
		_ = cmd.RegisterFlagCompletionFunc(f.Name, a.completer(suggester, f.Name))
	})
}

// isFile reports whether a flag takes a file, whose name the shell itself completes.
func isFile(f *pflag.Flag) bool {
	return f.Name == "filename" || f.Name == "inventory" || f.Name == "install-log"
}

func (a *app) completer(suggester actions.Suggester, flag string) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, toComplete string) ([]string, cobra.ShellCompDirective) {
		ctx, cancel := context.WithTimeout(cmd.Context(), completionTime)
		defer cancel()
		words := suggester.Suggest(ctx, a.env(discard{}), flag, args, toComplete)
		return withPrefix(words, toComplete, args), cobra.ShellCompDirectiveNoFileComp
	}
}

// withPrefix keeps the words that toComplete begins and that are not on the line yet.
func withPrefix(words []string, toComplete string, used []string) []string {
	taken := map[string]bool{}
	for _, word := range used {
		taken[word] = true
	}
	var kept []string
	for _, word := range words {
		if strings.HasPrefix(word, toComplete) && !taken[word] {
			kept = append(kept, word)
		}
	}
	return kept
}

// discard is an observer for work that nobody watches.
type discard struct{}

func (discard) Observe(actions.Event) {}

// completeConnectionFlags completes the flags that every verb has.
func (a *app) completeConnectionFlags(root *cobra.Command) {
	for flag, list := range map[string]func(context.Context) []string{
		"namespace": a.namespaces,
		"context":   a.contextNames,
	} {
		_ = root.RegisterFlagCompletionFunc(flag, func(cmd *cobra.Command, _ []string, toComplete string) ([]string, cobra.ShellCompDirective) {
			ctx, cancel := context.WithTimeout(cmd.Context(), completionTime)
			defer cancel()
			return withPrefix(list(ctx), toComplete, nil), cobra.ShellCompDirectiveNoFileComp
		})
	}
}

func (a *app) namespaces(ctx context.Context) []string {
	client, err := a.env(discard{}).Cluster.Kubernetes()
	if err != nil {
		return nil
	}
	list, err := client.CoreV1().Namespaces().List(ctx, metav1.ListOptions{ResourceVersion: "0"})
	if err != nil {
		return nil
	}
	var names []string
	for _, ns := range list.Items {
		names = append(names, ns.Name)
	}
	return names
}

func (a *app) contextNames(context.Context) []string {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = *a.flags.KubeConfig
	raw, err := rules.Load()
	if err != nil {
		return nil
	}
	var names []string
	for name := range raw.Contexts {
		names = append(names, name)
	}
	return names
}
