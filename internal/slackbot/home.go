package slackbot

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/slack-go/slack"
	authorizationv1 "k8s.io/api/authorization/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubectl-lab/kubectl-lab/internal/render/blockkit"
	"github.com/kubectl-lab/kubectl-lab/pkg/actions"
	"github.com/kubectl-lab/kubectl-lab/pkg/document"
)

// What the App Home shows.
const (
	homeTime   = 15 * time.Second
	homeRecent = 8
	homeRules  = 25
)

// openHome shows a person's App Home: who they are here, what they may do, and what they did last.
func (b *Bot) openHome(ctx context.Context, r *request) {
	ctx, cancel := context.WithTimeout(ctx, homeTime)
	defer cancel()
	m := b.homeMessage(ctx, r)
	_, err := b.slack.PublishViewContext(ctx, slack.PublishViewContextRequest{
		UserID: r.user,
		View:   slack.HomeTabViewRequest{Type: slack.VTHomeTab, Blocks: slack.Blocks{BlockSet: m.blocks}},
	})
	if err != nil {
		b.Log.Warn("an App Home could not be shown", "error", err)
	}
}

func (b *Bot) homeMessage(ctx context.Context, r *request) message {
	config := b.config.get()
	who, err := b.identify(ctx, config, r.person())
	if err != nil {
		return documentMessage(errorDocument(err), blockkit.Options{})
	}
	doc := &document.Document{Title: "labbot"}
	doc.Add(document.Heading{Text: "Who you are here"}, document.Facts{
		{Name: "Kubernetes user", Value: document.T(who.user())},
		{Name: "Groups", Value: document.T(firstOf(strings.Join(who.groups, ", "), "none"))},
		{Name: "Clusters", Value: document.T(strings.Join(config.clusterNames(), ", "))},
	})
	b.addRules(ctx, doc, config, who)
	m := documentMessage(doc, blockkit.Options{})
	b.addRecent(ctx, &m, who)
	m.note("Type /lab help in a channel, or write to me here.")
	return m
}

// addRules shows what the person may do, as the default cluster's RBAC says.
func (b *Bot) addRules(ctx context.Context, doc *document.Document, config *Config, who identity) {
	home, _ := config.cluster(config.DefaultCluster)
	doc.Add(document.Heading{Text: fmt.Sprintf("What you may do in cluster %s, namespace %s", home.Name, home.Namespace)})
	rules, err := b.rulesOf(ctx, home, who)
	if err != nil {
		doc.Add(errorDocument(err).Blocks...)
		return
	}
	table := document.Table{Columns: []document.Column{{Name: "RESOURCES"}, {Name: "VERBS"}}}
	for _, rule := range rules {
		row := []document.Text{document.T(strings.Join(rule.Resources, ",")), document.T(strings.Join(rule.Verbs, ","))}
		if len(table.Rows) == homeRules {
			table.Omitted++
			continue
		}
		table.Rows = append(table.Rows, row)
	}
	doc.Add(table)
}

func (b *Bot) rulesOf(ctx context.Context, home ClusterConfig, who identity) ([]authorizationv1.ResourceRule, error) {
	reached, err := b.clusters.get(home)
	if err != nil {
		return nil, err
	}
	client, err := actions.NewCluster(&connection{cluster: reached, who: who, namespace: home.Namespace}).Kubernetes()
	if err != nil {
		return nil, err
	}
	review, err := client.AuthorizationV1().SelfSubjectRulesReviews().Create(ctx, &authorizationv1.SelfSubjectRulesReview{
		Spec: authorizationv1.SelfSubjectRulesReviewSpec{Namespace: home.Namespace},
	}, metav1.CreateOptions{})
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(review.Status.ResourceRules, isForEverybody), nil
}

// isForEverybody reports whether a rule is one of those that Kubernetes gives to every user.
func isForEverybody(rule authorizationv1.ResourceRule) bool {
	return slices.Contains(rule.APIGroups, "authorization.k8s.io") || slices.Contains(rule.APIGroups, "authentication.k8s.io")
}

// addRecent lists the person's last commands, each with a button that runs it again.
func (b *Bot) addRecent(ctx context.Context, m *message, who identity) {
	all, err := b.records.list(ctx, labelState)
	if err != nil {
		return
	}
	var mine []entry
	for _, r := range all {
		if e := r.entry(); e.person == who.person && e.line != "" {
			mine = append(mine, e)
		}
	}
	slices.SortFunc(mine, func(x, y entry) int { return y.created.Compare(x.created) })
	for _, e := range mine[:min(len(mine), homeRecent)] {
		text := fmt.Sprintf("/lab %s\n%s · %s", e.line, e.created.UTC().Format("15:04 UTC"), firstOf(string(e.outcome), e.state))
		section := slack.NewSectionBlock(slack.NewTextBlockObject(slack.PlainTextType, blockkit.Truncate(text, 2000), false, false), nil, nil)
		if again := button(actionAgain, pageValue{Line: e.line}.encode(), "Run again", ""); again != nil {
			section.Accessory = slack.NewAccessory(again)
		}
		m.add(section)
	}
}
