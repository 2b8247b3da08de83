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
