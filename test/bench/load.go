package main

import (
	"bufio"
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/go-logr/logr"
	appsv1 "k8s.io/api/apps/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
)

const (
	// agentsAtOnce is how many agents submit at once for the throughput, and fewAgents for the latency under load.
	agentsAtOnce = 32
	fewAgents    = 16
	// loadTime is for how long each load lasts.
	loadTime = 8 * time.Second
	// leastShare is the least share of the API server's raw rate of creates at which submissions are to be decided.
	leastShare = 0.25
)

// load measures what the gateway makes of the API server that it has: how long a decision takes, how many are made in a
// second beside how many objects client-go creates there alone, and what a submission costs in calls.
func (b *bench) load(ctx context.Context, _ int) error {
	token, err := b.token(ctx)
	if err != nil {
		return err
	}
	kube, err := b.kube()
	if err != nil {
		return err
	}
	before, err := kube.calls(ctx)
	if err != nil {
		return err
	}
	idle, err := b.submitFor(ctx, token, 1)
	if err != nil {
		return err
	}
	after, err := kube.calls(ctx)
	if err != nil {
		return err
	}
	some, err := b.submitFor(ctx, token, fewAgents)
	if err != nil {
		return err
	}
	many, err := b.submitFor(ctx, token, agentsAtOnce)
	if err != nil {
		return err
	}
	alone, err := kube.alone(ctx)
	if err != nil {
		return err
	}
	b.figures = append(b.figures,
		figure{name: "decision, one agent", values: idle, limit: 0.015},
		figure{name: "decision, 16 agents, p99", values: []float64{quantile(some, 0.99)}, limit: 0.12})
	creates, writes := float64(len(alone.creates)), float64(len(alone.writes))
	fmt.Printf("in %s at %d agents: %d decisions; creates by client-go alone: %.0f; share %.1f %% (at least %.0f %%)%s\n", loadTime, agentsAtOnce,
		len(many), creates, 100*float64(len(many))/creates, 100*leastShare, under(float64(len(many))/creates, leastShare))
	fmt.Printf("the writes of a decision by client-go alone, without a gateway: %.0f, a share of %.1f %%; with %d at once a decision's p99 is %.3f s\n",
		writes, 100*writes/creates, fewAgents, quantile(alone.some, 0.99))
	fmt.Printf("calls to the API server for a submission: %.1f\n\n", (after-before)/float64(len(idle)))
	return nil
}

func under(found, least float64) string {
	if found < least {
		return "  under"
	}
	return ""
}

func quantile(values []float64, q float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[min(int(q*float64(len(sorted))), len(sorted)-1)]
}

// submitFor lets agents submit one request after the other for a while, each about a target of its own, and returns how
// long each decision took.
func (b *bench) submitFor(ctx context.Context, token string, agents int) ([]float64, error) {
	return repeat(ctx, agents, func(ctx context.Context) (time.Time, error) {
		_, err := b.submit(ctx, token, allowed, "Approved")
		return time.Now(), err
	})
}

// repeat lets so many at once do something again and again for loadTime, and returns how many seconds each time took until
// the moment that once names.
func repeat(ctx context.Context, workers int, once func(context.Context) (time.Time, error)) ([]float64, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var mu sync.Mutex
	var took []float64
	var wait sync.WaitGroup
	end := time.Now().Add(loadTime)
	for range workers {
		wait.Go(func() {
			for time.Now().Before(end) {
				start := time.Now()
				done, err := once(ctx)
				if err != nil {
					cancel(err)
					return
				}
				mu.Lock()
				took = append(took, done.Sub(start).Seconds())
				mu.Unlock()
			}
		})
	}
	wait.Wait()
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	return took, nil
}

// kube is the administrator's access to the API server of the environment.
type kube struct {
	config *rest.Config
	client client.Client
	rest   rest.Interface
}

// kubeconfig returns the file with the administrator's access to the environment.
func (b *bench) kubeconfig() string { return filepath.Join(b.state, "aip-dev", "aip", "kubeconfig") }

func (b *bench) kube() (*kube, error) {
	config, err := clientcmd.BuildConfigFromFlags("", b.kubeconfig())
	if err != nil {
		return nil, err
	}
	config.QPS = -1
	log.SetLogger(logr.Discard()) // without one, controller-runtime prints a stack trace
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{v1alpha1.AddToScheme, appsv1.AddToScheme, coordinationv1.AddToScheme, corev1.AddToScheme} {
		if err := add(scheme); err != nil {
			return nil, err
		}
	}
	c, err := client.New(config, client.Options{Scheme: scheme})
	if err != nil {
		return nil, err
	}
	set, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	return &kube{config: config, client: c, rest: set.CoreV1().RESTClient()}, nil
}

// calls returns how many calls, other than watches, the API server has had for what a submission is about.
func (k *kube) calls(ctx context.Context) (float64, error) {
	text, err := k.rest.Get().AbsPath("/metrics").DoRaw(ctx)
	if err != nil {
		return 0, fmt.Errorf("measures of the API server: %w", err)
	}
	sum := 0.0
	lines := bufio.NewScanner(strings.NewReader(string(text)))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		line := lines.Text()
		if !strings.HasPrefix(line, "apiserver_request_total{") || strings.Contains(line, `verb="WATCH"`) || !aboutSubmissions(line) {
			continue
		}
		n, err := strconv.ParseFloat(line[strings.LastIndex(line, " ")+1:], 64)
		if err != nil {
			return 0, fmt.Errorf("read %q: %w", line, err)
		}
		sum += n
	}
	return sum, nil
}

// aboutSubmissions reports whether a measure is about objects that a submission touches. Locks are created; Leases that
// are renewed belong to others.
func aboutSubmissions(line string) bool {
	for _, resource := range []string{"agentrequests", "auditrecords", "deployments", "endpointslices"} {
		if strings.Contains(line, `resource="`+resource+`"`) {
			return true
		}
	}
	return strings.Contains(line, `resource="leases"`) && strings.Contains(line, `verb="POST"`)
}
