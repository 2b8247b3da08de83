package actions

import "strings"

// All lists every action, in the order of the help page within each group.
func All() []Action {
	return []Action{
		create(),
		deleteObjects(),
		get(),
		logs(),
		labelNodes(),
		status(),
		inventoryShow(),
		inventoryCheck(),
		describe(),
		createPod(),
		createService(),
		createNamespace(),
		token(),
		trafficAction(),
		exerciseList(),
		exerciseShow(),
		exerciseRun(),
		exerciseClean(),
		version(),
	}
}

// Families says what the verbs that share a first word are for, by that word.
func Families() map[string]string {
	return map[string]string{
		"create":    "Create pods, services, namespaces, or the objects of a manifest",
		"exercise":  "Run the manual's exercises, and verify what they teach",
		"inventory": "Read the Kubespray inventory of a cluster, and check it",
		"label":     "Label nodes, so that pods can be placed on them",
	}
}

// Find returns the action whose words begin the command line, the longest match first, and the
// words behind it.
func Find(all []Action, words []string) (found Action, rest []string, ok bool) {
	best := 0
	for _, a := range all {
		path := a.Path()
		if len(path) > best && len(words) >= len(path) && strings.EqualFold(strings.Join(words[:len(path)], " "), a.Words) {
			found, rest, ok, best = a, words[len(path):], true, len(path)
		}
	}
	return found, rest, ok
}
