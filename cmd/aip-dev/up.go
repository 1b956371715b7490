package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"sigs.k8s.io/yaml"

	"github.com/aip-dev/aip-dev/bootstrap"
	"github.com/aip-dev/aip-dev/internal/failure"
	"github.com/aip-dev/aip-dev/internal/state"
	"github.com/aip-dev/aip-dev/internal/state/description"
)

// Values of --tui.
const (
	tuiAuto   = "auto"
	tuiAlways = "always"
	tuiNever  = "never"
)

// upOptions are the flags of up.
type upOptions struct {
	file    string
	cluster string
	ports   bootstrap.Ports
	images  bootstrap.Images
	limit   time.Duration
	samples bool
	tui     string
	shared  sharedOptions
	bundle  string
	// database is the field of Keycloak of this name.
	database string
	// recreate deletes the environment first.
	recreate bool
}

func newUp(a *app) *cobra.Command {
	o := upOptions{tui: tuiAuto, cluster: bootstrap.ClusterAuto}
	c := &cobra.Command{
		Use:   "up",
		Short: "Bring the environment up and prove that it works",
		Long: "Bring the environment up and prove that it works: a Kubernetes API with the AIP resources, an OIDC issuer with a\n" +
			"realm and clients, the gateway from its chart, and a request that goes the whole way. What is there already is\n" +
			"left as it is; an interrupted run is finished by the next one.",
		Example: "  aip-dev up\n  aip-dev up --cluster embedded --tui=never\n  aip-dev up --name second",
		Args:    cobra.NoArgs,
	}
	format := outputFlag(c, formatTable, formatJSON)
	o.bind(c.Flags())
	c.RunE = func(c *cobra.Command, _ []string) error { return a.up(c, o, *format) }
	return c
}

func (o *upOptions) bind(f *pflag.FlagSet) {
	f.StringVarP(&o.file, "file", "f", "", "description of the environment (default: "+defaultDescription+" when it is there)")
	f.Var(&choice{&o.cluster, []string{
		bootstrap.ClusterAuto, bootstrap.ClusterEmbedded, bootstrap.ClusterKind, bootstrap.ClusterExisting,
	}}, "cluster", "where the environment lives")
	f.IntVar(&o.ports.Gateway, "gateway-port", 0, "port of the gateway on this machine (default: 8080, or the next free one)")
	f.IntVar(&o.ports.Issuer, "issuer-port", 0, "port of the issuer on this machine (default: 8090, or the next free one)")
	f.StringVar(&o.images.Node, "node-image", "", "image of a kind node (default: that of the kind library)")
	f.StringVar(&o.images.Gateway, "gateway-image", "", "image of the gateway in containers (default: made of this program)")
	f.StringVar(&o.bundle, "bundle", "", "`FILE` of aip-dev bundle create with all images of a kind cluster; nothing is pulled")
	f.Var(&choice{&o.database, []string{bootstrap.DatabaseMemory, bootstrap.DatabasePostgres}}, "keycloak-database", "where Keycloak keeps its realms; memory forgets them with its pod")
	o.shared.bind(f)
	f.DurationVar(&o.limit, "timeout", 0, "how long a part may take to become ready (default: 30s embedded, else 5m)")
	f.BoolVar(&o.samples, "sample-policies", true, "install the sample SafetyPolicies")
	f.BoolVar(&o.recreate, "recreate", false, "delete the environment first, after showing what would be lost and asking")
	f.Var(&choice{&o.tui, []string{tuiAuto, tuiAlways, tuiNever}}, "tui", "open the review queue when the environment is up")
}

// up brings the environment up, says where everything is and opens the queue.
func (a *app) up(c *cobra.Command, o upOptions, format string) error {
	e, err := a.environment(c, o)
	if err != nil {
		return err
	}
	if o.limit < 0 {
		return failure.New(failure.Usage, nil, "--timeout is %s, expected a duration such as 2m", o.limit)
	}
	how := bringing{command: "up", limit: o.limit, yes: o.shared.yes, settle: a.settleWith(o.shared)}
	if o.bundle != "" {
		if e, how.bundle, err = a.unbundle(c, e, o.bundle); err != nil {
			return err
		}
		defer func() { _ = how.bundle.Close() }() // nothing was written
	}
	if o.recreate {
		if e, err = a.clear(c.Context(), e, o.shared.yes); err != nil {
			return err
		}
	}
	facts, applied, err := a.bringUp(c.Context(), e, how)
	if err != nil {
		return err
	}
	if format == formatJSON {
		if err := a.printJSON(facts); err != nil {
			return err
		}
	} else if err := a.summary(facts, applied); err != nil {
		return err
	}
	if o.opensQueue(format, isTerminal(a.in) && isTerminal(a.out)) {
		return a.queue(c.Context(), queueOptions{hold: defaultHold})
	}
	return nil
}

// opensQueue tells whether the queue opens after all is up.
func (o *upOptions) opensQueue(format string, terminals bool) bool {
	return o.tui == tuiAlways || o.tui == tuiAuto && format != formatJSON && terminals
}

// settleWith is settle, with the clients' secrets of files.
func (a *app) settleWith(o sharedOptions) func(asked bootstrap.Environment, last *bootstrap.Environment) (bootstrap.Environment, error) {
	return func(asked bootstrap.Environment, last *bootstrap.Environment) (bootstrap.Environment, error) {
		e, err := a.settle(asked, last)
		if err != nil {
			return e, err
		}
		return e, a.tellSecrets(&e, o)
	}
}

// environment returns the description: of the file, else of the last run, else the default; flags set fields of it.
// Without clients in a file it has none: settle knows them.
func (a *app) environment(c *cobra.Command, o upOptions) (bootstrap.Environment, error) {
	e, err := a.described(o.file)
	if err != nil {
		return e, err
	}
	changed := c.Flags().Changed
	if changed("name") {
		e.Name = a.name
	}
	a.name = e.Name
	if changed("cluster") {
		e.Cluster = o.cluster
	}
	for flag, set := range map[string]struct {
		to   *int
		port int
	}{"gateway-port": {&e.Ports.Gateway, o.ports.Gateway}, "issuer-port": {&e.Ports.Issuer, o.ports.Issuer}} {
		if !changed(flag) {
			continue
		}
		if set.port < 1 || set.port > 65535 {
			return e, failure.New(failure.Usage, nil, "--%s is %d, expected 1 to 65535", flag, set.port)
		}
		*set.to = set.port
	}
	if changed("node-image") {
		e.Images.Node = o.images.Node
	}
	if changed("gateway-image") {
		e.Images.Gateway = o.images.Gateway
	}
	if changed("keycloak-database") {
		e.Keycloak.Database = o.database
	}
	if changed("sample-policies") {
		e.SamplePolicies = o.samples
	}
	if err := o.shared.set(&e, changed); err != nil {
		return e, err
	}
	if err := a.whole(e).Validate(); err != nil {
		return e, failure.Wrap(err, failure.Usage, nil, "the description of the environment")
	}
	return e, nil
}

// whole returns e with the clients that settle will give it, as far as can be told before.
func (a *app) whole(e bootstrap.Environment) bootstrap.Environment {
	if e.Clients != nil {
		return e
	}
	e.Clients = usualClients(e)
	if folder, err := a.folder(); err == nil {
		if last, err := description.Read(folder); err == nil {
			e.Clients = last.Clients
		}
	}
	return e
}

// described reads the description from path or aip-dev.yaml, else what was asked for last, else the default. It has
// clients when a file lists them.
func (a *app) described(path string) (bootstrap.Environment, error) {
	e := bootstrap.Default()
	must := path != ""
	if !must {
		path = defaultDescription
	}
	data, err := os.ReadFile(path)
	if err == nil {
		e.Clients = nil // a file that lists clients means these, and those that were added to the environment later
		if err := yaml.UnmarshalStrict(data, &e); err != nil {
			return e, failure.Wrap(err, failure.Usage, nil, "%s", path)
		}
		for i := range e.Clients { // a file's paths are relative to it
			if secret := e.Clients[i].SecretFile; secret != "" && !filepath.IsAbs(secret) {
				e.Clients[i].SecretFile = filepath.Join(filepath.Dir(path), secret)
			}
		}
		return e, nil
	}
	if must || !errors.Is(err, os.ErrNotExist) {
		return e, failure.Wrap(err, failure.Usage, nil, "--file")
	}
	folder, err := a.folder()
	if err != nil {
		return e, err
	}
	switch last, err := description.Read(folder); {
	case err == nil:
		last.Clients = nil // they may change until this command is the only one
		return last, nil
	case errors.Is(err, state.ErrNotThere), errors.Is(err, state.ErrDamaged):
		e.Name, e.Clients = a.name, nil
		return e, nil
	default:
		return e, err
	}
}

// known returns the facts of an earlier run. A damaged file costs nothing: the steps look again.
func (a *app) known(folder state.Folder) (bootstrap.Facts, error) {
	facts, err := folder.Facts()
	switch {
	case errors.Is(err, state.ErrNotThere):
		return bootstrap.Facts{Name: folder.Name}, nil
	case errors.Is(err, state.ErrDamaged):
		_, err := fmt.Fprintf(a.errOut, "warning: %v; looking again\n", err)
		return bootstrap.Facts{Name: folder.Name}, err
	default:
		return facts, err
	}
}

// reserved returns the ports that environments other than folder's run with or will start with.
func (a *app) reserved(folder state.Folder) (map[int]string, error) {
	root := filepath.Dir(folder.Path)
	names, err := state.List(root)
	if err != nil {
		return nil, err
	}
	ports := map[int]string{}
	for _, name := range names {
		facts, err := state.In(root, name).Facts()
		if name == folder.Name || err != nil {
			continue // what cannot be read reserves nothing
		}
		for _, port := range []int{facts.Cluster.GatewayPort, facts.Cluster.IssuerPort} {
			if port != 0 {
				ports[port] = name
			}
		}
	}
	return ports, nil
}
