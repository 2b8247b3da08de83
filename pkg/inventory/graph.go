package inventory

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"math/big"
	"slices"
	"strings"
)

// Limits bound what an inventory may cost. The defaults are far above what Kubernetes can run: 5,000
// nodes.
type Limits struct {
	Hosts       int   // distinct hosts
	Groups      int   // distinct groups
	Memberships int   // hosts listed in groups, and groups in groups
	Variables   int   // variables set, counted per host and group
	Files       int   // files read
	FileBytes   int64 // bytes of one file
	TotalBytes  int64 // bytes of all files
	Values      int   // YAML and JSON values of one file, after aliases are expanded
	Depth       int   // nesting of values, and of folders
}

// DefaultLimits returns the limits that Load uses unless told otherwise.
func DefaultLimits() Limits {
	return Limits{
		Hosts: 100_000, Groups: 10_000, Memberships: 500_000, Variables: 500_000,
		Files: 10_000, FileBytes: 8 << 20, TotalBytes: 64 << 20,
		Values: 500_000, Depth: 100,
	}
}

// graph builds the groups and hosts of an inventory as ansible's InventoryData does.
type graph struct {
	inv         *Inventory
	limits      Limits
	memberships int
	variables   int
}

func newGraph(inv *Inventory, limits Limits) *graph {
	inv.groups = map[string]*Group{}
	inv.hosts = map[string]*Host{}
	g := &graph{inv: inv, limits: limits}
	all, ungrouped := g.makeGroup(groupAll, Position{}), g.makeGroup(groupUngrouped, Position{})
	g.link(all, ungrouped, Position{})
	return g
}

func (g *graph) makeGroup(name string, pos Position) *Group {
	group := &Group{Name: name, Pos: pos, member: map[*Host]bool{}, edges: map[*Group]Position{}, priority: big.NewInt(1)}
	g.inv.groups[name] = group
	g.inv.groupOrder = append(g.inv.groupOrder, group)
	return group
}

func (g *graph) limitError(pos Position, what string, limit int) error {
	return &Error{ID: idTooLarge, Pos: pos, Msg: fmt.Sprintf("the inventory has more than %d %s", limit, what), Fix: "split the inventory"}
}

func (g *graph) addGroup(name string, pos Position) (*Group, error) {
	if name == "" {
		return nil, &Error{ID: idRefused, Pos: pos, Msg: "a group has an empty name"}
	}
	if group, ok := g.inv.groups[name]; ok {
		if group.Pos == (Position{}) {
			group.Pos = pos
		}
		return group, nil
	}
	if len(g.inv.groupOrder) >= g.limits.Groups {
		return nil, g.limitError(pos, "groups", g.limits.Groups)
	}
	return g.makeGroup(name, pos), nil
}

// addHost adds the host if it is new and lists it in the group. Only a new host takes the port.
func (g *graph) addHost(name string, group *Group, port *big.Int, pos Position) (*Host, error) {
	if name == "" {
		return nil, &Error{ID: idRefused, Pos: pos, Msg: "a host has an empty name"}
	}
	host, ok := g.inv.hosts[name]
	if !ok {
		if len(g.inv.hostOrder) >= g.limits.Hosts {
			return nil, g.limitError(pos, "hosts", g.limits.Hosts)
		}
		host = &Host{Name: name, Pos: pos, inv: g.inv}
		if port != nil && port.Sign() != 0 {
			host.vars.set(Variable{Name: "ansible_port", Value: bigValue(port), Pos: pos})
		}
		g.inv.hosts[name] = host
		g.inv.hostOrder = append(g.inv.hostOrder, host)
	}
	return host, g.list(group, host, pos)
}

func (g *graph) list(group *Group, host *Host, pos Position) error {
	if group == nil || group.member[host] {
		return nil
	}
	if g.memberships++; g.memberships > g.limits.Memberships {
		return g.limitError(pos, "group memberships", g.limits.Memberships)
	}
	group.member[host] = true
	group.hosts = append(group.hosts, host)
	host.groups = append(host.groups, group)
	return nil
}

// addChild puts what the name stands for, a group before a host, below the parent.
func (g *graph) addChild(parent *Group, child string, pos Position) error {
	if group, ok := g.inv.groups[child]; ok {
		return g.addChildGroup(parent, group, pos)
	}
	if host, ok := g.inv.hosts[child]; ok {
		return g.list(parent, host, pos)
	}
	return undefinedChild(parent.Name, child, pos)
}

func undefinedChild(parent, child string, pos Position) error {
	return &Error{
		ID: idUndefinedChild, Pos: pos,
		Msg: fmt.Sprintf("group %q has the child %q, which is not defined", parent, child),
		Fix: fmt.Sprintf("add a [%s] section, or remove the line", child),
	}
}

func (g *graph) addChildGroup(parent, child *Group, pos Position) error {
	if parent == child {
		return &Error{ID: idGroupLoop, Pos: pos, Msg: fmt.Sprintf("group %q is its own child", child.Name), Fix: "remove the line"}
	}
	if _, known := parent.edges[child]; known {
		return nil
	}
	if g.memberships++; g.memberships > g.limits.Memberships {
		return g.limitError(pos, "group memberships", g.limits.Memberships)
	}
	g.link(parent, child, pos)
	return nil
}

func (g *graph) link(parent, child *Group, pos Position) {
	parent.edges[child] = pos
	parent.children = append(parent.children, child)
	child.parents = append(child.parents, parent)
}

// setVariable sets a variable on what the name stands for, a group before a host, as ansible does.
func (g *graph) setVariable(name string, v Variable) error {
	if group, ok := g.inv.groups[name]; ok {
		return g.setGroupVariable(group, v)
	}
	return g.setHostVariable(g.inv.hosts[name], v)
}

func (g *graph) countVariable(pos Position) error {
	if g.variables++; g.variables > g.limits.Variables {
		return g.limitError(pos, "variables", g.limits.Variables)
	}
	return nil
}

func (g *graph) setHostVariable(host *Host, v Variable) error {
	if err := g.countVariable(v.Pos); err != nil {
		return err
	}
	host.vars.set(v)
	return nil
}

func (g *graph) setGroupVariable(group *Group, v Variable) error {
	if err := g.countVariable(v.Pos); err != nil {
		return err
	}
	if v.Name != "ansible_group_priority" {
		group.vars.set(v)
		return nil
	}
	priority, err := wholeNumber(v.Value)
	if err != nil {
		return &Error{ID: idRefused, Pos: v.Pos, Msg: fmt.Sprintf("ansible_group_priority of group %q is %s", group.Name, err), Fix: "give it a whole number"}
	}
	group.priority = priority
	return nil
}

// wholeNumber is Python's int() of a value.
func wholeNumber(v Value) (*big.Int, error) {
	switch x := v.v.(type) {
	case *big.Int:
		return x, nil
	case bool:
		if x {
			return big.NewInt(1), nil
		}
		return new(big.Int), nil
	case float64:
		if !math.IsNaN(x) && !math.IsInf(x, 0) {
			whole, _ := big.NewFloat(x).Int(nil)
			return whole, nil
		}
	case string:
		return pythonInt(x)
	}
	return nil, errors.New("not a whole number")
}

// finish settles what ansible settles after all sources are read (InventoryData.reconcile_inventory):
// every group is below all, ungrouped holds the hosts without a group, and no group contains itself.
func (g *graph) finish() error {
	all := g.inv.groups[groupAll]
	for _, group := range g.inv.groupOrder {
		if group != all && len(group.parents) == 0 {
			g.link(all, group, group.Pos)
		}
	}
	if err := g.settleUngrouped(); err != nil {
		return err
	}
	if err := g.orderByDepth(); err != nil {
		return err
	}
	g.warnSharedNames()
	return g.orderGroups()
}

// maxGroupLists bounds the memory of all hosts' lists of groups.
const maxGroupLists = 5_000_000

// orderGroups settles each host's groups in the order of their precedence. Hosts that are listed in the
// same groups share one list.
func (g *graph) orderGroups() error {
	lists := map[string][]*Group{}
	size := 0
	for _, host := range g.inv.hostOrder {
		key := host.groupKey()
		list, known := lists[key]
		if !known {
			list = host.orderedGroups()
			lists[key] = list
			if size += len(list); size > maxGroupLists {
				return g.limitError(host.Pos, "hosts and groups above them", maxGroupLists)
			}
		}
		host.ordered = list
	}
	return nil
}

// groupKey is the same for hosts with the same groups. A host with detached groups shares with none.
func (h *Host) groupKey() string {
	if h.detached != nil {
		return "host " + h.Name
	}
	var b strings.Builder
	for _, g := range h.groups {
		b.WriteString(g.Name)
		b.WriteByte(0)
	}
	return b.String()
}

// settleUngrouped takes the hosts that have a group out of ungrouped, and puts those without one in.
func (g *graph) settleUngrouped() error {
	ungrouped := g.inv.groups[groupUngrouped]
	nested := slices.ContainsFunc(ungrouped.parents, func(p *Group) bool { return p.Name != groupAll })
	for _, host := range g.inv.hostOrder {
		grouped := slices.ContainsFunc(host.groups, func(o *Group) bool { return o.Name != groupAll && o != ungrouped })
		if ungrouped.member[host] && (grouped || nested) {
			delete(ungrouped.member, host)
			host.detach(ungrouped)
			host.groups = slices.DeleteFunc(host.groups, func(o *Group) bool { return o == ungrouped })
			continue
		}
		if grouped || ungrouped.member[host] {
			continue
		}
		if err := g.addChild(ungrouped, host.Name, host.Pos); err != nil {
			return err
		}
	}
	ungrouped.hosts = slices.DeleteFunc(ungrouped.hosts, func(h *Host) bool { return !ungrouped.member[h] })
	return nil
}

// detach does what ansible's Host.remove_group does when it takes a host out of ungrouped: the host also
// loses the variables of ungrouped, and of groups above it that no other group of the host is below,
// even if it is in them by another way.
func (h *Host) detach(g *Group) {
	const enough = 20 // groups of one host; a sane inventory has neither parents nor children of ungrouped
	if len(g.parents) <= 1 && len(g.children) == 0 {
		return
	}
	groups := map[*Group]bool{}
	for _, direct := range h.groups {
		for above := range direct.walk(func(g *Group) []*Group { return g.parents }) {
			groups[above] = true
		}
	}
	if len(groups) > enough {
		return
	}
	before := maps.Clone(groups)
	removeGroup(groups, g)
	for lost := range before {
		if !groups[lost] {
			if h.detached == nil {
				h.detached = map[*Group]bool{}
			}
			h.detached[lost] = true
		}
	}
}

func removeGroup(groups map[*Group]bool, g *Group) {
	delete(groups, g)
	for above := range g.walk(func(g *Group) []*Group { return g.parents }) {
		if above == g || above.Name == groupAll || !groups[above] {
			continue
		}
		needed := false
		for other := range groups {
			needed = needed || other != above && isAbove(above, other)
		}
		if !needed {
			removeGroup(groups, above)
		}
	}
}

func isAbove(g, below *Group) bool {
	for above := range below.walk(func(g *Group) []*Group { return g.parents }) {
		if above == g {
			return true
		}
	}
	return false
}

// orderByDepth gives each group the length of the longest path to it from a group without parents, and
// refuses loops.
func (g *graph) orderByDepth() error {
	waiting := map[*Group]int{}
	var ready []*Group
	for _, group := range g.inv.groupOrder {
		if waiting[group] = len(group.parents); len(group.parents) == 0 {
			ready = append(ready, group)
		}
	}
	done := 0
	for ; len(ready) > 0; done++ {
		group := ready[0]
		ready = ready[1:]
		for _, child := range group.children {
			child.depth = max(child.depth, group.depth+1)
			if waiting[child]--; waiting[child] == 0 {
				ready = append(ready, child)
			}
		}
	}
	if done == len(g.inv.groupOrder) {
		return nil
	}
	return g.loopError(waiting)
}

func (g *graph) loopError(waiting map[*Group]int) error {
	for _, parent := range g.inv.groupOrder {
		for _, child := range parent.children {
			if waiting[parent] > 0 && waiting[child] > 0 && reaches(child, parent) {
				return &Error{
					ID: idGroupLoop, Pos: parent.edges[child],
					Msg: fmt.Sprintf("group %q is below %q and above it at once", child.Name, parent.Name),
					Fix: "remove one of the two :children lines",
				}
			}
		}
	}
	return &Error{ID: idGroupLoop, Msg: "the groups contain each other in a loop", Fix: "remove one of the :children lines"}
}

func reaches(from, to *Group) bool {
	for below := range from.walk(func(g *Group) []*Group { return g.children }) {
		if below == to {
			return true
		}
	}
	return false
}

func (g *graph) warnSharedNames() {
	for _, host := range g.inv.hostOrder {
		if _, shared := g.inv.groups[host.Name]; shared {
			g.warn(host.Pos, "%q is the name of a host and of a group; ansible sets its variables on the group", host.Name)
		}
	}
}

func (g *graph) warn(pos Position, format string, args ...any) {
	const enough = 1000
	d := Diagnostic{Pos: pos, Msg: fmt.Sprintf(format, args...)}
	if len(g.inv.Diagnostics) < enough && !slices.Contains(g.inv.Diagnostics, d) {
		g.inv.Diagnostics = append(g.inv.Diagnostics, d)
	}
}
