package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/shirou/gopsutil/v4/process"
	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
)

const (
	// storedRequests is how many requests are stored. Each is denied by a policy, which leaves recordsEach audit records.
	storedRequests = 10_000
	recordsEach    = 3
	// mostSlower is how much longer than on an empty store the answer to GET of one request may take.
	mostSlower = 1.5
	// reads is how often each read is timed.
	reads = 300
	// denied is the action that the policy of the measurement denies.
	denied = "bench-denied"
)

// stored measures what the gateway makes of much that is stored: how long it takes to read one request, beside the same
// on an empty store, and a page, and how much memory of its own the gateway takes that made all of it. The gateway is a process of
// its own, with the arguments that its pod has in the environment.
func (b *bench) stored(ctx context.Context, _ int) error {
	for _, args := range [][]string{{"down"}, b.up()} { // nothing is stored
		if err := b.aip(ctx, args...); err != nil {
			return err
		}
	}
	kube, err := b.kube()
	if err != nil {
		return err
	}
	pid, stop, err := b.ownGateway(ctx, kube)
	if err != nil {
		return err
	}
	defer stop()
	if err := kube.deny(ctx); err != nil {
		return err
	}
	token, err := b.token(ctx)
	if err != nil {
		return err
	}
	one, err := b.submit(ctx, token, denied, "Denied")
	if err != nil {
		return err
	}
	few, err := b.readTimes(ctx, token, "/agent-requests/"+one)
	if err != nil {
		return err
	}
	began := time.Now()
	if err := b.fill(ctx); err != nil {
		return err
	}
	fmt.Printf("stored %d requests and %d records in %.0f s\n", storedRequests, storedRequests*recordsEach, time.Since(began).Seconds())
	return b.readStored(ctx, pid, "/agent-requests/"+one, few)
}

// readStored measures the reads while much is stored, and the gateway's memory after them.
func (b *bench) readStored(ctx context.Context, pid int32, one string, few []float64) error {
	token, err := b.token(ctx)
	if err != nil {
		return err
	}
	many, err := b.readTimes(ctx, token, one)
	if err != nil {
		return err
	}
	requests, err := b.readTimes(ctx, token, "/agent-requests?limit=100")
	if err != nil {
		return err
	}
	records, err := b.readTimes(ctx, token, "/audit-records?limit=100")
	if err != nil {
		return err
	}
	memory, err := ownMemory(ctx, pid)
	if err != nil {
		return err
	}
	empty := quantile(few, 0.5)
	b.figures = append(b.figures,
		figure{name: "GET one request, nothing stored", values: few, limit: 0.01},
		figure{name: "GET one request of 10,000", values: many, limit: mostSlower * empty},
		figure{name: "page of 100 requests of 10,000", values: requests, limit: 0.05},
		figure{name: "page of 100 records of 30,000", values: records, limit: 0.05},
		figure{name: "gateway's memory, 10,000 stored", values: []float64{memory}, limit: 150 << 20, bytes: true})
	return nil
}

// ownGateway replaces the gateway of the environment by one in a process of its own and returns its id and what ends it.
func (b *bench) ownGateway(ctx context.Context, k *kube) (pid int32, stop func(), err error) {
	d := &appsv1.Deployment{}
	if err := k.client.Get(ctx, client.ObjectKey{Namespace: gatewayIn, Name: gatewayPod}, d); err != nil {
		return 0, nil, err
	}
	if err := k.scale(ctx, 0); err != nil {
		return 0, nil, err
	}
	address, err := freeAddress(ctx)
	if err != nil {
		return 0, nil, err
	}
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return 0, nil, err
	}
	args := append(slices.Clone(d.Spec.Template.Spec.Containers[0].Args), "--addr="+address, "--kubeconfig="+b.kubeconfig())
	c := exec.CommandContext(ctx, b.program, args...)
	var log strings.Builder
	c.Stdout, c.Stderr = &log, &log
	if err := c.Start(); err != nil {
		return 0, nil, err
	}
	stop = func() {
		_ = c.Process.Kill() // it has nothing to save
		_ = c.Wait()
	}
	b.gateway = "http://localhost:" + port
	if err := reachable(ctx, b.gateway+"/healthz"); err != nil {
		stop()
		return 0, nil, fmt.Errorf("%w\n%s", err, log.String())
	}
	return int32(c.Process.Pid), stop, nil //nolint:gosec // a process id
}

// deny stores a policy that denies an action and waits until it is in force.
func (k *kube) deny(ctx context.Context) error {
	p := &v1alpha1.SafetyPolicy{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: denied},
		Spec: v1alpha1.SafetyPolicySpec{Rules: []v1alpha1.Rule{{
			Name: "deny", Type: v1alpha1.RuleStateEvaluation, Action: v1alpha1.ActionDeny, Expression: fmt.Sprintf("request.spec.action == %q", denied),
		}}},
	}
	if err := k.client.Create(ctx, p); err != nil {
		return err
	}
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if err := k.client.Get(ctx, client.ObjectKeyFromObject(p), p); err != nil {
			return err
		}
		if meta.IsStatusConditionTrue(p.Status.Conditions, "Valid") {
			return nil
		}
	}
	return fmt.Errorf("the gateway did not take policy %s within a minute", denied)
}

// fill lets agents submit what is stored, in rounds that are over before their token expires on a slow machine.
func (b *bench) fill(ctx context.Context) error {
	const rounds, fillers = 20, 8
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	for range rounds {
		token, err := b.token(ctx)
		if err != nil {
			return err
		}
		var left atomic.Int64
		left.Store(storedRequests / rounds)
		var wait sync.WaitGroup
		for range fillers {
			wait.Go(func() {
				for left.Add(-1) >= 0 {
					if _, err := b.submit(ctx, token, denied, "Denied"); err != nil {
						cancel(err)
						return
					}
				}
			})
		}
		wait.Wait()
		if ctx.Err() != nil {
			return fmt.Errorf("fill: %w", context.Cause(ctx))
		}
	}
	return nil
}

// readTimes returns how long each of many reads of a path takes, over one kept connection.
func (b *bench) readTimes(ctx context.Context, token, path string) ([]float64, error) {
	took := make([]float64, 0, reads)
	for range reads {
		start := time.Now()
		status, text, err := b.call(ctx, token, http.MethodGet, path, nil)
		if err != nil {
			return nil, err
		}
		if status != http.StatusOK {
			return nil, fmt.Errorf("GET %s: found %d %s, expected 200", path, status, text)
		}
		took = append(took, time.Since(start).Seconds())
	}
	return took, nil
}

// ownMemory returns the memory that a process made itself. What it maps of its program's file is shared with the other
// processes of the program, and the kernel takes it back when it needs the room.
// Source: https://man7.org/linux/man-pages/man5/proc_pid_status.5.html
func ownMemory(ctx context.Context, pid int32) (float64, error) {
	p, err := process.NewProcessWithContext(ctx, pid)
	if err != nil {
		return 0, err
	}
	all, err := p.MemoryInfoWithContext(ctx)
	if err != nil {
		return 0, err
	}
	maps, err := p.MemoryMapsWithContext(ctx, false)
	if err != nil || maps == nil {
		return float64(all.RSS), err
	}
	own := uint64(0)
	for _, m := range *maps {
		own += m.Anonymous << 10
	}
	fmt.Printf("the gateway has %.0f MiB in memory, %.0f MiB of them its own\n", float64(all.RSS)/(1<<20), float64(own)/(1<<20))
	return float64(own), nil
}
