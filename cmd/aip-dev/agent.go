package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"sigs.k8s.io/yaml"

	"github.com/aip-dev/aip-dev/bootstrap"
	"github.com/aip-dev/aip-dev/bootstrap/steps"
	"github.com/aip-dev/aip-dev/internal/failure"
	"github.com/aip-dev/aip-dev/internal/progress"
	"github.com/aip-dev/aip-dev/internal/state/description"
)

func newAgent(a *app) *cobra.Command {
	c := &cobra.Command{
		Use: "agent", Aliases: []string{"agents"}, Short: "Add, remove and list agents, reviewers and admins", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(newAgentAdd(a), newAgentRemove(a), newAgentList(a))
	return c
}

// secretRef names a Kubernetes Secret.
type secretRef struct {
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
}

func secretOf(id string) secretRef { return secretRef{steps.Namespace, steps.SecretName(id)} }

// added is what `agent add` tells.
type added struct {
	Name string `json:"name"`
	Role string `json:"role"`
	// Changed is false when everything was there already.
	Changed bool `json:"changed"`
	// Realm has the client, whose tokens are for Audience.
	Realm    string    `json:"realm"`
	Audience string    `json:"audience"`
	Secret   secretRef `json:"secret"`
	// Subjects are all names in the list of the role.
	Subjects []string `json:"subjects"`
	// Seconds is how long it took.
	Seconds float64 `json:"seconds"`

	took time.Duration
}

func newAgentAdd(a *app) *cobra.Command {
	client := bootstrap.Client{Role: bootstrap.RoleAgent, Added: true}
	var secretFile string
	c := &cobra.Command{
		Use:   "add NAME",
		Short: "Let one more agent in, and prove that the gateway knows it",
		Long: "Let one more agent in, and prove that the gateway knows it: a client with the audience mapper in the realm, its\n" +
			"secret in Kubernetes, its name in the list of the chart's values, the rollout, and a token that the gateway takes.\n" +
			"Where the gateway refuses agents without an AgentRegistration (gateway.unregisteredAgentPolicy is strict), it makes that too.\n" +
			"Names that were put into the list by hand stay. A second run changes nothing; one that was interrupted is finished\n" +
			"by the next, or by `aip-dev up`.",
		Example: "  aip-dev agent add aip-agent-2\n  aip-dev agent add alice --role reviewer\n  pass show agent | aip-dev agent add aip-agent-3 --secret-file -",
		Args:    cobra.ExactArgs(1),
	}
	format := outputFlag(c, formatTable, formatJSON)
	c.Flags().Var(&choice{&client.Role, bootstrap.Roles()}, "role", "what the gateway lets it do")
	c.Flags().StringVar(&secretFile, "secret-file", "", "file that holds the client secret; - reads the standard input (default: the one it has, or a random one)")
	c.RunE = func(c *cobra.Command, args []string) error {
		client := client
		client.ID = args[0]
		if err := client.Fault(); err != nil {
			return failure.Wrap(err, failure.Usage, []string{"aip-dev agent add aip-agent-2"}, "")
		}
		if secretFile != "" {
			var err error
			if client.Secret, err = a.readSecret(secretFile); err != nil {
				return err
			}
		}
		done, err := a.addClient(c.Context(), client)
		if err != nil {
			return err
		}
		if *format == formatJSON {
			return a.printJSON(done)
		}
		return a.printAdded(done)
	}
	return c
}

// addClient brings one more client about in an environment that is up.
func (a *app) addClient(ctx context.Context, client bootstrap.Client) (added, error) {
	began := a.now()
	e, deps, facts, err := a.opened(ctx)
	if err != nil {
		return added{}, err
	}
	roles, err := steps.Subjects(ctx, deps, facts)
	if err != nil {
		return added{}, fmt.Errorf("read the lists of the chart's values: %w", err)
	}
	for _, other := range bootstrap.Roles() {
		if other != client.Role && slices.Contains(roles[other], client.ID) {
			return added{}, a.otherRole(client, other)
		}
	}
	again := "agent add " + client.ID
	if client.Role != bootstrap.RoleAgent {
		again += " --role " + client.Role
	}
	facts, applied, err := a.bringUp(ctx, e, bringing{
		command: "agent add", again: again,
		settle: func(asked bootstrap.Environment, last *bootstrap.Environment) (bootstrap.Environment, error) {
			return a.withClient(asked, last, client)
		},
		plan: func(e bootstrap.Environment, d steps.Deps, facts bootstrap.Facts) bootstrap.Plan {
			return steps.AddClient(e, d, facts, client.ID)
		},
	})
	if err != nil {
		return added{}, err
	}
	if roles, err = steps.Subjects(ctx, deps, facts); err != nil {
		return added{}, fmt.Errorf("read the lists of the chart's values: %w", err)
	}
	done := added{
		Name: client.ID, Role: client.Role, Changed: applied > 0, Realm: facts.Identity.Realm, Audience: facts.Gateway.Audience,
		Secret: secretOf(client.ID), Subjects: roles[client.Role], took: a.now().Sub(began),
	}
	done.Seconds = done.took.Seconds()
	return done, nil
}

// opened returns the description of an environment that is up, what its steps need, and its facts.
func (a *app) opened(ctx context.Context) (bootstrap.Environment, steps.Deps, bootstrap.Facts, error) {
	s, err := a.open(ctx)
	if err != nil {
		return bootstrap.Environment{}, steps.Deps{}, bootstrap.Facts{}, err
	}
	folder, err := a.folder()
	if err != nil {
		return bootstrap.Environment{}, steps.Deps{}, bootstrap.Facts{}, err
	}
	e, err := description.Read(folder)
	if err != nil {
		return e, steps.Deps{}, s.Facts, err
	}
	deps, err := a.deps(e, placeOf(s.Facts), folder, 0)
	return e, deps, s.Facts, err
}

// withClient returns the description with one more client in it.
func (a *app) withClient(asked bootstrap.Environment, last *bootstrap.Environment, client bootstrap.Client) (bootstrap.Environment, error) {
	if last != nil {
		asked = *last
	}
	have, there := asked.Find(client.ID)
	switch {
	case there && have.Role != client.Role:
		return asked, a.otherRole(client, have.Role)
	case there:
		client.Added = have.Added // a description file may list it
		asked.Clients = slices.Clone(asked.Clients)
		asked.Clients[slices.Index(asked.Clients, have)] = client
	default:
		asked.Clients = append(slices.Clone(asked.Clients), client)
	}
	if err := asked.Validate(); err != nil {
		return asked, failure.Wrap(err, failure.Usage, nil, "the description of the environment")
	}
	return asked, nil
}

func (a *app) otherRole(client bootstrap.Client, has string) error {
	return failure.New(failure.Conflict,
		[]string{a.command("agent remove "+client.ID) + " && " + a.command("agent add "+client.ID+" --role "+client.Role), a.command("agent list")},
		"%s is %s, expected %s; nothing was changed", client.ID, has, client.Role)
}

func (a *app) printAdded(d added) error {
	var b strings.Builder
	if d.Changed {
		fmt.Fprintf(&b, "\n%s is in, as %s, after %s.\n", d.Name, d.Role, progress.Took(d.took))
	} else {
		fmt.Fprintf(&b, "\n%s is in as before, as %s: nothing had to be done.\n", d.Name, d.Role)
	}
	fmt.Fprintf(&b, `
  client    %s in realm %s, with the audience mapper for %s
  secret    Secret %s/%s
  subjects  gateway.auth.%sSubjects is %s
  proof     the gateway takes its token, and says that it is %s
`, d.Name, d.Realm, d.Audience, d.Secret.Namespace, d.Secret.Name, d.Role, strings.Join(d.Subjects, ","), d.Role)
	if note := a.besideFile(d.Name, d.Role); note != "" {
		fmt.Fprintf(&b, "\n%s\n", note)
	}
	next := a.command("request submit --as " + d.Name + " --action delete --target k8s://prod/web --reason test")
	if d.Role != bootstrap.RoleAgent {
		next = a.command("request list --as " + d.Name)
	}
	fmt.Fprintf(&b, "\nNext:  %s\n       %s\n", a.command("token "+d.Name), next)
	return a.print(b.String())
}

// besideFile says what a description in this folder makes of a client that was added, or "".
func (a *app) besideFile(id, role string) string {
	e, lists := a.listedHere()
	if _, listed := e.Find(id); !lists || listed {
		return ""
	}
	return fmt.Sprintf("%s lists clients, and not %s: it stays in this environment, and the next one has it with\n  - {id: %s, role: %s}",
		defaultDescription, id, id, role)
}

// listedHere returns the description in this folder, and whether it is of this environment and lists clients.
func (a *app) listedHere() (e bootstrap.Environment, lists bool) {
	data, err := os.ReadFile(defaultDescription)
	if err != nil {
		return e, false
	}
	e.Name = bootstrap.DefaultName
	err = yaml.Unmarshal(data, &e) // `up` tells what is wrong with it
	return e, err == nil && e.Name == a.name && e.Clients != nil
}

// notThere is the error about a client that is nowhere.
func (a *app) notThere(id string, known []string) error {
	return failure.New(failure.NotFound, []string{a.command("agent list"), a.command("agent add " + id)},
		"%s is not in environment %s, which has %s", id, a.name, strings.Join(known, ", "))
}
