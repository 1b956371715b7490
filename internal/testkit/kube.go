package testkit

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
)

const (
	startTimeout = 60 * time.Second
	stopTimeout  = 10 * time.Second
)

// shared is the API server of this test process. It is started by the first test that asks, because most runs need
// none, and one is enough for all tests: it takes a second to start and 250 MB.
var shared struct { //nolint:gochecknoglobals // one process, one server; Main stops it
	once   sync.Once
	server *kubeServer
	err    error
}

// Main runs the tests of a package that calls Kube and stops the API server after them. Call it from TestMain.
func Main(m *testing.M) {
	code := m.Run()
	if shared.server != nil {
		shared.server.stop()
	}
	os.Exit(code)
}

// Kube returns the administrator's access to a real API server that knows the custom resources of this repository. It
// is shared by all tests of the process, so each test works in names of its own. Its program is the built binary:
// $AIP_DEV_BIN, else bin/aip-dev in the repository.
func Kube(t testing.TB) *rest.Config {
	t.Helper()
	shared.once.Do(func() { shared.server, shared.err = startKube() })
	if shared.err != nil {
		t.Fatalf("API server for tests: %v", shared.err)
	}
	return rest.CopyConfig(shared.server.config)
}

// kubeServer is a running API server.
type kubeServer struct {
	config *rest.Config
	dir    string
	cmd    *exec.Cmd
	output bytes.Buffer
	done   chan struct{}
}

func startKube() (*kubeServer, error) {
	root, err := repository()
	if err != nil {
		return nil, err
	}
	program := os.Getenv("AIP_DEV_BIN")
	if program == "" {
		program = filepath.Join(root, "bin", "aip-dev")
	}
	if _, err := os.Stat(program); err != nil {
		return nil, fmt.Errorf("%w: run `make build` first, or set AIP_DEV_BIN", err)
	}
	dir, err := os.MkdirTemp("", "aip-test-")
	if err != nil {
		return nil, fmt.Errorf("make state folder: %w", err)
	}
	s := &kubeServer{dir: dir, done: make(chan struct{}), cmd: exec.Command(program, "serve", "--only", "apiserver", "--state", dir)}
	s.cmd.Stdout, s.cmd.Stderr = &s.output, &s.output
	if err := s.start(); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	if err := s.prepare(ctx, filepath.Join(root, "manifests", "charts", "aip-k8s", "crds")); err != nil {
		s.stop()
		return nil, fmt.Errorf("%w\noutput of %s:\n%s", err, program, s.output.String())
	}
	return s, nil
}

// start starts the program on a thread that lives as long as the program does: the kernel ends the program when the
// thread that started it ends, which covers tests that are killed.
func (s *kubeServer) start() error {
	dieWithParent(s.cmd)
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer close(s.done)
		err := s.cmd.Start()
		started <- err
		if err == nil {
			_ = s.cmd.Wait() // its exit status says nothing that its output does not
		}
	}()
	if err := <-started; err != nil {
		return fmt.Errorf("start API server: %w", err)
	}
	return nil
}

// prepare waits for the server and gives it the custom resources.
func (s *kubeServer) prepare(ctx context.Context, crds string) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		err := s.install(crds)
		if err == nil {
			return s.settle(ctx)
		}
		select {
		case <-s.done:
			return fmt.Errorf("it ended before it was usable: %w", err)
		case <-ctx.Done():
			return fmt.Errorf("not usable within %s: %w", startTimeout, err)
		case <-tick.C:
		}
	}
}

func (s *kubeServer) install(crds string) error {
	config, err := clientcmd.BuildConfigFromFlags("", filepath.Join(s.dir, "kubeconfig"))
	if err != nil {
		return fmt.Errorf("read kubeconfig: %w", err)
	}
	config.QPS = -1
	if _, err := envtest.InstallCRDs(config, envtest.CRDInstallOptions{
		Paths: []string{crds}, ErrorIfPathMissing: true, PollInterval: 20 * time.Millisecond,
	}); err != nil {
		return fmt.Errorf("install custom resources: %w", err)
	}
	s.config = config
	return nil
}

// settle makes the create that the API server delays until two seconds after it has established a custom resource, so
// that no test meets the delay.
func (s *kubeServer) settle(ctx context.Context) error {
	c, err := client.New(s.config, client.Options{})
	if err != nil {
		return fmt.Errorf("client: %w", err)
	}
	for kind, spec := range map[string]map[string]any{
		"AgentRequest":              {"agentIdentity": "a", "action": "a", "reason": "a", "target": map[string]any{"uri": "a"}},
		"SafetyPolicy":              {"rules": []any{map[string]any{"name": "a", "type": v1alpha1.RuleStateEvaluation, "action": v1alpha1.ActionLog, "expression": "true"}}},
		"AgentTrustProfile":         {"agentIdentity": "a"},
		"DiagnosticAccuracySummary": {"agentIdentity": "a"},
		"AgentGraduationPolicy": {
			"evaluationWindow": map[string]any{"count": 1}, "levels": []any{map[string]any{"name": v1alpha1.TrustObserver, "canExecute": false}},
			"demotionPolicy": map[string]any{"accuracyDropThreshold": 0, "windowSize": 1},
		},
		"AuditRecord": {
			"timestamp": "2026-01-01T00:00:00Z", "agentIdentity": "a", "agentRequestRef": "a", "action": "a", "targetURI": "a",
			"event": string(v1alpha1.AuditRequestSubmitted), "reason": "a",
		},
	} {
		object := &unstructured.Unstructured{Object: map[string]any{"spec": spec}}
		object.SetGroupVersionKind(v1alpha1.GroupVersion().WithKind(kind))
		object.SetName(v1alpha1.GraduationPolicyName) // the only name that one of the kinds takes
		object.SetNamespace(metav1.NamespaceDefault)
		if err := retry(ctx, func() error { return c.Create(ctx, object, client.DryRunAll) }); err != nil {
			return fmt.Errorf("first %s: %w", kind, err)
		}
	}
	return nil
}

// retry calls try until it succeeds or ctx ends: right after its start the API server has no namespace default yet.
func retry(ctx context.Context, try func() error) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		err := try()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return err
		case <-tick.C:
		}
	}
}

// stop ends the server and removes what it stored.
func (s *kubeServer) stop() {
	_ = s.cmd.Process.Signal(syscall.SIGTERM) // it may have ended already
	select {
	case <-s.done:
	case <-time.After(stopTimeout):
		_ = s.cmd.Process.Kill() // the last resort; Wait in start reports nothing either
		<-s.done
	}
	_ = os.RemoveAll(s.dir) // a folder below the temporary folder; the next reboot takes what is left
}

// repository returns the folder above the test's that holds go.mod.
func repository() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("find repository: %w", err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		above := filepath.Dir(dir)
		if above == dir {
			return "", errors.New("find repository: no go.mod above the test's folder")
		}
		dir = above
	}
}
