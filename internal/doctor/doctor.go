package doctor

import (
	"context"
	"sync"
	"time"

	"github.com/aip-dev/aip-dev/bootstrap"
	"github.com/aip-dev/aip-dev/bootstrap/keycloak"
	"github.com/aip-dev/aip-dev/bootstrap/steps"
	"github.com/aip-dev/aip-dev/internal/check"
	"github.com/aip-dev/aip-dev/internal/check/machine"
	"github.com/aip-dev/aip-dev/internal/session"
	"github.com/aip-dev/aip-dev/internal/state"
	"github.com/aip-dev/aip-dev/internal/state/description"
)

// Headings of the checks.
const (
	groupPlace    = "place"
	groupIdentity = "identity"
	groupGateway  = "gateway"
)

// Options say what to look at.
type Options struct {
	// Folder is the state folder of the environment, which need not be there.
	Folder state.Folder
	// Deps are what the steps of the environment work with, for a place.
	Deps func(e bootstrap.Environment, kind string) (steps.Deps, error)
	// Engine names the container engine to use; empty means any.
	Engine string
	// Command returns a command line of this program for the environment.
	Command func(line string) string
	Getenv  func(string) string
	Now     func() time.Time
}

// How long an answer may take. Whether anything answers at all is told soon; what does answer gets time, because a busy
// machine is no fault.
const (
	soon    = 3 * time.Second
	patient = 15 * time.Second
)

// Checks returns the checks of an environment in the order in which its parts build on each other, and where it lives; the
// place is empty when there is no environment. Then the checks are those of the machine alone.
func Checks(o Options) (checks []check.Check, cluster string) {
	d := &doctor{Options: o}
	d.load()
	embedded := d.kind() == bootstrap.ClusterEmbedded
	memory, room := machine.Embedded()
	if d.kind() == bootstrap.ClusterKind {
		_, room = machine.Containers()
	}
	checks = []check.Check{
		d.state(), machine.Disk(o.Folder.Path, room), machine.Memory(memory), machine.Proxy(o.Getenv, !embedded && d.kind() != ""), d.engine(),
	}
	if d.kind() == "" || d.kind() == bootstrap.ClusterKind { // nodes in containers of this machine need them
		checks = append(checks, machine.Inotify("/proc"), machine.Cgroup("/sys"))
	}
	if d.kind() == "" {
		return append(checks, d.freePorts()), ""
	}
	checks = append(checks, d.ports(), d.process(), d.api())
	checks = append(checks, d.cluster()...)
	checks = append(checks, d.identity()...)
	checks = append(checks, d.gateway()...)
	checks = append(checks, d.tokens())
	for i := range checks {
		if checks[i].Limit == 0 {
			checks[i].Limit = patient
		}
	}
	return checks, d.kind()
}

// doctor is one run of the checks. What several of them need is asked for once.
type doctor struct {
	Options

	facts   bootstrap.Facts
	env     bootstrap.Environment
	loaded  error
	inspect steps.Inspector
	session *session.Session
	nodes   func(context.Context) (steps.Containers, error)
	realm   func(context.Context) (keycloak.Diff, error)
	issuer  func(context.Context) issuerAnswer
	rollout func(context.Context) (steps.Rollout, error)
	ready   func(context.Context) (readiness, error)
}

// load reads what the environment remembers.
func (d *doctor) load() {
	if d.facts, d.loaded = d.Folder.Facts(); d.loaded != nil {
		d.facts = bootstrap.Facts{}
		return
	}
	if d.env, d.loaded = description.Read(d.Folder); d.loaded != nil {
		d.facts = bootstrap.Facts{}
		return
	}
	if d.facts.Cluster.Kind == "" {
		return
	}
	deps, err := d.Deps(d.env, d.kind())
	if err != nil {
		d.loaded, d.facts = err, bootstrap.Facts{}
		return
	}
	d.inspect = steps.NewInspector(d.env, deps, d.facts)
	d.session = session.New(session.Options{Facts: d.facts, Tokens: d.Folder.Tokens(), Now: d.Now})
	d.nodes = shared(func(ctx context.Context) (steps.Containers, error) {
		return steps.LookAtContainers(ctx, d.facts.Name, d.Engine)
	})
	d.realm, d.rollout, d.ready = shared(d.inspect.Realm), shared(d.inspect.Gateway), shared(d.askReady)
	d.issuer = func() func(context.Context) issuerAnswer {
		ask := shared(func(ctx context.Context) (issuerAnswer, error) { return d.askIssuer(ctx), nil })
		return func(ctx context.Context) issuerAnswer {
			a, _ := ask(ctx) // it never fails
			return a
		}
	}()
}

// kind is where the environment lives, "" when there is none or nothing is known of it.
func (d *doctor) kind() string { return d.facts.Cluster.Kind }

// containers reports whether the environment's parts run in containers.
func (d *doctor) containers() bool { return d.kind() != bootstrap.ClusterEmbedded }

// shared returns ask with its first answer kept for all who ask.
func shared[T any](ask func(context.Context) (T, error)) func(context.Context) (T, error) {
	var once sync.Once
	var answer T
	var err error
	return func(ctx context.Context) (T, error) {
		once.Do(func() { answer, err = ask(ctx) })
		return answer, err
	}
}

// up is the fix that runs the steps of `up` again.
func (d *doctor) up() check.Fix {
	return check.Fix{Command: d.Command("up"), Repair: check.RepairUp}
}

// kubectl is a fix that is a command of kubectl in the environment's cluster.
func (d *doctor) kubectl(line string) check.Fix { return kubectl(d.session, line) }

// mendIssuer is the fix of the identity provider: the steps of `up` for an environment's own, else nothing but to ask it.
func (d *doctor) mendIssuer() check.Fix {
	if d.external() {
		return askIssuerYourself(d.session)
	}
	return d.up()
}

// external returns whether somebody else is responsible for what failed, as in a cluster or a provider of others.
func (d *doctor) external() bool { return d.facts.Identity.External }
