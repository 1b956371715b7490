package steps

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/aip-dev/aip-dev/bootstrap"
	"github.com/aip-dev/aip-dev/internal/testkit"
)

func TestMain(m *testing.M) { testkit.Main(m) }

// onServer returns facts that lead to the API server of this test process.
func onServer(t *testing.T) bootstrap.Facts {
	t.Helper()
	config := testkit.Kube(t)
	path := filepath.Join(t.TempDir(), "kubeconfig")
	err := clientcmd.WriteToFile(clientcmdapi.Config{
		Clusters: map[string]*clientcmdapi.Cluster{"test": {
			Server: config.Host, CertificateAuthorityData: config.CAData, CertificateAuthority: config.CAFile,
		}},
		AuthInfos: map[string]*clientcmdapi.AuthInfo{"test": {
			ClientCertificateData: config.CertData, ClientCertificate: config.CertFile,
			ClientKeyData: config.KeyData, ClientKey: config.KeyFile, Token: config.BearerToken,
		}},
		Contexts:       map[string]*clientcmdapi.Context{"test": {Cluster: "test", AuthInfo: "test"}},
		CurrentContext: "test",
	}, path)
	if err != nil {
		t.Fatal(err)
	}
	return bootstrap.Facts{Cluster: bootstrap.ClusterFacts{Kind: bootstrap.ClusterEmbedded, Kubeconfig: path, GatewayPort: 18080, IssuerPort: 18090}}
}

// clients returns a typed client of the API server of this test process.
func clients(t *testing.T) *kubernetes.Clientset {
	t.Helper()
	c, err := kubernetes.NewForConfig(testkit.Kube(t))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// namespace makes a namespace unless it is there.
func namespace(t *testing.T, name string) {
	t.Helper()
	object := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}
	_, err := clients(t).CoreV1().Namespaces().Create(t.Context(), object, metav1.CreateOptions{})
	if err != nil && !apierrors.IsAlreadyExists(err) {
		t.Fatal(err)
	}
}

// report keeps what a step says.
type report struct {
	mu              sync.Mutex
	notes, warnings []string
	outputs         []string
	onNote          func()
}

func (r *report) Note(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.notes = append(r.notes, fmt.Sprintf(format, args...))
	if r.onNote != nil {
		r.onNote()
	}
}

func (r *report) Warn(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.warnings = append(r.warnings, fmt.Sprintf(format, args...))
}

func (r *report) Output(line string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.outputs = append(r.outputs, line)
}

func (r *report) first() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.notes) == 0 {
		return ""
	}
	return r.notes[0]
}

func (r *report) last() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.notes) == 0 {
		return ""
	}
	return r.notes[len(r.notes)-1]
}

// observed looks through a step and returns what it found.
func observed(t *testing.T, s bootstrap.Step, facts bootstrap.Facts) bootstrap.Observation {
	t.Helper()
	seen, err := s.Observe(t.Context(), facts)
	if err != nil {
		t.Fatalf("look at %s: %v", s.Name(), err)
	}
	return seen
}

// applied brings a step about.
func applied(t *testing.T, s bootstrap.Step, facts bootstrap.Facts) (bootstrap.Facts, *report) {
	t.Helper()
	r := &report{}
	facts, err := s.Apply(t.Context(), facts, r)
	if err != nil {
		t.Fatalf("apply %s: %v", s.Name(), err)
	}
	return facts, r
}

func TestPlanOfAnEmbeddedEnvironment(t *testing.T) {
	t.Parallel()
	plan := Embedded(bootstrap.Default(), Deps{})
	want := []string{"preflight", "cluster", "resources", "identity", "gateway", "policies", "proof"}
	if got := plan.Names(); !slices.Equal(got, want) {
		t.Errorf("got %v, expected %v", got, want)
	}
	var removers []string
	for _, stage := range plan {
		for _, s := range stage {
			if _, ok := s.(bootstrap.Remover); ok {
				removers = append(removers, s.Name())
			}
		}
	}
	// The cluster is a process of this machine; all else ends with it.
	if !slices.Equal(removers, []string{"cluster"}) {
		t.Errorf("removed by down: %v", removers)
	}
}

func TestClusterThatDoesNotAnswer(t *testing.T) {
	t.Parallel()
	facts := bootstrap.Facts{Cluster: bootstrap.ClusterFacts{Kubeconfig: filepath.Join(t.TempDir(), "absent")}}
	env := bootstrap.Default()
	for _, s := range []bootstrap.Step{resources{}, identity{env: env}, gateway{env: env}, policies{wanted: true}} {
		if _, err := s.Observe(t.Context(), facts); err == nil || !strings.Contains(err.Error(), "absent") {
			t.Errorf("%s: %v, expected that the kubeconfig is not there", s.Name(), err)
		}
	}
}
