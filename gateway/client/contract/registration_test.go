package contract_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
	"github.com/aip-dev/aip-dev/gateway/client"
	"github.com/aip-dev/aip-dev/gateway/wire"
)

// everyRegistration: an agent asks for its registration, and those who may decide about it do.
func everyRegistration(t *testing.T, w *world) {
	agent, reviewer, admin, ctx := w.as(t, "newcomer"), w.as(t, "reviewer"), w.as(t, "admin"), t.Context()
	if _, err := agent.Registration(ctx); !errors.Is(err, client.ErrNotFound) {
		t.Errorf("before it asked: found %v", err)
	}
	asked, err := agent.Register(ctx, wire.RegistrationWish{RequestedServices: []string{"ci", "tickets"}})
	if err != nil || asked.Status.Phase != v1alpha1.RegistrationPending {
		t.Fatalf("found %+v, %v", asked.Status, err)
	}
	if _, err := agent.Register(ctx, wire.RegistrationWish{}); !errors.Is(err, client.ErrConflict) {
		t.Errorf("asked twice: found %v", err)
	}
	if _, err := agent.Registrations(ctx, client.ListOptions{}); !errors.Is(err, client.ErrForbidden) {
		t.Errorf("listed as an agent: found %v", err)
	}
	for _, list := range []func() ([]v1alpha1.AgentRegistration, error){
		func() ([]v1alpha1.AgentRegistration, error) {
			return reviewer.Registrations(ctx, client.ListOptions{Namespace: asked.Namespace})
		},
		func() ([]v1alpha1.AgentRegistration, error) {
			return admin.Registrations(ctx, client.ListOptions{AllNamespaces: true})
		},
	} {
		eventually(t, func() bool {
			all, err := list()
			check(t, err)
			return slices.ContainsFunc(all, func(r v1alpha1.AgentRegistration) bool { return r.UID == asked.UID })
		})
	}
	if _, err := reviewer.ApproveRegistration(ctx, asked.Namespace, asked.Name, wire.RegistrationReview{Services: []string{"payroll"}}); !errors.Is(err, client.ErrInvalid) {
		t.Errorf("granted what was not asked for: found %v", err)
	}
	decided, err := reviewer.ApproveRegistration(ctx, asked.Namespace, asked.Name, wire.RegistrationReview{Reason: "r", Services: []string{"ci"}})
	if err != nil || decided.Status.Phase != v1alpha1.RegistrationApproved || !slices.Equal(decided.Status.ApprovedServices, []string{"ci"}) {
		t.Errorf("found %+v, %v", decided.Status, err)
	}
	eventually(t, func() bool {
		own, err := agent.Registration(ctx)
		check(t, err)
		return own.Status.Phase == v1alpha1.RegistrationApproved
	})
	if decided, err = admin.DenyRegistration(ctx, asked.Namespace, asked.Name, wire.RegistrationReview{}); err != nil || decided.Status.Phase != v1alpha1.RegistrationDenied {
		t.Errorf("found %+v, %v", decided.Status, err)
	}
	if _, err := reviewer.ApproveRegistration(ctx, asked.Namespace, asked.Name, wire.RegistrationReview{}); !errors.Is(err, client.ErrConflict) {
		t.Errorf("approved what was denied: found %v", err)
	}
	if err := reviewer.RemoveRegistration(ctx, asked.Namespace, asked.Name); !errors.Is(err, client.ErrForbidden) {
		t.Errorf("removed as a reviewer: found %v", err)
	}
	check(t, admin.RemoveRegistration(ctx, asked.Namespace, asked.Name))
	if err := admin.RemoveRegistration(ctx, asked.Namespace, asked.Name); !errors.Is(err, client.ErrNotFound) {
		t.Errorf("removed twice: found %v", err)
	}
}
