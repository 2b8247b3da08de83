package slackbot

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"k8s.io/client-go/discovery"

	"github.com/kubectl-lab/kubectl-lab/pkg/actions"
)

// checkTime bounds each thing that Check asks.
const checkTime = 15 * time.Second

// Check looks at the configuration, the tokens and the clusters. It returns one line for each thing
// that is well, and an error that joins those that are not.
func Check(ctx context.Context, options Options) ([]string, error) {
	data, err := os.ReadFile(options.ConfigPath)
	if err != nil {
		return nil, fmt.Errorf("reading the configuration: %w", err)
	}
	config, err := ParseConfig(data, options.Actions)
	if err != nil {
		return nil, err
	}
	lines := []string{"configuration: ok"}
	var failed []error
	note := func(what string, err error) {
		if err != nil {
			failed = append(failed, fmt.Errorf("%s: %w", what, err))
			return
		}
		lines = append(lines, what+": ok")
	}
	if err := options.Secrets.check(options.HTTP != ""); err != nil {
		failed = append(failed, err)
	} else {
		note("bot token", checkBotToken(ctx, options))
	}
	reach := newClusters(options.Kubeconfig, "labbot/"+options.Build.Version)
	for _, cluster := range config.Clusters {
		note("cluster "+cluster.Name, reach.check(ctx, cluster))
	}
	return lines, errors.Join(failed...)
}

func checkBotToken(ctx context.Context, options Options) error {
	ctx, cancel := context.WithTimeout(ctx, checkTime)
	defer cancel()
	client, err := newSlackClient(options.SlackAPI, options.Secrets.BotToken, options.Secrets.AppToken, newMetrics())
	if err != nil {
		return err
	}
	_, err = client.AuthTestContext(ctx)
	return err
}

// check asks a cluster for its version with the bot's own account.
func (c *clusters) check(ctx context.Context, config ClusterConfig) error {
	restConfig, err := c.restConfig(config)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, checkTime)
	defer cancel()
	client, err := discovery.NewDiscoveryClientForConfig(restConfig)
	if err != nil {
		return err
	}
	if _, err := client.RESTClient().Get().AbsPath("/version").DoRaw(ctx); err != nil {
		return actions.Explain(err)
	}
	return nil
}

// RBACOf is RBAC for the configuration file at path. Members of Slack user groups are asked of Slack.
func RBACOf(ctx context.Context, path string, all []actions.Action, namespace, account string, secrets Secrets, slackAPI string) ([]byte, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading the configuration: %w", err)
	}
	config, err := ParseConfig(data, all)
	if err != nil {
		return nil, err
	}
	if secrets.BotToken == "" {
		return RBAC(ctx, config, namespace, account, nil)
	}
	client, err := newSlackClient(slackAPI, secrets.BotToken, secrets.AppToken, newMetrics())
	if err != nil {
		return nil, err
	}
	return RBAC(ctx, config, namespace, account, func(ctx context.Context, group string) ([]string, error) {
		return client.GetUserGroupMembersContext(ctx, group)
	})
}
