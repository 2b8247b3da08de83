package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/kubectl-lab/kubectl-lab/cmd/labcluster/internal/cluster"
	"github.com/kubectl-lab/kubectl-lab/cmd/labcluster/internal/kubecontext"
	"github.com/kubectl-lab/kubectl-lab/cmd/labcluster/internal/supervisor"
)

// UpOptions say what cluster is wanted. A nil pointer leaves it to an existing cluster, or to the
// default for a new one.
type UpOptions struct {
	Dir             cluster.Dir
	Kind            cluster.Kind
	Name            string
	Nodes           []string // as wanted by default or explicitly
	NodesGiven      bool
	ControlPlanes   []string // nodes to make control planes, besides the first
	AuditLog        *bool
	Addons          *bool
	KubeconfigFiles []string
	Wait            bool
	Owner           *supervisor.Process // to remove the cluster with; nil for none
}

// UpResult tells what Up came to.
type UpResult struct {
	Config  *cluster.Config
	Existed bool // the cluster ran before
	Notes   []string
}

// cleanupTimeout bounds tidying up after an interrupted or failed Up.
const cleanupTimeout = 30 * time.Second

// Up makes the cluster, or starts it if it exists, and waits until it can be used. If that fails or
// is interrupted, a cluster that Up made is removed, and one that Up started is stopped.
func Up(ctx context.Context, options UpOptions, progress Progress) (*UpResult, error) {
	if _, err := FlavorOf(options.Kind); err != nil {
		return nil, err
	}
	kube := kubecontext.Open(options.KubeconfigFiles, string(options.Dir))
	if err := kube.Check(options.Name); err != nil {
		return nil, err
	}
	madeDirs, err := makeDir(options.Dir)
	if err != nil {
		return nil, err
	}
	if err := checkOurs(options.Dir); err != nil {
		return nil, err
	}
	held, err := acquire(ctx, options.Dir.CommandLock())
	if err != nil {
		return nil, err
	}
	defer held.release()

	u := &up{UpOptions: options, progress: progress, kube: kube, madeDirs: madeDirs}
	result, err := u.run(ctx)
	if err == nil {
		return result, nil
	}
	cleanup, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTimeout)
	defer cancel()
	return nil, errors.Join(err, u.undo(cleanup))
}

// up is one run of Up.
type up struct {
	UpOptions
	progress Progress
	config   *cluster.Config
	kube     *kubecontext.File
	madeDirs []string
	made     bool // the cluster
	begun    bool // the checks are passed: from now on there may be more to remove than folders
	grown    bool // there are nodes that the cluster did not have
	started  *supervisorProcess
	notes    []string
}

func (u *up) run(ctx context.Context) (*UpResult, error) {
	if err := u.load(); err != nil {
		return nil, err
	}
	flavor, err := FlavorOf(u.config.Kind)
	if err != nil {
		return nil, err
	}
	if err := flavor.Check(u.config); err != nil {
		return nil, err
	}
	u.begun = true
	if !u.made {
		if err := u.config.Save(); err != nil {
			return nil, err
		}
	}
	running := u.isRunning(ctx)
	switch {
	case !running:
		err = u.start(ctx)
	case u.grown:
		err = supervisor.NewClient(u.config.ControlSocket()).Grow(ctx)
	}
	if err != nil {
		return nil, err
	}
	if err := u.mergeKubeconfig(); err != nil {
		return nil, err
	}
	if err := flavor.Populate(ctx, u.config, u.Wait, u.progress); err != nil {
		return nil, err
	}
	return &UpResult{Config: u.config, Existed: running, Notes: u.notes}, nil
}

// load reads the settings of the cluster that exists, or thinks up those of a new one.
func (u *up) load() error {
	config, err := cluster.Load(u.Dir)
	switch {
	case errors.Is(err, cluster.ErrNoCluster):
		return u.create()
	case err != nil:
		return err
	}
	u.config = config
	return u.adapt()
}

func (u *up) create() error {
	u.made = true
	u.config = cluster.New(u.Dir, u.Kind, u.Name, u.Nodes)
	u.config.MadeDirs = u.madeDirs
	u.config.ControlPlanes = u.ControlPlanes
	u.config.AuditLog = valueOr(u.AuditLog, false)
	u.config.Addons = valueOr(u.Addons, true)
	u.config.Owner = u.Owner
	return nil
}

// adapt changes an existing cluster's settings to what is wanted, as far as that can be changed.
func (u *up) adapt() error {
	remake := func(what string) error {
		return fmt.Errorf("the cluster in %s was made %s; to change that, remove it first: labcluster down --data-dir %s",
			u.Dir, what, u.Dir)
	}
	config := u.config
	switch {
	case config.Name != u.Name:
		return remake(fmt.Sprintf("with the name %q", config.Name))
	case config.Kind != u.Kind:
		return remake(fmt.Sprintf("with %s nodes", config.Kind))
	case valueOr(u.AuditLog, config.AuditLog) != config.AuditLog:
		return remake(fmt.Sprintf("with --audit-log=%t", config.AuditLog))
	case config.Version != cluster.KubernetesVersion:
		return remake("with Kubernetes " + config.Version)
	}
	config.Addons = valueOr(u.Addons, config.Addons)
	if !u.NodesGiven {
		return nil
	}
	for _, name := range u.Nodes {
		if !slices.Contains(config.Nodes, name) {
			u.grown = true
			config.Nodes = append(config.Nodes, name)
			if slices.Contains(u.ControlPlanes, name) {
				config.ControlPlanes = append(config.ControlPlanes, name)
			}
		}
	}
	if len(config.Nodes) > config.Room() {
		return remake(fmt.Sprintf("with a pod network for %d nodes (%s)", config.Room(), config.PodCIDR))
	}
	for _, name := range config.Nodes {
		if !slices.Contains(u.Nodes, name) {
			u.notes = append(u.notes, fmt.Sprintf("node %s stays, although --nodes does not name it", name))
		}
	}
	return nil
}

func (u *up) isRunning(ctx context.Context) bool {
	if u.made {
		return false
	}
	asked, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	status, err := supervisor.NewClient(u.config.ControlSocket()).Status(asked)
	return err == nil && status.Phase == supervisor.PhaseRunning
}

// start starts the supervisor and waits until all components were ready.
func (u *up) start(ctx context.Context) error {
	if !u.made { // what is left of the last time
		if err := stopAll(ctx, u.config); err != nil {
			return err
		}
	}
	if err := u.prepare(); err != nil {
		return fmt.Errorf("prepare the cluster's folder: %w", err)
	}
	started, err := startSupervisor(u.Dir)
	if err != nil {
		return err
	}
	u.started = started
	if err := u.awaitComponents(ctx); err != nil {
		return err
	}
	u.config, err = cluster.Load(u.Dir) // the supervisor chose the ports
	return err
}

func (u *up) prepare() error {
	if err := u.config.MakeFolders(); err != nil {
		return err
	}
	if err := u.config.MakeSocketDir(); err != nil {
		return err
	}
	return u.config.Save()
}

// awaitComponents follows the start, component by component.
func (u *up) awaitComponents(ctx context.Context) error {
	client := supervisor.NewClient(u.config.ControlSocket())
	reporter := newStartReporter(u.progress)
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-u.started.gone:
			return fmt.Errorf("the supervisor ended (%s): %s", describeEnd(u.started.err), lastLines(u.Dir.LogFile("supervisor")))
		case <-ticker.C:
		}
		status, err := client.Status(ctx)
		if err != nil {
			continue // not listening yet, or gone
		}
		reporter.report(status)
		switch status.Phase {
		case supervisor.PhaseRunning:
			return nil
		case supervisor.PhaseFailed:
			return u.startFailure(status)
		}
	}
}

func (u *up) startFailure(status supervisor.Status) error {
	for _, component := range status.Components {
		if component.Restarts > 0 {
			return fmt.Errorf("%s\n%s", status.Error, lastLines(u.Dir.LogFile(component.Name)))
		}
	}
	return errors.New(status.Error)
}

// startReporter turns statuses into steps.
type startReporter struct {
	progress Progress
	steps    map[string]Step
	done     map[string]bool
}

func newStartReporter(progress Progress) *startReporter {
	return &startReporter{progress: progress, steps: map[string]Step{}, done: map[string]bool{}}
}

func (r *startReporter) report(status supervisor.Status) {
	for _, component := range status.Components {
		name := component.Name
		if r.steps[name] == nil && component.State != supervisor.Waiting {
			r.steps[name] = r.progress.Begin(name)
		}
		if component.State == supervisor.Ready && !r.done[name] {
			r.done[name] = true
			r.steps[name].Done("")
		}
	}
}

// mergeKubeconfig puts the context into the user's kubeconfig. What has to be undone later is
// written down before.
func (u *up) mergeKubeconfig() error {
	name := u.config.Name
	record := &u.config.Kubeconfig
	if len(record.Files) > 0 && !slices.Equal(record.Files, u.KubeconfigFiles) {
		if err := removeContext(u.config); err != nil { // it moves
			return err
		}
		*record = cluster.Kubeconfig{}
	}
	record.Files = u.KubeconfigFiles
	current, err := u.kube.Current()
	if err != nil {
		return err
	}
	if current != name {
		record.PreviousContext = current
	}
	if _, err := os.Stat(u.kube.Path()); errors.Is(err, fs.ErrNotExist) {
		record.MadeFile = u.kube.Path()
	}
	if err := u.config.Save(); err != nil {
		return err
	}
	admin, err := u.config.Admin(name)
	if err != nil {
		return err
	}
	return u.kube.Merge(admin, name)
}

// undo leaves things as they were before.
func (u *up) undo(ctx context.Context) error {
	if u.started != nil {
		u.started.end()
	}
	switch {
	case u.made && u.begun:
		return remove(ctx, u.config)
	case u.started != nil:
		return stopAll(ctx, u.config)
	case len(u.madeDirs) > 0:
		return removeFiles(u.Dir, u.madeDirs)
	}
	return nil
}

// makeDir makes the cluster's folder, and returns the folders that were not there, the innermost first.
func makeDir(dir cluster.Dir) ([]string, error) {
	var made []string
	for path := string(dir); ; path = filepath.Dir(path) {
		if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
			break
		}
		made = append(made, path)
	}
	if err := os.MkdirAll(string(dir), 0o700); err != nil {
		return nil, fmt.Errorf("make the cluster's folder: %w; choose another with --data-dir", err)
	}
	return made, nil
}

// checkOurs refuses a folder that holds other things than a cluster.
func checkOurs(dir cluster.Dir) error {
	if _, err := os.Stat(dir.ConfigFile()); err == nil {
		return nil
	}
	entries, err := os.ReadDir(string(dir))
	if err != nil {
		return fmt.Errorf("look into the cluster's folder: %w", err)
	}
	for _, entry := range entries {
		if entry.Name() != filepath.Base(dir.CommandLock()) {
			return fmt.Errorf("%s holds other things (%s); choose another folder with --data-dir", dir, entry.Name())
		}
	}
	return nil
}

func describeEnd(err error) string {
	if err == nil {
		return "without an error"
	}
	return err.Error()
}

// lastLines returns the end of a log, for an error message. Long lines, which hold a stack, are cut.
func lastLines(file string) string {
	const lines, width = 3, 240
	data, err := os.ReadFile(file)
	if err != nil {
		return err.Error()
	}
	all := strings.Split(strings.TrimSpace(string(data)), "\n")
	last := all[max(0, len(all)-lines):]
	for i, line := range last {
		if len(line) > width {
			last[i] = strings.ToValidUTF8(line[:width], "") + " …"
		}
	}
	return strings.Join(last, "\n")
}

func valueOr[T any](value *T, otherwise T) T {
	if value == nil {
		return otherwise
	}
	return *value
}
