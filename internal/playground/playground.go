// Package playground lets people try labbot out without Slack: a page on the local machine that looks
// and behaves like a channel, a fake Slack behind it, and the real bot behind that, by the real HTTP
// path, against the current kubeconfig.
package playground

import (
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/kubectl-lab/kubectl-lab/internal/fakeslack"
	"github.com/kubectl-lab/kubectl-lab/internal/slackbot"
	"github.com/kubectl-lab/kubectl-lab/pkg/actions"
)

//go:embed page
var page embed.FS

// Options say what to play with.
type Options struct {
	// Addr is where the page is served; only loopback addresses are taken. Default 127.0.0.1:0.
	Addr string
	// Kubeconfig is the cluster's; empty means the default.
	Kubeconfig string
	Actions    []actions.Action
	Build      actions.BuildInfo
	Log        *slog.Logger
	// Audit receives the audit lines.
	Audit io.Writer
	// Ready is called with the address of the page, which holds a key.
	Ready func(url string)
	// Say tells the user what is done to their cluster.
	Say func(text string)
}

// Run serves the playground until ctx ends. What it made in the cluster, it removes then.
func Run(ctx context.Context, options Options) (err error) {
	listener, err := listen(ctx, options.Addr)
	if err != nil {
		return err
	}
	defer listener.Close()
	slackServer, err := fakeslack.New(fakeslack.Options{KeepTraffic: 100})
	if err != nil {
		return err
	}
	defer slackServer.Close()
	world := newWorld(slackServer)

	guests, err := openCluster(ctx, options)
	if err != nil {
		return err
	}
	defer func() {
		err = errors.Join(err, guests.leave(context.WithoutCancel(ctx)), os.RemoveAll(guests.folder))
	}()

	bot, listening, err := world.newBot(options, guests)
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return bot.Run(ctx) })
	select {
	case addr := <-listening:
		world.connect(addr)
	case <-ctx.Done():
		return group.Wait()
	}
	site := newSite(world, listener.Addr().String())
	group.Go(func() error { return serve(ctx, listener, site) })
	options.Ready(site.url())
	return group.Wait()
}

// listen opens the address if nobody else can reach it.
func listen(ctx context.Context, addr string) (net.Listener, error) {
	if addr == "" {
		addr = "127.0.0.1:0"
	}
	host, _, err := net.SplitHostPort(addr)
	if ip := net.ParseIP(host); err != nil || ip == nil || !ip.IsLoopback() {
		return nil, actions.UsageErrorf("--addr %q: the playground acts with your kubeconfig, so it listens on a loopback address only, such as 127.0.0.1:8080", addr)
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, &actions.Error{
			Message: "serving the page: " + err.Error(), Hint: "choose another address with --addr, or leave it out", Code: actions.ExitFailed, Err: err,
		}
	}
	return listener, nil
}

func serve(ctx context.Context, listener net.Listener, handler http.Handler) error {
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second, BaseContext: func(net.Listener) context.Context { return ctx }}
	stop := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer stop()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serving the playground: %w", err)
	}
	return nil
}

// world is the people and the channel of the playground.
type world struct {
	slack *fakeslack.Server
	room  *fakeslack.Channel
	users []*fakeslack.User
}

// The people: what each may do in the cluster.
const (
	roleAdmin  = "admin"
	roleViewer = "viewer"
	roleNobody = "nobody"
)

func newWorld(s *fakeslack.Server) *world {
	team := s.Team()
	w := &world{slack: s}
	for _, role := range []string{roleAdmin, roleViewer, roleNobody} {
		w.users = append(w.users, team.AddUser(role))
	}
	w.room = team.AddChannel("lab", fakeslack.PublicChannel, w.users...)
	return w
}

// user returns the person of that name.
func (w *world) user(name string) (*fakeslack.User, bool) {
	for _, u := range w.users {
		if u.Name == name {
			return u, true
		}
	}
	return nil, false
}

func (w *world) person(name string) string {
	u, _ := w.user(name)
	return u.Team.ID + ":" + u.ID
}

// connect makes the fake Slack send to the bot's request URLs.
func (w *world) connect(addr string) {
	base := "http://" + addr + "/slack/"
	w.slack.UseHTTP(fakeslack.HTTPTarget{Commands: base + "commands", Interactions: base + "interactions", Events: base + "events"})
}

// newBot makes the bot. Its address arrives on the channel when it serves.
func (w *world) newBot(options Options, guests *guests) (*slackbot.Bot, <-chan string, error) {
	path := filepath.Join(guests.folder, "config.yaml")
	data, err := json.Marshal(w.config())
	if err != nil {
		return nil, nil, fmt.Errorf("encoding the playground's configuration: %w", err)
	}
	if err := os.WriteFile(path, data, 0o600); err != nil {
		return nil, nil, fmt.Errorf("writing the playground's configuration: %w", err)
	}
	listening := make(chan string, 1)
	bot, err := slackbot.New(slackbot.Options{
		ConfigPath: path,
		Kubeconfig: options.Kubeconfig,
		Namespace:  guestNamespace,
		Secrets:    slackbot.Secrets{BotToken: w.slack.Team().BotToken(), SigningSecret: w.slack.SigningSecret()},
		HTTP:       "127.0.0.1:0",
		SlackAPI:   w.slack.APIURL(),
		Actions:    options.Actions,
		Build:      options.Build,
		Log:        options.Log,
		Audit:      options.Audit,
		Listening: func(addr, _ string) {
			if addr != "" {
				listening <- addr
			}
		},
	})
	return bot, listening, err
}

func (w *world) config() *slackbot.Config {
	return &slackbot.Config{
		APIVersion: slackbot.ConfigAPIVersion,
		Kind:       slackbot.ConfigKind,
		Teams:      []string{w.slack.Team().ID},
		Clusters:   []slackbot.ClusterConfig{{Name: "playground"}},
		People: []slackbot.Binding{
			{Users: []string{w.person(roleAdmin)}, Groups: []string{adminGroup}},
			{Users: []string{w.person(roleViewer)}, Groups: []string{viewerGroup}},
		},
		Channels: []slackbot.ChannelRule{{ID: w.room.ID}, {ID: slackbot.DirectMessages}},
		Approvals: []slackbot.ApprovalRule{
			{Verbs: []string{"delete", "label nodes"}, MoreThan: 1, By: slackbot.ConfirmTyped},
		},
		Limits: slackbot.Limits{PerMinute: 120},
	}
}

// pages is the embedded page without its folder.
func pages() (fs.FS, error) { return fs.Sub(page, "page") }
