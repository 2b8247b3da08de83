package inventory

import (
	"cmp"
	"iter"
	"maps"
	"math/big"
	"slices"
	"strings"
)

// Inventory is a resolved ansible inventory. It does not change after Load.
type Inventory struct {
	// Path is the file or folder that was loaded.
	Path string
	// Sources are the inventory files that were read, in their order, without group_vars and host_vars.
	Sources []string
	// Diagnostics are oddities that ansible accepts.
	Diagnostics []Diagnostic
	// KubesprayRelease is the release of the Kubespray checkout that the inventory lies in, such as
	// v2.31.0; "" if it lies elsewhere.
	KubesprayRelease string

	// Refused are the sources of a folder that ansible skips with a warning because they are broken.
	// So are broken group_vars of groups that only Kubespray makes, such as k8s_cluster.
	Refused []*Error
	// EncryptedFiles are group_vars and host_vars files that ansible-vault encrypted as a whole. What
	// they set is unknown.
	EncryptedFiles []string
	// UnusedVarFiles are entries of group_vars and host_vars that no group or host reads.
	UnusedVarFiles []string

	dynamicVars map[string]varSet // group_vars of groups that only Kubespray makes

	groups     map[string]*Group
	groupOrder []*Group
	hosts      map[string]*Host
	hostOrder  []*Host
}

// Variable is a variable's value and where it was set.
type Variable struct {
	Name  string
	Value Value
	Pos   Position
	// Origin is what it was set on: "host NAME" or "group NAME".
	Origin string
}

// String returns the value for people, secrets redacted.
func (v Variable) String() string { return v.Value.String() }

// Host is one machine of the inventory.
type Host struct {
	Name string
	// Pos is where the host was first mentioned.
	Pos Position

	inv      *Inventory
	groups   []*Group        // those that list it directly
	detached map[*Group]bool // those above that ansible forgets, see detach
	ordered  []*Group        // all of them but the group all, lowest precedence first
	vars     varSet          // from inventory sources
	files    varSet          // from host_vars
}

// Group is a named set of hosts and of further groups.
type Group struct {
	Name string
	// Pos is where the group was first mentioned.
	Pos Position

	hosts    []*Host
	member   map[*Host]bool
	children []*Group
	parents  []*Group
	edges    map[*Group]Position
	vars     varSet // from inventory sources
	files    varSet // from group_vars
	priority *big.Int
	depth    int
}

// varSet holds the variables of one host or group.
type varSet map[string]Variable

func (s *varSet) set(v Variable) {
	if *s == nil {
		*s = varSet{}
	}
	v.Value = v.Value.guarded(v.Name)
	(*s)[v.Name] = v
}

// Names of the two groups that every inventory has.
const (
	groupAll       = "all"
	groupUngrouped = "ungrouped"
)

// Hosts returns all hosts in the order in which they were first mentioned.
func (inv *Inventory) Hosts() []*Host { return slices.Clone(inv.hostOrder) }

// Host returns the host of that name, nil if there is none.
func (inv *Inventory) Host(name string) *Host { return inv.hosts[name] }

// Groups returns all groups in the order in which they were first mentioned, all and ungrouped first.
func (inv *Inventory) Groups() []*Group { return slices.Clone(inv.groupOrder) }

// Group returns the group of that name, nil if there is none.
func (inv *Inventory) Group(name string) *Group { return inv.groups[name] }

// Hosts returns the hosts of the group and of the groups below it, each once: its own first, then
// level by level. The first host of kube_control_plane is where Kubespray runs kubeadm init.
func (g *Group) Hosts() []*Host {
	if g == nil {
		return nil
	}
	var hosts []*Host
	seen := map[*Host]bool{}
	for below := range g.walk(func(g *Group) []*Group { return g.children }) {
		for _, h := range below.hosts {
			if !seen[h] {
				seen[h] = true
				hosts = append(hosts, h)
			}
		}
	}
	return hosts
}

// Children returns the groups directly below.
func (g *Group) Children() []*Group { return slices.Clone(g.children) }

// Parents returns the groups directly above.
func (g *Group) Parents() []*Group { return slices.Clone(g.parents) }

// Vars returns the variables set on the group itself, by name; group_vars files win over the
// inventory source.
func (g *Group) Vars() map[string]Variable {
	out := maps.Clone(map[string]Variable(g.vars))
	if out == nil {
		out = map[string]Variable{}
	}
	maps.Copy(out, g.files)
	return g.originated(out)
}

func (g *Group) originated(vars map[string]Variable) map[string]Variable {
	for name, v := range vars {
		v.Origin = "group " + g.Name
		vars[name] = v
	}
	return vars
}

// walk yields the group and everything reachable from it, level by level, each once.
func (g *Group) walk(next func(*Group) []*Group) iter.Seq[*Group] {
	return func(yield func(*Group) bool) {
		seen := map[*Group]bool{g: true}
		queue := []*Group{g}
		for len(queue) > 0 {
			current := queue[0]
			queue = queue[1:]
			if !yield(current) {
				return
			}
			for _, n := range next(current) {
				if !seen[n] {
					seen[n] = true
					queue = append(queue, n)
				}
			}
		}
	}
}

// Groups returns the groups that the host is in, directly or not, without all, in the order in which
// ansible applies their variables: by depth, ansible_group_priority and name; the last one wins.
func (h *Host) Groups() []*Group { return slices.Clone(h.ordered) }

// In reports whether the host is in the group, directly or not.
func (h *Host) In(group string) bool {
	return group == groupAll || slices.ContainsFunc(h.ordered, func(g *Group) bool { return g.Name == group })
}

// orderedGroups finds and orders what Groups returns.
func (h *Host) orderedGroups() []*Group {
	seen := map[*Group]bool{}
	var groups []*Group
	queue := slices.Clone(h.groups)
	for len(queue) > 0 {
		g := queue[0]
		queue = queue[1:]
		if seen[g] {
			continue
		}
		seen[g] = true
		queue = append(queue, g.parents...)
		if g.Name != groupAll && !h.detached[g] {
			groups = append(groups, g)
		}
	}
	slices.SortFunc(groups, byPrecedence)
	return groups
}

func byPrecedence(a, b *Group) int {
	return cmp.Or(cmp.Compare(a.depth, b.depth), a.priority.Cmp(b.priority), strings.Compare(a.Name, b.Name))
}

// layer is one step of ansible's precedence.
type layer struct {
	vars varSet
	kind string
	name string
}

// layers yields what sets variables for the host, highest precedence first. The order is that of
// ansible's VARIABLE_PRECEDENCE: the group_vars files of all groups beat the sources of any group.
// groups are the host's in the order of their precedence.
func (h *Host) layers(groups []*Group) iter.Seq[layer] {
	return func(yield func(layer) bool) {
		all := h.inv.groups[groupAll]
		ok := yield(layer{h.files, "host ", h.Name}) && yield(layer{h.vars, "host ", h.Name})
		for _, g := range slices.Backward(groups) {
			ok = ok && yield(layer{g.files, "group ", g.Name})
		}
		ok = ok && yield(layer{all.files, "group ", groupAll})
		for _, g := range slices.Backward(groups) {
			ok = ok && yield(layer{g.vars, "group ", g.Name})
		}
		if ok {
			yield(layer{all.vars, "group ", groupAll})
		}
	}
}

// Vars returns the variables that a play would see on the host, by name, before templating.
func (h *Host) Vars() map[string]Variable { return h.varsIn(h.ordered) }

func (h *Host) varsIn(groups []*Group) map[string]Variable {
	out := map[string]Variable{}
	for l := range h.layers(groups) {
		for name, v := range l.vars {
			if _, beaten := out[name]; !beaten {
				v.Origin = l.kind + l.name
				out[name] = v
			}
		}
	}
	return out
}

// Var returns one variable as a play would see it on the host.
func (h *Host) Var(name string) (Variable, bool) { return h.varIn(name, h.ordered) }

func (h *Host) varIn(name string, groups []*Group) (Variable, bool) {
	for l := range h.layers(groups) {
		if v, ok := l.vars[name]; ok {
			v.Origin = l.kind + l.name
			return v, true
		}
	}
	return Variable{}, false
}

// OwnVars returns the variables set on the host itself, by name; host_vars files win over the source.
func (h *Host) OwnVars() map[string]Variable {
	out := map[string]Variable{}
	maps.Copy(out, h.vars)
	maps.Copy(out, h.files)
	for name, v := range out {
		v.Origin = "host " + h.Name
		out[name] = v
	}
	return out
}
