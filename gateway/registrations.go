package gateway

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"strings"
	"unicode/utf8"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
	"github.com/aip-dev/aip-dev/gateway/authz"
	"github.com/aip-dev/aip-dev/gateway/store"
	"github.com/aip-dev/aip-dev/gateway/wire"
)

// registrationKind are the endpoints below /agent-registrations that are those of any definition.
func (s *Server) registrationKind() kind[*v1alpha1.AgentRegistration] {
	return kind[*v1alpha1.AgentRegistration]{
		server: s, path: "/agent-registrations", name: "AgentRegistration", namespaced: true, reads: authz.AdminOrReviewer,
		empty:  func() *v1alpha1.AgentRegistration { return &v1alpha1.AgentRegistration{} },
		nameOf: registrationName, check: keepOrigin, list: s.listRegistrations, stored: s.approveOwn,
		sample: v1alpha1.AgentRegistration{}, samples: v1alpha1.AgentRegistrationList{},
	}
}

func registrationName(r *v1alpha1.AgentRegistration) (string, error) {
	if r.Spec.AgentIdentity == "" {
		return "", refuse(http.StatusBadRequest, "agentIdentity is required")
	}
	return store.RegistrationName(r.Spec.AgentIdentity), nil
}

// keepOrigin carries over who asked for a registration: no replacement makes one that an agent asked for count by itself.
func keepOrigin(_ context.Context, fresh, old *v1alpha1.AgentRegistration) error {
	delete(fresh.Annotations, v1alpha1.AnnotationSelfRegistered)
	if old == nil || old.Annotations[v1alpha1.AnnotationSelfRegistered] == "" {
		return nil
	}
	if fresh.Annotations == nil {
		fresh.Annotations = map[string]string{}
	}
	fresh.Annotations[v1alpha1.AnnotationSelfRegistered] = old.Annotations[v1alpha1.AnnotationSelfRegistered]
	return nil
}

// approveOwn records that an administrator made a registration, which is its approval.
func (s *Server) approveOwn(ctx context.Context, who caller, r *v1alpha1.AgentRegistration) error {
	changed, err := s.store.ChangeRegistration(ctx, r.Namespace, r.Name, func(r *v1alpha1.AgentRegistration) (v1alpha1.AgentRegistrationStatus, error) {
		r.Status.RegisteredBy = who.Subject
		s.approve(who, r, "made by an administrator", r.Services())
		return r.Status, nil
	})
	if err == nil {
		*r = *changed
	}
	return err //nolint:wrapcheck // known and problemOf know the store's errors
}

func (s *Server) listRegistrations(ctx context.Context, namespace string) (any, error) {
	found, err := s.store.Registrations(ctx, namespace)
	if err != nil {
		return nil, err //nolint:wrapcheck // problemOf knows the store's errors
	}
	out := v1alpha1.AgentRegistrationList{Items: make([]v1alpha1.AgentRegistration, len(found))}
	out.SetGroupVersionKind(v1alpha1.GroupVersion().WithKind("AgentRegistrationList"))
	for i := range found {
		out.Items[i] = found[i]
		out.Items[i].SetGroupVersionKind(v1alpha1.GroupVersion().WithKind("AgentRegistration"))
	}
	return out, nil
}

// registrations are all endpoints below /agent-registrations.
func (s *Server) registrations() []route {
	k := s.registrationKind()
	sample := v1alpha1.AgentRegistration{}
	decision := api{
		Query: k.parameters(), Body: wire.RegistrationReview{}, Optional: true, Answers: answers{http.StatusOK: sample}, Refuses: []int{400, 404, 409, 413},
	}
	return append(k.routes(),
		route{
			http.MethodPost, "/agent-registrations/self", authz.Agent, handle(s, readWish, s.registerSelf), "ask for the caller's own registration, which waits for its approval",
			api{Body: wire.RegistrationWish{}, Optional: true, Answers: answers{http.StatusCreated: sample}, Refuses: []int{400, 409, 413}},
		},
		route{
			http.MethodGet, "/agent-registrations/self", authz.Agent, handle(s, readNothing, s.ownRegistration), "the registration of the agent that the caller is",
			api{Answers: answers{http.StatusOK: sample}, Refuses: []int{404}},
		},
		route{
			http.MethodPost, "/agent-registrations/{name}/approve", authz.AdminOrReviewer, handle(s, k.readDecision, s.decideRegistration(v1alpha1.RegistrationApproved)),
			"let a registration count, and grant its services", decision,
		},
		route{
			http.MethodPost, "/agent-registrations/{name}/deny", authz.AdminOrReviewer, handle(s, k.readDecision, s.decideRegistration(v1alpha1.RegistrationDenied)),
			"let a registration count no more", decision,
		},
	)
}

// wish is what an agent asks for about itself.
type wish struct {
	ignored
	wire.RegistrationWish
}

func readWish(r *http.Request) (wish, error) {
	var out wish
	var err error
	out.ignored, err = decode(r, &out.RegistrationWish, true)
	return out, err
}

// registerSelf answers POST /agent-registrations/self. Who the agent is and whose tokens it uses comes from the token, never
// from the body; and what is registered once is not changed this way, so that no agent widens what was approved.
func (s *Server) registerSelf(ctx context.Context, who caller, in wish) (defined, error) {
	if have := s.registry.Latest(who.Subject); have != nil {
		return defined{}, alreadyRegistered(who, have)
	}
	r := &v1alpha1.AgentRegistration{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: defaultNamespace, Name: store.RegistrationName(who.Subject),
			Annotations: map[string]string{v1alpha1.AnnotationSelfRegistered: who.Subject},
		},
		Spec: v1alpha1.AgentRegistrationSpec{AgentIdentity: who.Subject, Mode: in.Mode, RequestedServices: in.RequestedServices},
	}
	if who.Issuer != "" {
		r.Spec.OIDC = &v1alpha1.RegistrationOIDC{Issuer: who.Issuer}
	}
	k := s.registrationKind()
	if err := s.store.Define(ctx, r); err != nil {
		if err = k.known(err, r.Name); statusOf(err) == http.StatusConflict {
			return defined{}, alreadyRegistered(who, r)
		}
		return defined{}, err
	}
	changed, err := s.store.ChangeRegistration(ctx, r.Namespace, r.Name, func(r *v1alpha1.AgentRegistration) (v1alpha1.AgentRegistrationStatus, error) {
		if r.Status.Phase == "" { // a reviewer may have been quicker
			r.Status.Phase, r.Status.RegisteredBy = v1alpha1.RegistrationPending, who.Subject
		}
		return r.Status, nil
	})
	if err != nil {
		return defined{}, k.known(err, r.Name)
	}
	s.log.InfoContext(ctx, "AgentRegistration waits for its approval", "name", r.Namespace+"/"+r.Name, "agent", who.Subject)
	return k.answer(changed, true), nil
}

func alreadyRegistered(who caller, have *v1alpha1.AgentRegistration) error {
	return refuse(http.StatusConflict, "agent %q is already registered: AgentRegistration %s/%s is %s; an administrator changes it",
		who.Subject, have.Namespace, have.Name, cmp.Or(have.Status.Phase, "in force"))
}

// ownRegistration answers GET /agent-registrations/self.
func (s *Server) ownRegistration(_ context.Context, who caller, _ struct{}) (defined, error) {
	for _, agent := range append([]string{who.Subject}, who.Registered...) {
		if !slices.Contains(who.Agents, agent) {
			continue // it is registered for somebody else
		}
		if have := s.registry.Latest(agent); have != nil {
			return s.registrationKind().answer(have.DeepCopy(), false), nil
		}
	}
	return defined{}, refuse(http.StatusNotFound, "AgentRegistration not found: agent %q has none; POST /agent-registrations/self asks for one", who.Subject)
}

// registrationDecision is what a reviewer decides about a registration.
type registrationDecision struct {
	object
	ignored
	wire.RegistrationReview
}

func (k kind[T]) readDecision(r *http.Request) (registrationDecision, error) {
	var out registrationDecision
	key, err := k.readKey(r)
	if err != nil {
		return out, err
	}
	out.object = object{namespace: key.object.GetNamespace(), name: key.object.GetName()}
	if out.ignored, err = decode(r, &out.RegistrationReview, true); err != nil {
		return out, err
	}
	if utf8.RuneCountInString(out.Reason) > maxReason {
		return out, refuse(http.StatusBadRequest, "reason is longer than %d characters", maxReason)
	}
	return out, nil
}

// decideRegistration returns the handler of POST /agent-registrations/{name}/approve and .../deny. A denial is final: who wants
// the agent back removes the registration, so that an approval that comes too late undoes no denial.
func (s *Server) decideRegistration(to v1alpha1.RegistrationPhase) func(context.Context, caller, registrationDecision) (defined, error) {
	return func(ctx context.Context, who caller, in registrationDecision) (defined, error) {
		k := s.registrationKind()
		changed, err := s.store.ChangeRegistration(ctx, in.namespace, in.name, func(r *v1alpha1.AgentRegistration) (v1alpha1.AgentRegistrationStatus, error) {
			if err := mayDecideRegistration(who, to, in, r); err != nil {
				return r.Status, err
			}
			if to == v1alpha1.RegistrationApproved {
				s.approve(who, r, in.Reason, granted(in, r))
			} else {
				r.Status.Phase, r.Status.ApprovedServices, r.Status.ApprovedAt = to, nil, nil
				s.noteDecision(who, r, metav1.ConditionFalse, in.Reason)
			}
			return r.Status, nil
		})
		if err != nil {
			return defined{}, k.known(err, in.name)
		}
		s.log.InfoContext(ctx, "AgentRegistration is "+string(to), "name", in.namespace+"/"+in.name, "agent", changed.Spec.AgentIdentity,
			"by", who.Subject, "services", strings.Join(changed.Status.ApprovedServices, ","))
		return k.answer(changed, false), nil
	}
}

// mayDecideRegistration returns nil when the caller may make this decision about r as it is stored now.
func mayDecideRegistration(who caller, to v1alpha1.RegistrationPhase, in registrationDecision, r *v1alpha1.AgentRegistration) error {
	phase, services := r.Status.Phase, r.Services()
	own := slices.Contains([]string{r.Spec.AgentIdentity, r.Annotations[v1alpha1.AnnotationSelfRegistered]}, who.Subject)
	unknown := slices.IndexFunc(in.Services, func(service string) bool { return !slices.Contains(services, service) })
	switch {
	case own || slices.Contains(who.Agents, r.Spec.AgentIdentity):
		return refuse(http.StatusForbidden, "forbidden: self-approval not permitted")
	case phase == v1alpha1.RegistrationDenied:
		return refuse(http.StatusConflict, "the registration was denied%s — delete it to let the agent ask again", decidedSoFar(r))
	case to == phase && len(in.Services) == 0:
		return refuse(http.StatusConflict, "the registration is %s already%s", phase, decidedSoFar(r))
	case unknown >= 0:
		return refuse(http.StatusBadRequest, "service %q is not among those of the registration: %s", in.Services[unknown], strings.Join(services, ", "))
	case in.ResourceVersion != "" && in.ResourceVersion != r.ResourceVersion:
		return refuse(http.StatusConflict, "the registration changed since you read it: read it again, then decide")
	default:
		return nil
	}
}

// granted are the services of an approval.
func granted(in registrationDecision, r *v1alpha1.AgentRegistration) []string {
	if in.Services == nil {
		return r.Services()
	}
	return slices.Compact(slices.Sorted(slices.Values(in.Services)))
}

// approve writes an approval into the status of r.
func (s *Server) approve(who caller, r *v1alpha1.AgentRegistration, reason string, services []string) {
	now := metav1.NewTime(s.options.Now())
	r.Status.Phase, r.Status.ApprovedServices, r.Status.ApprovedAt = v1alpha1.RegistrationApproved, services, &now
	s.noteDecision(who, r, metav1.ConditionTrue, reason)
}

// noteDecision notes who decided, and why.
func (s *Server) noteDecision(who caller, r *v1alpha1.AgentRegistration, status metav1.ConditionStatus, reason string) {
	message := "by " + who.Subject
	if reason != "" {
		message += ": " + reason
	}
	meta.SetStatusCondition(&r.Status.Conditions, metav1.Condition{
		Type: v1alpha1.ConditionApproved, Status: status, Reason: string(r.Status.Phase), Message: message,
		ObservedGeneration: r.Generation, LastTransitionTime: metav1.NewTime(s.options.Now()),
	})
}

func decidedSoFar(r *v1alpha1.AgentRegistration) string {
	if c := meta.FindStatusCondition(r.Status.Conditions, v1alpha1.ConditionApproved); c != nil {
		return " " + c.Message
	}
	return ""
}
