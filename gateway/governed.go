package gateway

import (
	"context"
	"net/http"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
	"github.com/aip-dev/aip-dev/gateway/authz"
	"github.com/aip-dev/aip-dev/gateway/body"
	"github.com/aip-dev/aip-dev/gateway/policy"
)

// governedResources are the endpoints below /governed-resources.
func (s *Server) governedResources() []route {
	return kind[*v1alpha1.GovernedResource]{
		server: s, path: "/governed-resources", name: "GovernedResource", absent: "not found", // clients of the public AIP gateway know the text
		empty: func() *v1alpha1.GovernedResource { return &v1alpha1.GovernedResource{} },
		check: s.checkGoverned, list: s.listGoverned,
		sample: v1alpha1.GovernedResource{}, samples: v1alpha1.GovernedResourceList{},
	}.routes()
}

func (s *Server) listGoverned(ctx context.Context, _ string) (any, error) {
	found, err := s.store.GovernedResources(ctx)
	if err != nil {
		return nil, err //nolint:wrapcheck // problemOf knows the store's errors
	}
	out := v1alpha1.GovernedResourceList{Items: make([]v1alpha1.GovernedResource, len(found))}
	out.SetGroupVersionKind(v1alpha1.GroupVersion().WithKind("GovernedResourceList"))
	for i := range found {
		out.Items[i] = found[i]
		out.Items[i].SetGroupVersionKind(v1alpha1.GroupVersion().WithKind("GovernedResource"))
	}
	return out, nil
}

// checkGoverned refuses a pattern that is no glob, and a contextSchema that policies could not rely on: it knows a few
// keywords, what it says of a property stays so, and resources with one context fetcher say the same of it.
func (s *Server) checkGoverned(ctx context.Context, fresh, old *v1alpha1.GovernedResource) error {
	if _, err := authz.Pattern(fresh.Spec.URIPattern); err != nil {
		return refuse(http.StatusUnprocessableEntity, "invalid uriPattern: %s", body.Clip(err.Error()))
	}
	next, err := policy.ReadSchema(fresh.Spec.ContextSchema)
	if err != nil {
		return refuse(http.StatusUnprocessableEntity, "invalid contextSchema: %s", body.Clip(err.Error()))
	}
	if err := s.agrees(ctx, fresh, next); err != nil || old == nil {
		return err
	}
	// What is stored was checked before, or came past this gateway; then it binds nobody.
	before, err := policy.ReadSchema(old.Spec.ContextSchema)
	if err != nil {
		return nil //nolint:nilerr // see above
	}
	if lost := before.Lost(next); lost != "" {
		return refuse(http.StatusConflict, "contextSchema is append-only: %s was removed or has another type", lost)
	}
	return nil
}

// agrees refuses a contextSchema that gives a property another type than that of another resource with the same context
// fetcher: a policy with that contextType is compiled against both.
func (s *Server) agrees(ctx context.Context, fresh *v1alpha1.GovernedResource, schema *policy.Schema) error {
	if fetcher := fresh.Spec.ContextFetcher; fetcher == "" || fetcher == v1alpha1.FetcherNone {
		return nil
	}
	all, err := s.store.GovernedResources(ctx)
	if err != nil {
		return err //nolint:wrapcheck // problemOf knows the store's errors
	}
	for i := range all {
		other := &all[i]
		if other.Name == fresh.Name || other.Spec.ContextFetcher != fresh.Spec.ContextFetcher {
			continue
		}
		theirs, err := policy.ReadSchema(other.Spec.ContextSchema)
		if err != nil {
			continue // it came past this gateway and binds nobody
		}
		if at := theirs.Conflict(schema); at != "" {
			return refuse(http.StatusConflict, "contextSchema: %s has another type in GovernedResource %q with the same contextFetcher", at, other.Name)
		}
	}
	return nil
}
