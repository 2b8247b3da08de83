package slackbot

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"time"

	"k8s.io/client-go/discovery"

	"github.com/kubectl-lab/kubectl-lab/pkg/actions"
)

// checkTime bounds each thing that Check asks.
const checkTime = 15 * time.Second

// Check looks at the configuration, the tokens and the clusters. It returns one line for each thing
// that is well, and an error that joins those that are not.
func Check(ctx context.Context, options Options) ([]string, error) {
	config, err := readConfig(options.ConfigPath, options.Actions)
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
		failed = append(failed, asUsage(err))
	} else {
		note("bot token", checkBotToken(ctx, options))
	}
	reach := newClusters(options.Kubeconfig, "labbot/"+options.Build.Version)
	for _, cluster := range config.Clusters {
		note("cluster "+cluster.Name, reach.check(ctx, cluster))
	}
	return lines, errors.Join(failed...)
}

// readConfig reads and checks a configuration file.
func readConfig(path string, all []actions.Action) (*Config, error) {
	_, config, err := (&configStore{path: path, actions: all}).read()
	if err != nil {
		return nil, asUsage(err)
	}
	return config, nil
}

func checkBotToken(ctx context.Context, options Options) error {
	ctx, cancel := context.WithTimeout(ctx, checkTime)
	defer cancel()
	client, err := newSlackClient(options.SlackAPI, options.Secrets.BotToken, options.Secrets.AppToken, newMetrics())
	if err != nil {
		return err
	}
	_, err = client.AuthTestContext(ctx)
	var away *url.Error
	switch {
	case errors.As(err, &away):
		return fmt.Errorf("Slack could not be reached: %w", away.Err)
	case err != nil && isInvalidAuth(err):
		return fmt.Errorf("Slack does not accept it (%w): take a valid one from the app's page, OAuth & Permissions", err)
	}
	return err
}

// check asks a cluster for its version with the bot's own account.
func (c *clusters) check(ctx context.Context, config ClusterConfig) error {
	restConfig, err := c.restConfig(config)
	if err != nil {
		return &actions.Error{Message: err.Error(), Code: actions.ExitUnreachable, Err: err}
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
	config, err := readConfig(path, all)
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
