package release

import (
	"testing"
	"time"

	"k8s.io/client-go/tools/clientcmd"

	"github.com/aip-dev/aip-dev/bootstrap/objects"
	"github.com/aip-dev/aip-dev/manifests"
)

func TestTmp(t *testing.T) {
	cfg, _ := clientcmd.BuildConfigFromFlags("", "/tmp/d/data/kubeconfig")
	for range 3 {
		t0 := time.Now()
		n, err := objects.ApplyCRDs(t.Context(), cfg, manifests.CRDs())
		t.Log("crds", time.Since(t0), n, err)
	}
	for range 2 {
		m, _ := New(Options{Config: cfg, Namespace: "aip-k8s-system"})
		t0 := time.Now()
		st, err := m.Observe(t.Context(), "aip-k8s", spec())
		t.Log("observe", time.Since(t0), st, err)
		t0 = time.Now()
		st, err = m.Apply(t.Context(), "aip-k8s", spec())
		t.Log("apply", time.Since(t0), st, err)
	}
}
