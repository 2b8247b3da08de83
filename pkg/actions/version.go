package actions

import (
	"context"
	"encoding/json"
	"fmt"
	"runtime"

	"github.com/spf13/pflag"
	apiversion "k8s.io/apimachinery/pkg/version"

	"github.com/kubectl-lab/kubectl-lab/pkg/document"
)

func version() Action {
	return Action{
		Words: "version",
		Short: "Show the version of kubectl lab and of the cluster",
		Long:  "Shows the version of this program and, unless --client is given, of the API server.",
		Group: GroupSettings,
		Examples: []Example{
			{"Show both versions", "version"},
			{"Show this program's version without asking the cluster", "version --client"},
		},
		New: func() Options { return &VersionOptions{} },
	}
}

// VersionOptions are the options of "version".
type VersionOptions struct {
	// Client leaves the API server alone.
	Client bool
}

// Bind implements Options.
func (o *VersionOptions) Bind(fs *pflag.FlagSet) {
	fs.BoolVar(&o.Client, "client", false, "do not ask the API server")
}

// Complete implements Options.
func (o *VersionOptions) Complete(args []string) error { return noArgs(args) }

// Validate implements Options.
func (o *VersionOptions) Validate() error { return nil }

// Run implements Options.
func (o *VersionOptions) Run(ctx context.Context, env *Env) (Result, error) {
	result := &VersionResult{
		Header:   NewHeader("VersionResult"),
		Client:   env.Build.Version,
		Commit:   env.Build.Commit,
		Go:       runtime.Version(),
		Platform: runtime.GOOS + "/" + runtime.GOARCH,
	}
	if o.Client {
		return result, nil
	}
	server, err := serverVersion(ctx, env.Cluster)
	if err != nil {
		return result, err
	}
	result.Server = server.GitVersion
	return result, nil
}

func serverVersion(ctx context.Context, cluster *Cluster) (*apiversion.Info, error) {
	client, err := cluster.Kubernetes()
	if err != nil {
		return nil, err
	}
	body, err := client.Discovery().RESTClient().Get().AbsPath("/version").DoRaw(ctx)
	if err != nil {
		return nil, fmt.Errorf("asking the API server's version: %w", err)
	}
	info := &apiversion.Info{}
	if err := json.Unmarshal(body, info); err != nil {
		return nil, fmt.Errorf("reading the API server's version: %w", err)
	}
	return info, nil
}

// VersionResult is what "version" found.
type VersionResult struct {
	Header
	Client   string `json:"clientVersion"`
	Commit   string `json:"commit,omitempty"`
	Go       string `json:"goVersion"`
	Platform string `json:"platform"`
	// Server is the API server's gitVersion; empty if it was not asked.
	Server string `json:"serverVersion,omitempty"`
}

// Document implements Result.
func (r *VersionResult) Document() *document.Document {
	facts := document.Facts{{Name: "Client Version", Value: document.T(r.Client)}}
	if r.Server != "" {
		facts = append(facts, document.Fact{Name: "Server Version", Value: document.T(r.Server)})
	}
	return new(document.Document).Add(facts)
}

// noArgs refuses arguments.
func noArgs(args []string) error {
	if len(args) > 0 {
		return UsageErrorf("unexpected argument %q", args[0])
	}
	return nil
}
