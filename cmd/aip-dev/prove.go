package main

import (
	"context"
	"errors"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/dynamic"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
	"github.com/aip-dev/aip-dev/bootstrap"
	"github.com/aip-dev/aip-dev/bootstrap/steps"
	"github.com/aip-dev/aip-dev/gateway/client"
	"github.com/aip-dev/aip-dev/gateway/wire"
	"github.com/aip-dev/aip-dev/internal/session"
)

// proofMark is the correlation id of requests that `up` makes to prove an environment. They are deleted again.
const proofMark = "aip-dev-proof"

// proofNamespace is where they live for that moment.
const proofNamespace = "default"

// prove sends a request the whole way: a token from the issuer, the gateway, a policy that asks for a human, and a
// reviewer's decision.
func (a *app) prove(ctx context.Context, facts bootstrap.Facts, note func(string)) (err error) {
	s := session.New(session.Options{Facts: facts, Now: a.now, HTTP: once()})
	agent, reviewer := s.First(bootstrap.RoleAgent), s.First(bootstrap.RoleReviewer)
	for _, c := range facts.Identity.Clients {
		note("token of " + c.ID)
		if err := a.mustBe(ctx, s, c); err != nil {
			return err
		}
	}
	if agent == "" || reviewer == "" {
		note("no agent or no reviewer: tokens only")
		return nil
	}
	defer func() { err = errors.Join(err, removeProofs(context.WithoutCancel(ctx), s)) }()
	asAgent, err := s.Gateway(agent)
	if err != nil {
		return err
	}
	note("request of " + agent)
	state, err := asAgent.Submit(ctx, wire.Submission{
		Namespace: proofNamespace, Action: "delete", TargetURI: "k8s://aip-dev/proof", CorrelationID: proofMark,
		Reason: "proof that a token, a request and a decision go the whole way; it is deleted again",
	})
	if err != nil {
		return fmt.Errorf("submit a request as %s: %w", agent, err)
	}
	switch state.Phase {
	case v1alpha1.PhaseApproved:
		return nil // no policy asks for a human: that is a decision as well
	case v1alpha1.PhasePending:
	default:
		return fmt.Errorf("the request of %s is %s, expected Pending or Approved", agent, state.Phase)
	}
	note("decision of " + reviewer)
	asReviewer, err := s.Gateway(reviewer)
	if err != nil {
		return err
	}
	done, err := asReviewer.Approve(ctx, state.Namespace, state.Name, wire.Review{Reason: "proof"})
	if err != nil {
		return fmt.Errorf("approve the request of %s as %s: %w", agent, reviewer, err)
	}
	if done.Phase != v1alpha1.PhaseApproved {
		return fmt.Errorf("the request is %s after its approval, expected Approved", done.Phase)
	}
	return nil
}

// mustBe checks that the gateway gives a client the role that it should have.
func (a *app) mustBe(ctx context.Context, s *session.Session, c bootstrap.ClientFacts) error {
	role, err := whoami(ctx, s, c.ID)
	if err != nil {
		return fmt.Errorf("ask the gateway who %s is: %w", c.ID, err)
	}
	if role != c.Role {
		return &steps.RoleError{Client: c.ID, Found: role, Expected: c.Role}
	}
	return nil
}

// whoami returns the role that the gateway gives to a client, with a fresh token.
func whoami(ctx context.Context, s *session.Session, id string) (string, error) {
	g, err := s.Gateway(id)
	if err != nil {
		return "", err
	}
	seen, err := g.Whoami(ctx)
	switch {
	case errors.Is(err, client.ErrNotFound):
		// Every gateway answers this. Right after a start of containers the address may lead to another pod.
		return "", fmt.Errorf("%w: something else answers at %s (%v)", client.ErrUnavailable, s.Facts.Gateway.URL, err) //nolint:errorlint // its class is that of an absent request
	case errors.Is(err, client.ErrUnavailable):
		return "", fmt.Errorf("%s: %w", s.Facts.Gateway.URL, err)
	}
	return seen.Role, err
}

// removeProofs deletes the requests that prove left, those of killed runs too.
func removeProofs(ctx context.Context, s *session.Session) error {
	config, err := s.Kube()
	if err != nil {
		return err
	}
	kube, err := dynamic.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("make a Kubernetes client: %w", err)
	}
	requests := kube.Resource(v1alpha1.GroupVersion().WithResource("agentrequests")).Namespace(proofNamespace)
	found, err := requests.List(ctx, metav1.ListOptions{LabelSelector: v1alpha1.LabelCorrelationID + "=" + proofMark})
	if err != nil {
		return fmt.Errorf("look for requests of the proof: %w", err)
	}
	for i := range found.Items {
		uid := found.Items[i].GetUID()
		err := requests.Delete(ctx, found.Items[i].GetName(), metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &uid}})
		if err != nil && !apierrors.IsNotFound(err) {
			return fmt.Errorf("delete the request of the proof: %w", err)
		}
	}
	return nil
}
