package slackbot

import (
	"slices"

	"github.com/kubectl-lab/kubectl-lab/pkg/actions"
)

// confirmation is what it takes to run a verb that touches that many objects, and who may approve.
func (c *Config) confirmation(verb string, effect actions.Effect, objects int) (Confirmation, []Approvers) {
	need := ConfirmClick
	var approvers []Approvers
	for _, rule := range c.Approvals {
		if !rule.matches(verb, effect, objects) {
			continue
		}
		if rule.By == ConfirmPerson {
			approvers = append(approvers, rule.Approvers)
		}
		if rule.By == ConfirmPerson || need == ConfirmClick {
			need = rule.By
		}
	}
	return need, approvers
}

func (rule ApprovalRule) matches(verb string, effect actions.Effect, objects int) bool {
	named := slices.ContainsFunc(rule.Verbs, func(words string) bool { return verbMatches(words, verb) })
	return named && (effect == actions.RevealsSecret || objects > rule.MoreThan)
}
