package release

import (
	"net/http"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"helm.sh/helm/v3/pkg/action"
	"helm.sh/helm/v3/pkg/chart/loader"
	helm "helm.sh/helm/v3/pkg/release"
	helmtime "helm.sh/helm/v3/pkg/time"
	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/aip-dev/aip-dev/internal/testkit"
	"github.com/aip-dev/aip-dev/manifests"
)

func TestMain(m *testing.M) { testkit.Main(m) }

// place is a namespace of its own with a release of the same name.
type place struct {
	*Manager
	name string
	kube kubernetes.Interface
	// writes counts the requests that changed something.
	writes atomic.Int32
	// onLog, when set, sees each line that Helm logs.
	onLog func(format string)
}

func newPlace(t *testing.T, name string) *place {
	t.Helper()
	p := &place{name: name}
	cfg := testkit.Kube(t)
	cfg.Wrap(func(next http.RoundTripper) http.RoundTripper {
		return roundTripper(func(r *http.Request) (*http.Response, error) {
			if r.Method != http.MethodGet {
				p.writes.Add(1)
			}
			return next.RoundTrip(r)
		})
	})
	p.kube = kubernetes.NewForConfigOrDie(cfg)
	m, err := New(Options{Config: cfg, Namespace: name, Log: func(format string, _ ...any) {
		if p.onLog != nil {
			p.onLog(format)
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	p.Manager = m
	return p
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// auth returns values below gateway.auth, from pairs.
func auth(pairs ...string) map[string]any {
	out := map[string]any{}
	for i := 0; i < len(pairs); i += 2 {
		out[pairs[i]] = pairs[i+1]
	}
	return map[string]any{"gateway": map[string]any{"auth": out}}
}

func spec() Spec {
	return Spec{
		Chart: manifests.Chart(), Values: auth("oidcIssuerURL", "http://localhost:8090/realms/aip"),
		Defaults: auth("agentSubjects", "aip-agent-1", "reviewerSubjects", "aip-reviewer-1"),
	}
}

func (p *place) apply(t *testing.T, s Spec) State {
	t.Helper()
	state, err := p.Apply(t.Context(), p.name, s)
	if err != nil {
		t.Fatal(err)
	}
	if state.Phase != Ready {
		t.Fatalf("applied, but it is %v: %s", state.Phase, state.Detail)
	}
	return state
}

// expect checks what Observe says; detail is a part of the Detail.
func (p *place) expect(t *testing.T, s Spec, phase Phase, revision int, detail string) State {
	t.Helper()
	state, err := p.Observe(t.Context(), p.name, s)
	if err != nil {
		t.Fatal(err)
	}
	if state.Phase != phase || state.Revision != revision || !strings.Contains(state.Detail, detail) || (detail == "") != (state.Detail == "") {
		t.Errorf("observed phase %v, revision %d, %q; want %v, %d, %q", state.Phase, state.Revision, state.Detail, phase, revision, detail)
	}
	return state
}

func (p *place) deployment(t *testing.T) *appsv1.Deployment {
	t.Helper()
	d, err := p.kube.AppsV1().Deployments(p.name).Get(t.Context(), p.name+"-aip-k8s-gateway", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func (p *place) args(t *testing.T) string {
	t.Helper()
	return strings.Join(p.deployment(t).Spec.Template.Spec.Containers[0].Args, " ")
}

// byHand does what `helm upgrade NAME charts/aip-k8s --reuse-values --set ...` does.
func (p *place) byHand(t *testing.T, values map[string]any) {
	t.Helper()
	chrt, err := loader.Load(filepath.Join("..", "..", "manifests", "charts", "aip-k8s"))
	if err != nil {
		t.Fatal(err)
	}
	up := action.NewUpgrade(p.cfg)
	up.Namespace, up.ReuseValues = p.name, true
	if _, err := up.RunWithContext(t.Context(), p.name, chrt, values); err != nil {
		t.Fatal(err)
	}
}

// leave makes the newest revision look as a helm left it that was killed at some time.
func (p *place) leave(t *testing.T, status helm.Status, at time.Time) {
	t.Helper()
	rel, err := p.cfg.Releases.Last(p.name)
	if err != nil {
		t.Fatal(err)
	}
	rel.Info.Status, rel.Info.LastDeployed, rel.Info.Deleted = status, helmtime.Time{Time: at}, helmtime.Time{Time: at}
	if err := p.cfg.Releases.Update(rel); err != nil {
		t.Fatal(err)
	}
}
