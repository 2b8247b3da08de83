package slackbot

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"
)

// RBAC prints the rights of the bot's own account: it may impersonate the people and the groups of the
// configuration and nobody else, keep its records in its namespace, and write Events if the
// configuration wants them. The members of Slack user
// groups are people too; members says who they are, and may be nil if there are no such groups.
//
// RBAC compares names as a whole, so everybody has to be named: there is no rule for "slack:*". See
// https://kubernetes.io/docs/reference/access-authn-authz/authentication/#user-impersonation.
func RBAC(ctx context.Context, c *Config, namespace, account string, members func(context.Context, string) ([]string, error)) ([]byte, error) {
	people, err := c.everybody(ctx, members)
	if err != nil {
		return nil, err
	}
	subject := []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Name: account, Namespace: namespace}}
	name := "labbot-impersonate"
	objects := []any{
		&rbacv1.ClusterRole{
			TypeMeta:   metav1.TypeMeta{APIVersion: rbacv1.SchemeGroupVersion.String(), Kind: "ClusterRole"},
			ObjectMeta: metav1.ObjectMeta{Name: name},
			Rules:      append(impersonationRules(people, c.kubernetesGroups()), c.eventRules()...),
		},
		&rbacv1.ClusterRoleBinding{
			TypeMeta:   metav1.TypeMeta{APIVersion: rbacv1.SchemeGroupVersion.String(), Kind: "ClusterRoleBinding"},
			ObjectMeta: metav1.ObjectMeta{Name: name},
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: name},
			Subjects:   subject,
		},
		&rbacv1.Role{
			TypeMeta:   metav1.TypeMeta{APIVersion: rbacv1.SchemeGroupVersion.String(), Kind: "Role"},
			ObjectMeta: metav1.ObjectMeta{Name: "labbot-records", Namespace: namespace},
			Rules: []rbacv1.PolicyRule{{
				APIGroups: []string{"coordination.k8s.io"},
				Resources: []string{"leases"},
				Verbs:     []string{"create", "get", "list", "update", "patch", "delete"},
			}},
		},
		&rbacv1.RoleBinding{
			TypeMeta:   metav1.TypeMeta{APIVersion: rbacv1.SchemeGroupVersion.String(), Kind: "RoleBinding"},
			ObjectMeta: metav1.ObjectMeta{Name: "labbot-records", Namespace: namespace},
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: "labbot-records"},
			Subjects:   subject,
		},
	}
	return encodeYAML(objects)
}

// impersonationRules allow to act as these people and groups. A rule without names would allow
// everything, so there is none for an empty list.
func impersonationRules(people, groups []string) []rbacv1.PolicyRule {
	rules := []rbacv1.PolicyRule{}
	for resource, names := range map[string][]string{"users": people, "groups": groups} {
		if len(names) > 0 {
			rules = append(rules, rbacv1.PolicyRule{
				APIGroups: []string{""}, Resources: []string{resource}, ResourceNames: names, Verbs: []string{"impersonate"},
			})
		}
	}
	slices.SortFunc(rules, func(x, y rbacv1.PolicyRule) int { return strings.Compare(y.Resources[0], x.Resources[0]) })
	return rules
}

// eventRules allow to write Events in every namespace, if the configuration wants them.
func (c *Config) eventRules() []rbacv1.PolicyRule {
	if !c.Events {
		return nil
	}
	return []rbacv1.PolicyRule{{APIGroups: []string{"events.k8s.io"}, Resources: []string{"events"}, Verbs: []string{"create"}}}
}

// everybody is the Kubernetes user names of all people of the configuration.
func (c *Config) everybody(ctx context.Context, members func(context.Context, string) ([]string, error)) ([]string, error) {
	var names []string
	for _, binding := range c.People {
		for _, user := range binding.Users {
			names = append(names, UserPrefix+user)
		}
		for _, group := range binding.SlackGroups {
			if members == nil {
				return nil, fmt.Errorf("the members of Slack user group %s are needed: set %s", group, envBotToken)
			}
			team, id, _ := strings.Cut(group, ":")
			users, err := members(ctx, id)
			if err != nil {
				return nil, fmt.Errorf("asking Slack for the members of user group %s: %w", group, err)
			}
			for _, user := range users {
				names = append(names, UserPrefix+team+":"+user)
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}

func encodeYAML(objects []any) ([]byte, error) {
	var out bytes.Buffer
	for i, object := range objects {
		data, err := yaml.Marshal(object)
		if err != nil {
			return nil, fmt.Errorf("encoding a role: %w", err)
		}
		if i > 0 {
			out.WriteString("---\n")
		}
		out.Write(data)
	}
	return out.Bytes(), nil
}
