// Package inventory reads ansible inventories as Kubespray uses them, without ansible: INI and YAML
// files, folders, group_vars and host_vars. It answers what an inventory declares, where each value
// was set, and what would keep Kubespray from installing it.
//
// The grammar and the precedence are those of ansible-core; the tests compare this package with
// ansible itself. Values that hold Jinja templates stay unresolved, values that ansible-vault encrypted
// stay encrypted, and secrets are redacted wherever a value can be printed.
//
// github.com/relex/aini was tried first, on the test corpus: it resolves 14 of 39 inventories like
// ansible, accepts 13 of the 30 that ansible refuses, and panics on a range. It reads INI only, keeps
// every variable as a string, and knows neither ansible_group_priority nor positions.
package inventory
