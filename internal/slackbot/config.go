package slackbot

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	"sigs.k8s.io/yaml"

	"github.com/kubectl-lab/kubectl-lab/internal/suggest"
	"github.com/kubectl-lab/kubectl-lab/pkg/actions"
)

// The version of the configuration file.
const (
	ConfigAPIVersion = "labbot.kubectl-lab.github.io/v1alpha1"
	ConfigKind       = "LabbotConfig"
)

// Config is the configuration file. Everything that it does not allow is denied.
type Config struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	// Teams are the ids of the Slack workspaces (T…) whose people may be configured. Required.
	Teams []string `json:"teams"`
	// Clusters are those that commands can reach. At least one.
	Clusters []ClusterConfig `json:"clusters"`
	// DefaultCluster is used where neither the command nor the channel names one. Default: the first.
	DefaultCluster string `json:"defaultCluster,omitempty"`
	// People say who may use the bot, and as which Kubernetes groups they act.
	People []Binding `json:"people"`
	// Channels are those in which the bot answers.
	Channels []ChannelRule `json:"channels"`
	// Approvals are the confirmations that ask for more than a click by the requester.
	Approvals []ApprovalRule `json:"approvals,omitempty"`
	// Token bounds the credentials that the bot hands out.
	Token TokenConfig `json:"token,omitempty"`
	// Limits bound the work under way.
	Limits Limits `json:"limits,omitempty"`
	// Timeouts bound each command.
	Timeouts Timeouts `json:"timeouts,omitempty"`
	// Events writes a Kubernetes Event about each object that a command changed. The bot's own account
	// writes it, for which "labbot rbac" gives it the right; the Event names the person.
	Events bool `json:"events,omitempty"`
}

// ClusterConfig is a cluster that commands can reach.
type ClusterConfig struct {
	// Name is what people write behind --cluster.
	Name string `json:"name"`
	// Kubeconfig is a file; empty means the cluster that the bot runs in, or if it runs in none,
	// the kubeconfig that the bot was started with.
	Kubeconfig string `json:"kubeconfig,omitempty"`
	// Context is the context of the kubeconfig; empty means its current one.
	Context string `json:"context,omitempty"`
	// Namespace is the default namespace. Default: "default".
	Namespace string `json:"namespace,omitempty"`
}

// Binding lets people use the bot and gives them Kubernetes groups.
type Binding struct {
	// Users are people as TEAM:USER, such as "T0123:U0456".
	Users []string `json:"users,omitempty"`
	// SlackGroups are Slack user groups as TEAM:GROUP, such as "T0123:S0789": all their members.
	SlackGroups []string `json:"slackGroups,omitempty"`
	// Groups are the Kubernetes groups as which these people act besides their own name.
	Groups []string `json:"groups,omitempty"`
}

// The ids of channel rules that name no single channel.
const (
	// AnyChannel matches every channel that no other rule names.
	AnyChannel = "*"
	// DirectMessages matches direct messages to the bot.
	DirectMessages = "direct"
)

// ChannelRule says what may be done in a channel.
type ChannelRule struct {
	// ID is the channel's id (C… or G…), "*" for every channel that no other rule names, or
	// "direct" for direct messages. Names are not used: anybody could rename a channel.
	ID string `json:"id"`
	// Cluster is the channel's default cluster.
	Cluster string `json:"cluster,omitempty"`
	// Namespace is the channel's default namespace.
	Namespace string `json:"namespace,omitempty"`
	// Verbs are the verbs allowed here; empty allows all.
	Verbs []string `json:"verbs,omitempty"`
	// DenyVerbs are verbs refused here, even if Verbs has them.
	DenyVerbs []string `json:"denyVerbs,omitempty"`
	// Public shows the answers to slash commands to the whole channel instead of to the requester.
	// Secrets stay private in any case.
	Public bool `json:"public,omitempty"`
}

// Confirmation is what it takes to let a command act.
type Confirmation string

const (
	// ConfirmClick is a click on Confirm by the requester; this is the least for a write.
	ConfirmClick Confirmation = "click"
	// ConfirmTyped is the verb, typed again by the requester.
	ConfirmTyped Confirmation = "typed"
	// ConfirmPerson is a click on Approve by a second person, who must be allowed to do the same.
	ConfirmPerson Confirmation = "person"
)

// ApprovalRule asks for a stronger confirmation. Of the rules that match, the strongest counts.
type ApprovalRule struct {
	// Verbs are the verbs concerned, such as "delete" or "token".
	Verbs []string `json:"verbs"`
	// MoreThan lets commands on at most that many objects pass with a click. It has no meaning for
	// verbs that reveal a secret.
	MoreThan int `json:"moreThan,omitempty"`
	// By is "typed" or "person".
	By Confirmation `json:"by"`
	// Approvers may approve; empty means everybody whom People lists, the requester never.
	Approvers Approvers `json:"approvers,omitempty"`
}

// Approvers are people who may approve.
type Approvers struct {
	Users       []string `json:"users,omitempty"`
	SlackGroups []string `json:"slackGroups,omitempty"`
}

func (a Approvers) empty() bool { return len(a.Users)+len(a.SlackGroups) == 0 }

// TokenConfig bounds credentials.
type TokenConfig struct {
	// MaxDuration is the longest lifetime that may be asked for. Default 1h, at most 24h.
	MaxDuration metav1.Duration `json:"maxDuration,omitempty"`
}

// Limits bound the work under way.
type Limits struct {
	// Workers is how many commands run at a time. Default 16.
	Workers int `json:"workers,omitempty"`
	// Queue is how many commands wait. Default 128.
	Queue int `json:"queue,omitempty"`
	// PerMinute is how many commands one person may start a minute. Default 20.
	PerMinute int `json:"perMinute,omitempty"`
}

// Timeouts bound each command.
type Timeouts struct {
	// Default is the time that a command may take. Default 1m.
	Default metav1.Duration `json:"default,omitempty"`
	// Verbs are the times of single verbs. Default: status 15m.
	Verbs map[string]metav1.Duration `json:"verbs,omitempty"`
	// Confirm is how long a preview waits for its confirmation. Default 5m, at most 25m: Slack lets
	// an answer be changed for 30.
	Confirm metav1.Duration `json:"confirm,omitempty"`
}

const (
	defaultTokenDuration = time.Hour
	maxTokenDuration     = 24 * time.Hour
	defaultConfirmTime   = 5 * time.Minute
	maxConfirmTime       = 25 * time.Minute
	defaultTimeout       = time.Minute
	maxTimeout           = 30 * time.Minute
	maxWorkers           = 256
	maxQueue             = 10_000
)

// ParseConfig reads and checks a configuration file. Unknown fields are errors. All that is wrong is
// reported at once.
func ParseConfig(data []byte, all []actions.Action) (*Config, error) {
	c := &Config{}
	if err := yaml.UnmarshalStrict(data, c); err != nil {
		return nil, fmt.Errorf("reading %s: %s", ConfigKind, decodingError(err))
	}
	c.setDefaults(all)
	if err := c.validate(all); err != nil {
		return nil, err
	}
	return c, nil
}

// decodingError leaves out how the file is decoded: by way of JSON, which is no concern of its author.
func decodingError(err error) string {
	text := err.Error()
	for _, how := range []string{"error unmarshaling JSON: ", "while decoding JSON: ", "json: ", "error converting YAML to JSON: "} {
		text = strings.TrimPrefix(text, how)
	}
	return text
}

func (c *Config) setDefaults(all []actions.Action) {
	if c.DefaultCluster == "" && len(c.Clusters) > 0 {
		c.DefaultCluster = c.Clusters[0].Name
	}
	for i := range c.Clusters {
		setDefault(&c.Clusters[i].Namespace, metav1.NamespaceDefault)
	}
	setDefault(&c.Token.MaxDuration.Duration, defaultTokenDuration)
	setDefault(&c.Limits.Workers, 16)
	setDefault(&c.Limits.Queue, 128)
	setDefault(&c.Limits.PerMinute, 20)
	setDefault(&c.Timeouts.Default.Duration, defaultTimeout)
	setDefault(&c.Timeouts.Confirm.Duration, defaultConfirmTime)
	if c.Timeouts.Verbs == nil && hasVerb(all, "status") {
		c.Timeouts.Verbs = map[string]metav1.Duration{"status": {Duration: 15 * time.Minute}}
	}
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// problems collects what is wrong.
type problems []error

func (p *problems) add(format string, args ...any) { *p = append(*p, fmt.Errorf(format, args...)) }

func (c *Config) validate(all []actions.Action) error {
	var p problems
	if c.APIVersion != ConfigAPIVersion || c.Kind != ConfigKind {
		p.add("apiVersion and kind must be %s and %s, not %q and %q", ConfigAPIVersion, ConfigKind, c.APIVersion, c.Kind)
	}
	if len(c.Teams) == 0 {
		p.add("teams: name at least one workspace; without it everybody is denied")
	}
	for i, team := range c.Teams {
		if !isID(team, "T", "E") {
			p.add("teams[%d]: %q is not the id of a workspace, such as T0123ABCD", i, team)
		}
	}
	c.validateClusters(&p)
	for i, b := range c.People {
		c.validateBinding(&p, fmt.Sprintf("people[%d]", i), b)
	}
	c.validateChannels(&p, all)
	for i, rule := range c.Approvals {
		c.validateApproval(&p, fmt.Sprintf("approvals[%d]", i), rule, all)
	}
	c.validateLimits(&p, all)
	return errors.Join(p...)
}

func (c *Config) validateClusters(p *problems) {
	if len(c.Clusters) == 0 {
		p.add("clusters: name at least one")
	}
	seen := map[string]bool{}
	for i, cluster := range c.Clusters {
		at := fmt.Sprintf("clusters[%d]", i)
		if faults := validation.IsDNS1123Label(cluster.Name); len(faults) > 0 {
			p.add("%s.name: %q: %s", at, cluster.Name, faults[0])
		}
		if seen[cluster.Name] {
			p.add("%s.name: there are two clusters %q", at, cluster.Name)
		}
		seen[cluster.Name] = true
		if faults := validation.IsDNS1123Label(cluster.Namespace); len(faults) > 0 {
			p.add("%s.namespace: %q: %s", at, cluster.Namespace, faults[0])
		}
	}
	if len(c.Clusters) > 0 && !seen[c.DefaultCluster] {
		p.add("defaultCluster: there is no cluster %q; there are: %s", c.DefaultCluster, strings.Join(c.clusterNames(), ", "))
	}
}

func (c *Config) validateBinding(p *problems, at string, b Binding) {
	c.validatePeople(p, at, b.Users, b.SlackGroups)
	if len(b.Users)+len(b.SlackGroups) == 0 {
		p.add("%s: name users or slackGroups", at)
	}
	for i, group := range b.Groups {
		switch {
		case group == "":
			p.add("%s.groups[%d]: empty", at, i)
		case strings.HasPrefix(group, "system:"):
			p.add("%s.groups[%d]: %q belongs to Kubernetes itself; bind roles to a group of your own", at, i, group)
		}
	}
}

func (c *Config) validatePeople(p *problems, at string, users, groups []string) {
	for i, user := range users {
		if !c.isPerson(user, "U", "W") {
			p.add("%s.users[%d]: %q is not TEAM:USER with a workspace of teams, such as T0123:U0456", at, i, user)
		}
	}
	for i, group := range groups {
		if !c.isPerson(group, "S") {
			p.add("%s.slackGroups[%d]: %q is not TEAM:GROUP with a workspace of teams, such as T0123:S0789", at, i, group)
		}
	}
}

func (c *Config) isPerson(id string, prefixes ...string) bool {
	team, rest, found := strings.Cut(id, ":")
	return found && slices.Contains(c.Teams, team) && isID(rest, prefixes...)
}

// isID reports whether s looks like one of Slack's ids: a letter for the kind, then capitals and
// digits.
func isID(s string, prefixes ...string) bool {
	if len(s) < 2 || strings.Trim(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789") != "" {
		return false
	}
	return slices.ContainsFunc(prefixes, func(prefix string) bool { return strings.HasPrefix(s, prefix) })
}

func (c *Config) validateChannels(p *problems, all []actions.Action) {
	if len(c.Channels) == 0 {
		p.add("channels: name at least one channel, or \"*\" or \"direct\"; without it the bot answers nowhere")
	}
	seen := map[string]bool{}
	for i, rule := range c.Channels {
		at := fmt.Sprintf("channels[%d]", i)
		if rule.ID != AnyChannel && rule.ID != DirectMessages && !isID(rule.ID, "C", "G") {
			p.add("%s.id: %q is not the id of a channel (C…), %q or %q; names are not used, since anybody could rename a channel", at, rule.ID, AnyChannel, DirectMessages)
		}
		if seen[rule.ID] {
			p.add("%s.id: there are two rules for %q", at, rule.ID)
		}
		seen[rule.ID] = true
		if rule.Cluster != "" && !slices.Contains(c.clusterNames(), rule.Cluster) {
			p.add("%s.cluster: there is no cluster %q; there are: %s", at, rule.Cluster, strings.Join(c.clusterNames(), ", "))
		}
		if faults := validation.IsDNS1123Label(rule.Namespace); rule.Namespace != "" && len(faults) > 0 {
			p.add("%s.namespace: %q: %s", at, rule.Namespace, faults[0])
		}
		validateVerbs(p, at+".verbs", rule.Verbs, all)
		validateVerbs(p, at+".denyVerbs", rule.DenyVerbs, all)
	}
}

func (c *Config) validateApproval(p *problems, at string, rule ApprovalRule, all []actions.Action) {
	if len(rule.Verbs) == 0 {
		p.add("%s.verbs: name at least one verb", at)
	}
	validateVerbs(p, at+".verbs", rule.Verbs, all)
	if rule.By != ConfirmTyped && rule.By != ConfirmPerson {
		p.add("%s.by: must be %q or %q, not %q", at, ConfirmTyped, ConfirmPerson, rule.By)
	}
	if rule.MoreThan < 0 {
		p.add("%s.moreThan: must not be negative", at)
	}
	c.validatePeople(p, at+".approvers", rule.Approvers.Users, rule.Approvers.SlackGroups)
}

func (c *Config) validateLimits(p *problems, all []actions.Action) {
	between(p, "token.maxDuration", c.Token.MaxDuration.Duration, 10*time.Minute, maxTokenDuration)
	between(p, "timeouts.default", c.Timeouts.Default.Duration, time.Second, maxTimeout)
	between(p, "timeouts.confirm", c.Timeouts.Confirm.Duration, time.Second, maxConfirmTime)
	between(p, "limits.workers", c.Limits.Workers, 1, maxWorkers)
	between(p, "limits.queue", c.Limits.Queue, 1, maxQueue)
	between(p, "limits.perMinute", c.Limits.PerMinute, 1, 1000)
	for verb, d := range c.Timeouts.Verbs {
		validateVerbs(p, "timeouts.verbs", []string{verb}, all)
		between(p, "timeouts.verbs."+verb, d.Duration, time.Second, maxTimeout)
	}
}

func between[T int | time.Duration](p *problems, at string, value, least, most T) {
	if value < least || value > most {
		p.add("%s: must be between %v and %v, not %v", at, least, most, value)
	}
}

func validateVerbs(p *problems, at string, verbs []string, all []actions.Action) {
	for _, verb := range verbs {
		if hasVerb(all, verb) {
			continue
		}
		text := fmt.Sprintf("%s: there is no verb %q", at, verb)
		if meant := suggest.Closest(verb, verbNames(all)); meant != "" {
			text += fmt.Sprintf("; did you mean %q?", meant)
		}
		p.add("%s", text)
	}
}

// hasVerb reports whether words are a verb or the first words of some, such as "create".
func hasVerb(all []actions.Action, words string) bool {
	return slices.ContainsFunc(all, func(a actions.Action) bool { return verbMatches(words, a.Words) })
}

// verbMatches reports whether a rule's words cover a verb: the verb itself, or its first words.
func verbMatches(rule, verb string) bool {
	return rule != "" && (rule == verb || strings.HasPrefix(verb, rule+" "))
}

func verbNames(all []actions.Action) []string {
	names := make([]string, len(all))
	for i, a := range all {
		names[i] = a.Words
	}
	return names
}

func (c *Config) clusterNames() []string {
	names := make([]string, len(c.Clusters))
	for i, cluster := range c.Clusters {
		names[i] = cluster.Name
	}
	return names
}

// cluster returns the cluster of that name.
func (c *Config) cluster(name string) (ClusterConfig, bool) {
	i := slices.IndexFunc(c.Clusters, func(cluster ClusterConfig) bool { return cluster.Name == name })
	if i < 0 {
		return ClusterConfig{}, false
	}
	return c.Clusters[i], true
}

// timeout is how long a verb may take.
func (c *Config) timeout(verb string) time.Duration {
	longest := ""
	for rule := range c.Timeouts.Verbs {
		if verbMatches(rule, verb) && len(rule) > len(longest) {
			longest = rule
		}
	}
	if longest == "" {
		return c.Timeouts.Default.Duration
	}
	return c.Timeouts.Verbs[longest].Duration
}

// kubernetesGroups are all groups that the configuration gives to anybody.
func (c *Config) kubernetesGroups() []string {
	var groups []string
	for _, b := range c.People {
		groups = append(groups, b.Groups...)
	}
	slices.Sort(groups)
	return slices.Compact(groups)
}
