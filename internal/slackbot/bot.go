// Package slackbot offers the actions in Slack. It turns what people type into commands, from the
// registry of actions and nothing else, runs them in the cluster as the person who typed them, and
// answers.
//
// The way of a command: a transport (socket.go, httpmode.go) hands an envelope to receive (ingress.go),
// which decodes it, records it as a Lease (record.go) and queues it, and then acknowledges it. A
// worker (session.go) finds out who asks (identity.go), parses the line (command.go), and runs it
// (run.go), asking for a confirmation first if it writes (confirm.go). The answer goes back where
// the command came from (place.go), and one line goes to the audit log (audit.go).
package slackbot

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/kubectl-lab/kubectl-lab/pkg/actions"
)

// Options are what the bot is made of.
type Options struct {
	// ConfigPath is the configuration file. It is read again when it changes.
	ConfigPath string
	// Kubeconfig is the bot's own access to clusters that name no kubeconfig; empty means the
	// cluster that it runs in, or the default kubeconfig.
	Kubeconfig string
	// Namespace is where the bot keeps its records, in its home cluster: the default cluster of the
	// configuration at the start. Required.
	Namespace string
	// Secrets are the tokens of the Slack app.
	Secrets Secrets
	// HTTP serves Slack's requests at this address instead of opening sockets; empty means Socket
	// Mode.
	HTTP string
	// Health serves /livez, /readyz and /metrics at this address; empty serves none.
	Health string
	// SlackAPI is the base of Slack's Web API; empty means Slack's own.
	SlackAPI string
	Actions  []actions.Action
	Build    actions.BuildInfo
	// Log receives what the bot has to say, Audit one JSON line for each command.
	Log   *slog.Logger
	Audit io.Writer
	// Now is the clock; nil means time.Now.
	Now func() time.Time
	// Listening, if set, is called with the addresses that were opened.
	Listening func(slackAddr, healthAddr string)
}

// Bot is a running bot.
type Bot struct {
	Options
	config   *configStore
	clusters *clusters
	slack    *slackClient
	speaker  *speaker
	members  *groupCache
	records  *records
	auditor  auditor
	metrics  *metrics
	health   *health
	limiter  *limiter
	seen     *seen
	parser   parser

	home      kubernetes.Interface
	slots     chan struct{} // one for each command that runs or waits
	queue     chan *job
	recording chan struct{} // bounds the envelopes that are being recorded
	quick     chan struct{} // bounds the requests that are served beside the queue

	mu      sync.Mutex
	running map[string]*job // by the name of the record
	ended   map[string]ended
	drained bool           // no work is begun any more
	busy    sync.WaitGroup // work under way, begun by begin
}

// ended is a command that was answered while its record could not be closed.
type ended struct {
	how outcome
	at  time.Time
}

// New checks everything that can be checked without starting.
func New(options Options) (*Bot, error) {
	if options.Now == nil {
		options.Now = time.Now
	}
	if options.Namespace == "" {
		return nil, actions.UsageErrorf("no namespace for the records: set --namespace or POD_NAMESPACE")
	}
	if err := options.Secrets.check(options.HTTP != ""); err != nil {
		return nil, asUsage(err)
	}
	config, err := loadConfig(options.ConfigPath, options.Actions, options.Log)
	if err != nil {
		return nil, asUsage(err)
	}
	b := &Bot{
		Options:   options,
		config:    config,
		clusters:  newClusters(options.Kubeconfig, "labbot/"+options.Build.Version),
		metrics:   newMetrics(),
		auditor:   auditor{slog.New(slog.NewJSONHandler(options.Audit, nil))},
		parser:    parser{options.Actions},
		seen:      newSeen(options.Now),
		running:   map[string]*job{},
		ended:     map[string]ended{},
		recording: make(chan struct{}, maxRecording),
		quick:     make(chan struct{}, maxQuick),
	}
	limits := config.get().Limits
	b.slots = make(chan struct{}, limits.Workers+limits.Queue)
	b.queue = make(chan *job, limits.Workers+limits.Queue)
	b.limiter = newLimiter(options.Now)
	b.slack, err = newSlackClient(options.SlackAPI, options.Secrets.BotToken, options.Secrets.AppToken, b.metrics)
	if err != nil {
		return nil, err
	}
	b.speaker = &speaker{slack: b.slack, now: options.Now}
	b.members = newGroupCache(func(ctx context.Context, group string) ([]string, error) {
		return b.slack.GetUserGroupMembersContext(ctx, group)
	}, options.Now)
	b.health = newHealth(options.Now)
	return b, b.openRecords()
}

// asUsage marks errors of what the bot is started with.
func asUsage(err error) error {
	return &actions.Error{Message: err.Error(), Code: actions.ExitUsage, Err: err}
}

// openRecords connects to the home cluster, where the records are.
func (b *Bot) openRecords() error {
	config := b.config.get()
	home, _ := config.cluster(config.DefaultCluster)
	restConfig, err := b.clusters.restConfig(home)
	if err != nil {
		return &actions.Error{
			Message: fmt.Sprintf("connecting to the home cluster %s: %v", home.Name, err),
			Code:    actions.ExitUnreachable,
			Err:     err,
		}
	}
	restConfig = rest.CopyConfig(restConfig)
	restConfig.Timeout = recordTimeout
	if b.home, err = kubernetes.NewForConfig(restConfig); err != nil {
		return fmt.Errorf("connecting to the home cluster: %w", err)
	}
	sealer, err := newSealer(b.Secrets.BotToken)
	if err != nil {
		return err
	}
	b.records = &records{
		leases: b.home.CoordinationV1().Leases(b.Namespace),
		holder: "labbot-" + randomID(),
		sealer: sealer,
		now:    b.Now,
	}
	return nil
}

// shutdownTime is how long commands at work may take to end after the bot was told to.
const shutdownTime = 20 * time.Second

// errShutdown ends commands that are still at work then.
var errShutdown = errors.New("labbot is being restarted")

// Run serves until ctx ends; then it stops taking commands, lets those at work end or ends them, and
// returns nil. Any other end is an error.
func (b *Bot) Run(ctx context.Context) error {
	if err := b.authenticate(ctx); err != nil {
		return err
	}
	// Commands outlive the transports, which end first.
	work, stopWork := context.WithCancelCause(context.WithoutCancel(ctx))
	defer stopWork(nil)
	for range b.config.get().Limits.Workers {
		go b.worker(work)
	}
	go b.keep(work)
	go b.config.watch(work, configCheck, b.reloaded)

	group, serving := errgroup.WithContext(ctx)
	group.Go(func() error { return b.serveHealth(serving) })
	group.Go(func() error { return b.serveSlack(serving, work) })
	group.Go(func() error { return b.watchHealth(serving) })
	err := group.Wait()
	b.drain(stopWork)
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// authenticate finds out at the start whether Slack takes the bot token. Slack being away for a
// moment is no reason to stop.
func (b *Bot) authenticate(ctx context.Context) error {
	auth, err := b.slack.AuthTestContext(ctx)
	switch {
	case err != nil && isInvalidAuth(err):
		return fmt.Errorf("Slack does not accept the bot token (%w): take a valid one from the app's page, OAuth & Permissions", err)
	case err != nil:
		b.Log.Warn("Slack does not answer yet", "error", err)
		return nil
	}
	b.Log.Info("signed in to Slack", "team", auth.TeamID, "user", auth.UserID)
	return nil
}

func (b *Bot) serveSlack(ctx, work context.Context) error {
	if b.HTTP != "" {
		return b.serveHTTP(ctx, work)
	}
	return b.serveSockets(ctx, work)
}

// reloaded takes over a new configuration.
func (b *Bot) reloaded(err error) {
	result := "good"
	if err != nil {
		result = "bad"
	}
	b.metrics.reloads.WithLabelValues(result).Inc()
	b.health.configured(err)
	b.clusters.forget()
}

// begin counts a piece of work that the bot waits for before it ends. It returns false if the bot is
// past that; else whoever called it calls b.busy.Done.
func (b *Bot) begin() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.drained {
		return false
	}
	b.busy.Add(1)
	return true
}

// drain waits for the commands at work, and ends them when their time is over.
func (b *Bot) drain(stop context.CancelCauseFunc) {
	b.mu.Lock()
	b.drained = true
	b.mu.Unlock()
	done := make(chan struct{})
	go func() {
		b.busy.Wait()
		close(done)
	}()
	select {
	case <-done:
		return
	case <-time.After(shutdownTime):
	}
	stop(errShutdown)
	select {
	case <-done:
	case <-time.After(answerTime):
		b.Log.Error("some commands did not end; another replica reports them as interrupted")
	}
}
