package steps

import (
	"context"
	"errors"
	"fmt"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"

	"github.com/aip-dev/aip-dev/bootstrap"
	"github.com/aip-dev/aip-dev/bootstrap/keycloak"
)

// AddClient returns the plan that lets one more client of e into an environment that is up: what is done for it alone
// of all that `up` does. e lists the client; facts are those of before.
func AddClient(e bootstrap.Environment, d Deps, facts bootstrap.Facts, id string) bootstrap.Plan {
	return bootstrap.Plan{
		// The client with its mapper in the realm, and the Secret that holds its secret.
		bootstrap.Then(identity{env: e, deps: d}),
		// The list of its role in the chart's values, and the rollout.
		bootstrap.Then(gateway{env: e, deps: d, in: id}),
		// Its AgentRegistration, where the gateway asks for one.
		bootstrap.Then(registration{env: e, deps: d, id: id}),
		// A token of it, and what the gateway says to that.
		bootstrap.Then(member{env: e, deps: d, id: id, proven: proven(e, d, facts)}),
	}
}

// RemoveClient returns the plan that takes a client away. e does not list it any more; facts are those of before.
func RemoveClient(e bootstrap.Environment, d Deps, facts bootstrap.Facts, id string) bootstrap.Plan {
	return bootstrap.Plan{
		// The lists in the chart's values first: access ends with the rollout that begins here, whatever becomes of the rest.
		bootstrap.Then(subjects{gateway{env: e, deps: d, out: id}}),
		// The client in the realm, so that it gets no more tokens even when the rollout fails, and its Secret.
		bootstrap.Then(departure{identity: identity{env: e, deps: d}, id: id, proven: proven(e, d, facts)}),
		// The end of the rollout.
		bootstrap.Then(gateway{env: e, deps: d, out: id}),
	}
}

// proven reports whether the proof of an earlier run holds for facts.
func proven(e bootstrap.Environment, d Deps, facts bootstrap.Facts) bool {
	digest, err := proof{env: e, deps: d}.digest(facts)
	return err == nil && facts.Proof.Of == digest
}

// renew says that what was proven for the other clients holds on with those that facts name now.
func renew(e bootstrap.Environment, d Deps, facts bootstrap.Facts) (bootstrap.Facts, error) {
	digest, err := proof{env: e, deps: d}.digest(facts)
	if err == nil {
		facts.Proof.Of = digest
	}
	return facts, err
}

// subjects is the part of the gateway that waits for nothing: the chart's values.
type subjects struct{ gateway gateway }

func (subjects) Name() string { return "subjects" }

func (s subjects) Observe(ctx context.Context, facts bootstrap.Facts) (bootstrap.Observation, error) {
	return s.gateway.look(ctx, facts)
}

func (s subjects) Apply(ctx context.Context, facts bootstrap.Facts, report bootstrap.Reporter) (bootstrap.Facts, error) {
	facts, err := s.gateway.install(ctx, facts, report)
	if err == nil {
		report.Note("the chart's values name it no more")
	}
	return facts, err
}

// member is the proof that one client gets a token and that the gateway gives it its role.
type member struct {
	env  bootstrap.Environment
	deps Deps
	id   string
	// proven says that the whole way was proven for the other clients.
	proven bool
}

func (member) Name() string { return "proof" }

// RoleError says that the gateway gives a client another role than the described one.
type RoleError struct{ Client, Found, Expected string }

// Error names the client, both roles and where they come from.
func (e *RoleError) Error() string {
	return fmt.Sprintf("the gateway says that %s is %s, expected %s: is it in gateway.auth.%sSubjects of the chart's values?",
		e.Client, e.Found, e.Expected, e.Expected)
}

func (m member) ask(ctx context.Context, facts bootstrap.Facts) error {
	client, _ := m.env.Find(m.id)
	role, err := m.deps.Whoami(ctx, facts, m.id)
	if err != nil {
		return fmt.Errorf("ask the gateway who %s is: %w", m.id, err)
	}
	if role != client.Role {
		return &RoleError{Client: m.id, Found: role, Expected: client.Role}
	}
	return nil
}

func (m member) Observe(ctx context.Context, facts bootstrap.Facts) (bootstrap.Observation, error) {
	if err := m.ask(ctx, facts); err != nil {
		return bootstrap.Observation{State: bootstrap.Differs, Detail: err.Error(), Facts: facts}, nil //nolint:nilerr // Apply asks again
	}
	facts, err := m.learn(facts)
	return bootstrap.Observation{State: bootstrap.Ready, Detail: "token → gateway", Facts: facts}, err
}

func (m member) learn(facts bootstrap.Facts) (bootstrap.Facts, error) {
	if !m.proven {
		return facts, nil
	}
	return renew(m.env, m.deps, facts)
}

// Apply asks until the gateway that knows the client is the one that answers: the one before may do so for a moment.
func (m member) Apply(ctx context.Context, facts bootstrap.Facts, report bootstrap.Reporter) (bootstrap.Facts, error) {
	report.Note("waiting for the gateway to know %s", m.id)
	if err := onceSettled(ctx, m.deps.limit(), func() error { return m.ask(ctx, facts) }, func(err error) bool {
		var role *RoleError
		return errors.As(err, &role) || m.deps.Unreachable != nil && errors.Is(err, m.deps.Unreachable)
	}); err != nil {
		return facts, err
	}
	report.Note("token → gateway")
	return m.learn(facts)
}

// departure is the end of a client: in the realm, and its Secret.
type departure struct {
	identity identity
	id       string
	proven   bool
}

func (departure) Name() string { return "identity" }

func (d departure) learn(facts bootstrap.Facts) (bootstrap.Facts, error) {
	facts = d.identity.learn(facts)
	if !d.proven {
		return facts, nil
	}
	return renew(d.identity.env, d.identity.deps, facts)
}

func (d departure) Observe(_ context.Context, facts bootstrap.Facts) (bootstrap.Observation, error) {
	return bootstrap.Observation{State: bootstrap.Differs, Facts: facts}, nil
}

func (d departure) Apply(ctx context.Context, facts bootstrap.Facts, report bootstrap.Reporter) (bootstrap.Facts, error) {
	if err := d.identity.admin(facts).RemoveClient(ctx, d.identity.env.Realm, d.id); err != nil {
		return facts, err
	}
	config, err := kube(facts)
	if err != nil {
		return facts, err
	}
	core, err := corev1client.NewForConfig(config)
	if err != nil {
		return facts, fmt.Errorf("make a client of the API server: %w", err)
	}
	err = core.Secrets(Namespace).Delete(ctx, SecretName(d.id), metav1.DeleteOptions{})
	if err != nil && !apierrors.IsNotFound(err) {
		return facts, fmt.Errorf("delete the secret of client %s: %w", d.id, err)
	}
	if err := (registration{id: d.id}).remove(ctx, facts); err != nil {
		return facts, err
	}
	report.Note("%s is gone from realm %s", d.id, d.identity.env.Realm)
	return d.learn(facts)
}

// Member is what there is of one client in an environment.
type Member struct {
	ID string
	// Roles are those of the lists that name it in the chart's values; none means that the gateway lets it do nothing.
	Roles []string
	// Described says that the description lists it.
	Described bool
	// Realm and Mapper say whether the realm has the client, and the client the audience mapper; nil is unknown.
	Realm, Mapper *bool
	// Secret says whether Kubernetes holds its secret.
	Secret bool
}

// Members looks up who is in an environment: who the description or a list of the chart's values names, who has a
// Secret, and who has the audience mapper in the realm. When the provider does not answer, unknown says why, and the
// members say nothing of it.
func Members(ctx context.Context, e bootstrap.Environment, d Deps, facts bootstrap.Facts) (members []Member, unknown, err error) {
	found := roster{}
	for _, c := range e.Clients {
		found.of(c.ID).Described = true
	}
	roles, err := Subjects(ctx, d, facts)
	if err != nil {
		return nil, nil, err
	}
	for _, role := range bootstrap.Roles() {
		for _, id := range roles[role] {
			found.of(id).Roles = append(found.of(id).Roles, role)
		}
	}
	if err := found.secrets(ctx, facts); err != nil {
		return nil, nil, err
	}
	i := identity{env: e, deps: d}
	clients, unknown := i.admin(facts).Clients(ctx, e.Realm)
	if unknown == nil {
		found.realm(clients, e.Audience)
	}
	for _, id := range found.ids {
		members = append(members, *found.members[id])
	}
	return members, unknown, nil
}

// roster collects members in the order in which they were found.
type roster struct {
	ids     []string
	members map[string]*Member
}

func (r *roster) of(id string) *Member {
	if r.members == nil {
		r.members = map[string]*Member{}
	}
	if r.members[id] == nil {
		r.ids = append(r.ids, id)
		r.members[id] = &Member{ID: id}
	}
	return r.members[id]
}

// secrets notes who has a Secret.
func (r *roster) secrets(ctx context.Context, facts bootstrap.Facts) error {
	config, err := kube(facts)
	if err != nil {
		return err
	}
	core, err := corev1client.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("make a client of the API server: %w", err)
	}
	list, err := core.Secrets(Namespace).List(ctx, metav1.ListOptions{LabelSelector: clientLabel})
	if err != nil {
		return fmt.Errorf("list the secrets of clients: %w", err)
	}
	for i := range list.Items {
		if len(list.Items[i].Data[bootstrap.ClientSecretKey]) > 0 {
			r.of(list.Items[i].Labels[clientLabel]).Secret = true
		}
	}
	return nil
}

// realm notes whom the realm has. Clients without the mapper that nothing else names are Keycloak's own.
func (r *roster) realm(clients []keycloak.Found, audience string) {
	for _, c := range clients {
		if c.Audience != "" {
			r.of(c.ID)
		}
	}
	for id, m := range r.members {
		i := slices.IndexFunc(clients, func(c keycloak.Found) bool { return c.ID == id })
		there := i >= 0 && clients[i].Enabled
		mapper := there && clients[i].Audience == audience
		m.Realm, m.Mapper = &there, &mapper
	}
}

// Subjects returns who is in the list of each role in the chart's values.
func Subjects(ctx context.Context, d Deps, facts bootstrap.Facts) (map[string][]string, error) {
	state, err := gateway{deps: d}.given(ctx, facts)
	if err != nil {
		return nil, err
	}
	roles := map[string][]string{}
	for _, role := range bootstrap.Roles() {
		roles[role] = state.Names(subjectsPath(role)...)
	}
	return roles, nil
}
