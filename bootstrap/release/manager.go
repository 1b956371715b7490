package release

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"helm.sh/helm/v3/pkg/action"
	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/kube"
	helm "helm.sh/helm/v3/pkg/release"
	"helm.sh/helm/v3/pkg/storage/driver"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
)

// maxHistory is how many revisions are kept, as ordinary helm does.
const maxHistory = 10

// requestTimeout ends a request that the API server does not answer; Helm's storage takes no context.
const requestTimeout = 30 * time.Second

// settleTime is how old an unfinished revision must be before it counts as abandoned: a helm that is still running
// needs less, because nothing here waits for pods.
const settleTime = 3 * time.Second

// Options say where releases live.
type Options struct {
	// Config leads to the API server.
	Config *rest.Config
	// Namespace holds the release and its namespaced objects. Apply creates it.
	Namespace string
	// Log receives Helm's chatter, one line a call. nil drops it.
	Log func(format string, v ...any)
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// Manager handles the releases of one namespace. It is safe for use by several goroutines, but two Applies of one
// release at the same time make one of them fail.
type Manager struct {
	cfg       *action.Configuration
	namespace string
	now       func() time.Time
}

// New returns a Manager. It does not talk to the API server yet.
func New(o Options) (*Manager, error) {
	if o.Log == nil {
		o.Log = func(string, ...any) {}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	get, err := newGetter(o.Config, o.Namespace, o.Log)
	if err != nil {
		return nil, err
	}
	cfg := new(action.Configuration)
	if err := cfg.Init(get, o.Namespace, "secrets", o.Log); err != nil {
		return nil, fmt.Errorf("set up Helm: %w", err)
	}
	return &Manager{cfg: cfg, namespace: o.Namespace, now: o.Now}, nil
}

// Spec is what a release should be.
type Spec struct {
	// Chart is a chart's folder, with Chart.yaml at the root. Its CustomResourceDefinitions are not installed.
	Chart fs.FS
	// Values have to hold.
	Values map[string]any
	// Defaults are set when they are new and may be changed by hand afterwards.
	Defaults map[string]any
	// Names are lists that others add to. Their paths are in neither Values nor Defaults.
	Names []Names
	// Labels are kept with the release. They are written along with a revision and ask for none by themselves.
	Labels map[string]string
}

// Observe says how the release name compares to want. It only reads.
func (m *Manager) Observe(ctx context.Context, name string, want Spec) (State, error) {
	chrt, err := load(want.Chart)
	if err != nil {
		return State{}, err
	}
	rel, err := m.last(ctx, name)
	if err != nil {
		return State{}, err
	}
	if rel == nil || rel.Info.Status == helm.StatusUninstalled {
		return State{Phase: Absent}, nil
	}
	return m.observe(rel, chrt, want)
}

// Given returns the values that the release name was given, in a State without a phase: it looks at nothing that the release
// made. It only reads.
func (m *Manager) Given(ctx context.Context, name string) (State, error) {
	rel, err := m.last(ctx, name)
	if err != nil || rel == nil || rel.Info.Status == helm.StatusUninstalled {
		return State{}, err
	}
	return stateOf(rel), nil
}

func (m *Manager) observe(rel *helm.Release, chrt *chart.Chart, want Spec) (State, error) {
	state := stateOf(rel)
	for name := range want.Labels {
		if value, there := rel.Labels[name]; there {
			if state.Labels == nil {
				state.Labels = map[string]string{}
			}
			state.Labels[name] = value
		}
	}
	diff := newDiff(rel, chrt, want)
	state.Kept = diff.kept
	if len(diff.wrong) > 0 {
		return state.because(diff.wrong), nil
	}
	missing, err := m.missing(rel)
	if err != nil {
		return State{}, err
	}
	return state.because(missing), nil
}

// Apply installs or upgrades the release name so that it is as want says, and does nothing if it already is. It does
// not wait for pods. A revision that a killed helm left unfinished is marked as failed. What a failed revision brought
// is taken back before the new one; nothing else is deleted and no value of the user is lost.
func (m *Manager) Apply(ctx context.Context, name string, want Spec) (State, error) {
	chrt, err := load(want.Chart)
	if err != nil {
		return State{}, err
	}
	rel, err := m.last(ctx, name)
	if err != nil {
		return State{}, err
	}
	if rel == nil || rel.Info.Status == helm.StatusUninstalled {
		return m.install(ctx, name, chrt, want, rel != nil)
	}
	if unfinished(rel) {
		if rel, err = m.abandon(ctx, rel); err != nil {
			return State{}, err
		}
	}
	state, err := m.observe(rel, chrt, want)
	if err != nil || state.Phase == Ready {
		return state, err
	}
	if err := m.takeBack(rel); err != nil {
		return State{}, err
	}
	return m.upgrade(ctx, rel, chrt, want)
}

// Remove uninstalls the release name with its history. CustomResourceDefinitions and the namespace stay. A release
// that is not there is no error.
func (m *Manager) Remove(ctx context.Context, name string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	un := action.NewUninstall(m.cfg)
	un.IgnoreNotFound = true
	un.Timeout = requestTimeout
	if _, err := un.Run(name); err != nil {
		return fmt.Errorf("uninstall release %s: %w", name, err)
	}
	return nil
}

func (m *Manager) install(ctx context.Context, name string, chrt *chart.Chart, want Spec, replace bool) (State, error) {
	if err := m.ensureNamespace(ctx); err != nil {
		return State{}, err
	}
	in := action.NewInstall(m.cfg)
	in.ReleaseName = name
	in.Namespace = m.namespace
	in.SkipCRDs = true
	in.DisableOpenAPIValidation = true // the API server validates every object anyway
	in.Replace = replace
	in.Timeout = requestTimeout
	in.Labels = labelsOf(want, nil)
	vals := merged(nil, want, nil)
	setNames(chrt, vals, want.Names, nil)
	rel, err := in.RunWithContext(ctx, chrt, vals)
	if err != nil {
		return State{}, fmt.Errorf("install release %s: %w", name, err)
	}
	return stateOf(rel).because(nil), nil
}

func (m *Manager) upgrade(ctx context.Context, rel *helm.Release, chrt *chart.Chart, want Spec) (State, error) {
	up := action.NewUpgrade(m.cfg)
	up.Namespace = m.namespace
	up.SkipCRDs = true
	up.DisableOpenAPIValidation = true
	up.ResetValues = true // the values given here are complete: merged starts from those of the release
	up.MaxHistory = maxHistory
	up.Timeout = requestTimeout
	up.Labels = labelsOf(want, rel.Labels)
	vals := merged(rel.Config, want, rel.Labels)
	setNames(chrt, vals, want.Names, rel.Labels)
	next, err := up.RunWithContext(ctx, rel.Name, chrt, vals)
	if err != nil {
		return State{}, fmt.Errorf("upgrade release %s: %w", rel.Name, err)
	}
	state := stateOf(next)
	state.Kept = newDiff(next, chrt, want).kept
	return state.because(nil), nil
}

// takeBack rolls a failed revision back to the one that was deployed last. Helm compares the objects of an upgrade with
// those of that one alone, so whatever the failed revision added to them, such as a volume, would stay for ever. Where
// none is deployed Helm compares with the failed one.
// Source: https://helm.sh/docs/helm/helm_rollback/
func (m *Manager) takeBack(rel *helm.Release) error {
	if rel.Info.Status != helm.StatusFailed {
		return nil
	}
	deployed, err := m.cfg.Releases.Deployed(rel.Name)
	if errors.Is(err, driver.ErrNoDeployedReleases) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read release %s: %w", rel.Name, err)
	}
	back := action.NewRollback(m.cfg)
	back.Version, back.MaxHistory, back.Timeout = deployed.Version, maxHistory, requestTimeout
	if err := back.Run(rel.Name); err != nil {
		return fmt.Errorf("roll release %s back from the failed revision %d to %d: %w", rel.Name, rel.Version, deployed.Version, err)
	}
	return nil
}

// last returns the newest revision, or nil if there is none.
func (m *Manager) last(ctx context.Context, name string) (*helm.Release, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	rel, err := m.cfg.Releases.Last(name)
	if errors.Is(err, driver.ErrReleaseNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read release %s: %w", name, err)
	}
	return rel, nil
}

// unfinished reports whether some helm is at work on the revision, or was when it was killed.
func unfinished(rel *helm.Release) bool {
	return rel.Info.Status.IsPending() || rel.Info.Status == helm.StatusUninstalling
}

// abandon waits until the unfinished revision is old enough to be given up, and marks it as failed, so that Helm
// accepts a revision after it. If somebody finished it meanwhile it is returned as it is.
func (m *Manager) abandon(ctx context.Context, rel *helm.Release) (*helm.Release, error) {
	if left := settleTime - m.now().Sub(begun(rel)); left > 0 {
		m.cfg.Log("revision %d of %s is %s; waiting %s for it", rel.Version, rel.Name, rel.Info.Status, left)
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(min(left, settleTime)):
		}
	}
	name := rel.Name
	rel, err := m.last(ctx, name)
	if err != nil {
		return nil, err
	}
	if rel == nil {
		return nil, fmt.Errorf("release %s was removed by somebody else just now", name)
	}
	if !unfinished(rel) {
		return rel, nil
	}
	rel.SetStatus(helm.StatusFailed, fmt.Sprintf("given up: was left %s", rel.Info.Status))
	if err := m.cfg.Releases.Update(rel); err != nil {
		return nil, fmt.Errorf("mark revision %d of release %s as failed: %w", rel.Version, name, err)
	}
	return rel, nil
}

// begun returns when the unfinished revision was begun.
func begun(rel *helm.Release) time.Time {
	if rel.Info.Status == helm.StatusUninstalling {
		return rel.Info.Deleted.Time
	}
	return rel.Info.LastDeployed.Time
}

func (m *Manager) ensureNamespace(ctx context.Context) error {
	cs, err := m.cfg.KubernetesClientSet()
	if err != nil {
		return fmt.Errorf("make a Kubernetes client: %w", err)
	}
	// Who may use a namespace need not be allowed to make one.
	if _, err := cs.CoreV1().Namespaces().Get(ctx, m.namespace, metav1.GetOptions{}); err == nil {
		return nil
	}
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: m.namespace}}
	_, err = cs.CoreV1().Namespaces().Create(ctx, ns, metav1.CreateOptions{FieldManager: kube.ManagedFieldsManager})
	if err != nil && !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("create namespace %s: %w", m.namespace, err)
	}
	return nil
}
