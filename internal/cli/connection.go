package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/kubectl-lab/kubectl-lab/pkg/actions"
)

// requestTimeout is the default of --request-timeout. kubectl waits forever; a lab whose server has
// gone should say so.
const requestTimeout = "30s"

func newConfigFlags() *genericclioptions.ConfigFlags {
	flags := genericclioptions.NewConfigFlags(true).WithDiscoveryBurst(300).WithDiscoveryQPS(50)
	*flags.Timeout = requestTimeout
	return flags
}

func checkTimeout(text string) error {
	if _, err := clientcmd.ParseTimeout(text); err != nil {
		return actions.UsageErrorf("--request-timeout %q is not a time: write 30s, 2m, or 0 for no limit", text)
	}
	return nil
}

// connection reaches the cluster that the kubeconfig and the connection flags name.
type connection struct {
	flags    *genericclioptions.ConfigFlags
	observer actions.Observer
}

var _ actions.Connection = &connection{}

// ToRESTConfig implements actions.Connection.
func (c *connection) ToRESTConfig() (*rest.Config, error) {
	if err := c.checkConfigured(); err != nil {
		return nil, err
	}
	cfg, err := c.flags.ToRESTConfig()
	if err != nil {
		return nil, c.explain(err)
	}
	cfg.WarningHandlerWithContext = warningHandler{c.observer}
	return cfg, nil
}

// checkConfigured finds out that there is no kubeconfig before client-go falls back to
// localhost:8080, which no cluster has served for years.
func (c *connection) checkConfigured() error {
	raw, err := c.flags.ToRawKubeConfigLoader().RawConfig()
	if err != nil {
		return c.explain(err)
	}
	if len(raw.Clusters) > 0 || *c.flags.APIServer != "" {
		return nil
	}
	if _, err := rest.InClusterConfig(); err == nil {
		return nil
	}
	return &actions.Error{
		Message: "no kubeconfig: looked at " + c.lookedAt(),
		Hint:    "name one with --kubeconfig or KUBECONFIG, or start a local cluster: labcluster up",
		Code:    actions.ExitUnreachable,
	}
}

func (c *connection) lookedAt() string {
	if *c.flags.KubeConfig != "" {
		return *c.flags.KubeConfig
	}
	return strings.Join(clientcmd.NewDefaultPathOptions().GetLoadingPrecedence(), ", ")
}

// explain turns what client-go says of a kubeconfig into what to do about it.
func (c *connection) explain(err error) error {
	e := &actions.Error{Message: err.Error(), Hint: "correct the kubeconfig: " + c.lookedAt(), Code: actions.ExitUnreachable, Err: err}
	switch {
	case clientcmd.IsContextNotFound(err), *c.flags.Context != "" && strings.Contains(err.Error(), "does not exist"):
		e.Message = fmt.Sprintf("the kubeconfig has no context %q", *c.flags.Context)
		e.Hint = c.contexts()
	case errors.Is(err, fs.ErrNotExist):
		e.Message = fmt.Sprintf("kubeconfig %s does not exist", c.lookedAt())
		e.Hint = "check --kubeconfig and KUBECONFIG"
	case clientcmd.IsEmptyConfig(err):
		e.Message = "the kubeconfig has no current context"
		e.Hint = c.contexts()
	}
	return e
}

// contexts says which contexts there are to choose from.
func (c *connection) contexts() string {
	raw, err := clientcmd.NewDefaultClientConfigLoadingRules().Load()
	if *c.flags.KubeConfig != "" {
		raw, err = clientcmd.LoadFromFile(*c.flags.KubeConfig)
	}
	if err != nil || len(raw.Contexts) == 0 {
		return "see the contexts: kubectl config get-contexts"
	}
	names := make([]string, 0, len(raw.Contexts))
	for name := range raw.Contexts {
		names = append(names, name)
	}
	slices.Sort(names)
	return "choose one with --context: " + strings.Join(names, ", ")
}

// ToDiscoveryClient implements actions.Connection.
func (c *connection) ToDiscoveryClient() (discovery.CachedDiscoveryInterface, error) {
	if err := c.checkConfigured(); err != nil {
		return nil, err
	}
	client, err := c.flags.ToDiscoveryClient()
	if err != nil {
		return nil, c.explain(err)
	}
	return client, nil
}

// ToRESTMapper implements actions.Connection.
func (c *connection) ToRESTMapper() (meta.RESTMapper, error) {
	if err := c.checkConfigured(); err != nil {
		return nil, err
	}
	mapper, err := c.flags.ToRESTMapper()
	if err != nil {
		return nil, c.explain(err)
	}
	return mapper, nil
}

// Namespace implements actions.Connection.
func (c *connection) Namespace() (name string, given bool, err error) {
	if err := c.checkConfigured(); err != nil {
		return "", false, err
	}
	name, _, err = c.flags.ToRawKubeConfigLoader().Namespace()
	if err != nil {
		return "", false, c.explain(err)
	}
	return name, *c.flags.Namespace != "", nil
}

// warningHandler passes the API server's warnings on to whoever watches.
type warningHandler struct{ observer actions.Observer }

// HandleWarningHeaderWithContext implements rest.WarningHandlerWithContext. Code 299 is the only one
// that Kubernetes uses (RFC 7234, section 5.5.7).
func (h warningHandler) HandleWarningHeaderWithContext(_ context.Context, code int, _ string, text string) {
	if code == 299 && text != "" {
		h.observer.Observe(actions.Warning{Text: text})
	}
}
