package record

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"

	"sigs.k8s.io/yaml"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
)

// JSON returns a request as it is stored, without what the API server notes for itself.
func JSON(r *v1alpha1.AgentRequest) (string, error) {
	data, err := json.MarshalIndent(stored(r), "", "  ")
	if err != nil {
		return "", fmt.Errorf("write it as JSON: %w", err)
	}
	return string(data), nil
}

// YAML returns the same as YAML.
func YAML(r *v1alpha1.AgentRequest) (string, error) {
	data, err := yaml.Marshal(stored(r))
	if err != nil {
		return "", fmt.Errorf("write it as YAML: %w", err)
	}
	return string(data), nil
}

// Digest is the SHA-256 of JSON, in hexadecimal digits: of everything that is known about one version of a request. It
// is empty for one that cannot be written.
func Digest(r *v1alpha1.AgentRequest) string {
	text, err := JSON(r)
	if err != nil {
		return ""
	}
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

func stored(r *v1alpha1.AgentRequest) *v1alpha1.AgentRequest {
	r = r.DeepCopy()
	r.ManagedFields = nil
	r.APIVersion, r.Kind = v1alpha1.GroupVersion().String(), "AgentRequest"
	return r
}
