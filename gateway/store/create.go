package store

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
)

// annotationIntent carries the digest by which a repeated submission is recognised.
const annotationIntent = "governance.aip.io/intent"

// Intent is what an authenticated caller wants to submit.
type Intent struct {
	Namespace string
	// Spec is what is asked for. Its classification may be spelled freely, see Classification.
	Spec v1alpha1.AgentRequestSpec
	// SubmittedBy is the identity of the token; it may differ from Spec.AgentIdentity.
	SubmittedBy string
	// CorrelationID groups requests, in the agent's words. It may be empty.
	CorrelationID string
	// Annotations are what the gateway found out about the request at admission.
	Annotations map[string]string
}

// Create stores a new request and returns it with created true. Within the deduplication window, an intent that was
// submitted before and is not finished yet is not stored again: its request is returned with created false. A finished
// one stays as it is, with its trail, and a new request is made beside it.
//
// Errors: ErrNoNamespace, *InvalidError, ErrUnavailable.
func (s *Store) Create(ctx context.Context, in Intent) (r *v1alpha1.AgentRequest, created bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	fresh := in.object()
	if s.window <= 0 {
		fresh.GenerateName = slug(in.Spec.AgentIdentity, maxGeneratedSlug) + "-"
		err := classify("create AgentRequest", s.live.Create(ctx, fresh))
		return fresh, err == nil, err
	}
	for attempt := 0; ; attempt++ {
		name := dedupName(fresh, s.now().UnixNano()/int64(s.window), attempt)
		r, created, err := s.createOrFind(ctx, fresh, name)
		switch {
		case err != nil || created:
			return r, created, err
		case !r.Status.Phase.Terminal() && r.Annotations[annotationIntent] == fresh.Annotations[annotationIntent]:
			return r, false, nil
		}
		// Finished, or another intent whose name has the same hash: try the next name.
	}
}

// evidenceWindow is for how long the same refused intent leaves one piece of evidence when nothing else says.
const evidenceWindow = 24 * time.Hour

// Keep stores the evidence of an intent that was refused at admission; code is the denial code. The same intent that is
// refused again within the deduplication window, or within a day, leaves nothing more, so that an agent cannot fill the
// store with refusals.
func (s *Store) Keep(ctx context.Context, in Intent, code string) error {
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	in.Annotations = maps.Clone(in.Annotations)
	if in.Annotations == nil {
		in.Annotations = map[string]string{}
	}
	in.Annotations[v1alpha1.AnnotationGatewayDenied] = code
	fresh := in.object()
	window := s.window
	if window <= 0 {
		window = evidenceWindow
	}
	fresh.Name = slug(in.Spec.AgentIdentity, maxSlug) + "-" +
		digest("refused", code, fresh.Annotations[annotationIntent], strconv.FormatInt(s.now().UnixNano()/int64(window), 10))[:8]
	err := classify("keep a refused AgentRequest", s.live.Create(ctx, fresh))
	if errors.Is(err, ErrExists) {
		return nil
	}
	return err
}

// createOrFind stores fresh under name, or returns what is stored there.
func (s *Store) createOrFind(ctx context.Context, fresh *v1alpha1.AgentRequest, name string) (*v1alpha1.AgentRequest, bool, error) {
	if r, err := s.Cached(ctx, fresh.Namespace, name); !errors.Is(err, ErrNotFound) {
		return r, false, err
	}
	mine := fresh.DeepCopy()
	mine.Name = name
	err := s.live.Create(ctx, mine)
	if !apierrors.IsAlreadyExists(err) {
		return mine, err == nil, classify("create AgentRequest", err)
	}
	r, err := s.liveGet(ctx, fresh.Namespace, name)
	return r, false, err
}

// object returns the request without a name.
func (in Intent) object() *v1alpha1.AgentRequest {
	identity := in.Spec.AgentIdentity
	labels := map[string]string{v1alpha1.LabelProfileName: ProfileName(identity)}
	for key, value := range map[string]string{
		v1alpha1.LabelAgentIdentity:  identity,
		v1alpha1.LabelCorrelationID:  in.CorrelationID,
		v1alpha1.LabelClassification: in.Spec.Classification,
	} {
		if value = LabelValue(value); value != "" {
			labels[key] = value
		}
	}
	spec := in.Spec.DeepCopy()
	spec.Classification = Classification(spec.Classification)
	annotations := map[string]string{}
	maps.Copy(annotations, in.Annotations)
	annotations[v1alpha1.AnnotationSubmittedBy] = in.SubmittedBy
	annotations[annotationIntent] = intentDigest(spec)
	return &v1alpha1.AgentRequest{
		ObjectMeta: metav1.ObjectMeta{Namespace: in.Namespace, Labels: labels, Annotations: annotations},
		Spec:       *spec,
	}
}

// ProfileName is the name under which trust in an agent is kept: unlike a label it differs for different identities.
func ProfileName(identity string) string {
	sum := sha256.Sum256([]byte(identity))
	return slug(identity, maxSlug) + "-" + hex.EncodeToString(sum[:4])
}

// RegistrationName is the name of the registration that an agent asks for itself.
func RegistrationName(identity string) string {
	sum := sha256.Sum256([]byte(identity))
	return slugOr(identity, maxSlug, "reg") + "-" + hex.EncodeToString(sum[:4])
}

// dedupName is the same for the same intent, window and attempt.
func dedupName(r *v1alpha1.AgentRequest, window int64, attempt int) string {
	return slug(r.Spec.AgentIdentity, maxSlug) + "-" +
		digest(r.Annotations[annotationIntent], strconv.FormatInt(window, 10), strconv.Itoa(attempt))[:8]
}

// intentDigest says what makes two submissions the same intent: the agent and the key that it sent, else the agent
// and all that is decided on. The reason is not part of it; the parameters are, because what was approved for one set
// of parameters must not be handed out for another.
func intentDigest(spec *v1alpha1.AgentRequestSpec) string {
	if spec.DedupKey != "" {
		return digest(spec.AgentIdentity, "key", spec.DedupKey)
	}
	return digest(spec.AgentIdentity, "intent", spec.Action, spec.Target.URI, spec.Classification, spec.Mode, spec.Target.ResourceType,
		Canonical(spec.Target.Attributes), Canonical(spec.Parameters), Canonical(spec.CascadeModel), spec.ExecutionMode, Canonical(spec.ScopeBounds))
}

// Canonical returns v as JSON with sorted keys, so that the order in which an agent writes them does not matter.
func Canonical(v any) string {
	written, err := json.Marshal(v)
	if err != nil {
		return "" // parameters that are no JSON: the API server refuses them
	}
	var tree any
	decoder := json.NewDecoder(bytes.NewReader(written))
	decoder.UseNumber()
	if err := decoder.Decode(&tree); err != nil {
		return string(written)
	}
	if sorted, err := json.Marshal(tree); err == nil {
		return string(sorted)
	}
	return string(written)
}

// digest returns a SHA-256 in hexadecimal that depends on all parts and on where they begin.
func digest(parts ...string) string {
	h := sha256.New()
	for _, p := range parts {
		_, _ = fmt.Fprintf(h, "%d:%s", len(p), p) // a hash never fails to write
	}
	return hex.EncodeToString(h.Sum(nil))
}
