package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/kubectl-lab/kubectl-lab/internal/slackbot"
	"github.com/kubectl-lab/kubectl-lab/pkg/actions"
)

// settings are the flags that several commands take.
type settings struct {
	config     string
	kubeconfig string
	namespace  string
	slackAPI   string
	http       string
	health     string
}

func (s *settings) bindConfig(cmd *cobra.Command) {
	cmd.Flags().StringVar(&s.config, "config", "/etc/labbot/config.yaml", "the configuration file (LabbotConfig)")
}

func (s *settings) bind(cmd *cobra.Command, p *program) {
	s.bindConfig(cmd)
	cmd.Flags().StringVar(&s.kubeconfig, "kubeconfig", "", "the bot's access to clusters that name no kubeconfig; default: the cluster that it runs in, else KUBECONFIG")
	cmd.Flags().StringVar(&s.namespace, "namespace", p.namespace(), "where the bot keeps its command records; default: POD_NAMESPACE, or its own namespace")
	cmd.Flags().StringVar(&s.http, "http", "", "serve Slack's requests at this address, such as :8080, instead of opening sockets (needs SLACK_SIGNING_SECRET)")
	cmd.Flags().StringVar(&s.slackAPI, "slack-api", "", "the base of Slack's Web API, for tests")
	cmd.Flags().StringVar(&s.health, "health", ":8081", "serve /livez, /readyz and /metrics at this address; empty serves none")
}

// namespace is the one that the bot runs in.
func (p *program) namespace() string {
	if namespace := p.getenv("POD_NAMESPACE"); namespace != "" {
		return namespace
	}
	const mounted = "/var/run/secrets/kubernetes.io/serviceaccount/namespace"
	if data, err := os.ReadFile(mounted); err == nil {
		return strings.TrimSpace(string(data))
	}
	return ""
}

// usage gives an error the exit code of a wrong command line, environment or file.
func usage(err error) error {
	return &actions.Error{Message: err.Error(), Code: actions.ExitUsage, Err: err}
}

func (s *settings) options(p *program) (slackbot.Options, error) {
	secrets, err := slackbot.ReadSecrets(p.getenv)
	if err != nil {
		return slackbot.Options{}, usage(err)
	}
	return slackbot.Options{
		ConfigPath: s.config,
		Kubeconfig: s.kubeconfig,
		Namespace:  s.namespace,
		Secrets:    secrets,
		HTTP:       s.http,
		Health:     s.health,
		SlackAPI:   s.slackAPI,
		Actions:    actions.All(),
		Build:      p.build,
		Log:        p.log,
		Audit:      p.out,
	}, nil
}

func (p *program) runCommand() *cobra.Command {
	s := &settings{}
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Serve Slack until told to stop",
		Long: `Serves Slack until SIGTERM, by Socket Mode or with --http by request URLs.

The tokens come from SLACK_BOT_TOKEN, SLACK_APP_TOKEN (Socket Mode) and SLACK_SIGNING_SECRET (HTTP), or from the files that these variables name with _FILE appended. Audit lines go to stdout, all else to stderr.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			options, err := s.options(p)
			if err != nil {
				return err
			}
			bot, err := slackbot.New(options)
			if err != nil {
				return err
			}
			return bot.Run(cmd.Context())
		},
	}
	s.bind(cmd, p)
	return cmd
}

func (p *program) checkCommand() *cobra.Command {
	s := &settings{}
	cmd := &cobra.Command{
		Use:   "check-config",
		Short: "Check the configuration, the tokens and the clusters without serving",
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			options, err := s.options(p)
			if err != nil {
				return err
			}
			lines, err := slackbot.Check(cmd.Context(), options)
			for _, line := range lines {
				fmt.Fprintln(p.out, line)
			}
			return err
		},
	}
	s.bind(cmd, p)
	return cmd
}

func (p *program) rbacCommand() *cobra.Command {
	s := &settings{}
	var namespace, account string
	cmd := &cobra.Command{
		Use:   "rbac",
		Short: "Print the rights that the bot's account needs, for kubectl apply",
		Long: `Prints the roles that let the bot's account impersonate exactly the people and groups of the configuration, and keep its command records.

Apply them to each cluster of the configuration, again after each change of people. Members of Slack user groups are asked of Slack, which needs SLACK_BOT_TOKEN.`,
		Example: "  labbot rbac --config config.yaml | kubectl apply -f -",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			secrets, err := slackbot.ReadSecrets(p.getenv)
			if err != nil {
				return usage(err)
			}
			manifest, err := slackbot.RBACOf(cmd.Context(), s.config, actions.All(), namespace, account, secrets, s.slackAPI)
			if err != nil {
				return err
			}
			_, err = p.out.Write(manifest)
			return err
		},
	}
	s.bindConfig(cmd)
	cmd.Flags().StringVar(&namespace, "namespace", "labbot", "the namespace of the bot")
	cmd.Flags().StringVar(&account, "service-account", "labbot", "the bot's service account")
	cmd.Flags().StringVar(&s.slackAPI, "slack-api", "", "the base of Slack's Web API, for tests")
	return cmd
}
