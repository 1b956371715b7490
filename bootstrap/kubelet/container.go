package kubelet

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/aip-dev/aip-dev/internal/safetext"
)

const (
	// maxGrace bounds a pod's terminationGracePeriodSeconds: these are functions on a developer's machine.
	maxGrace = 2 * time.Second
	// A container that ends is started again at once, then after a delay that doubles, and forgets about it after a
	// calm minute. A kubelet does the same with 10 s, 5 min and 10 min.
	firstDelay = time.Second
	maxDelay   = 30 * time.Second
	calm       = time.Minute

	exitError, exitPanic, exitKilled, exitTerminated = 1, 2, 137, 143

	reasonBackOff = "CrashLoopBackOff"
)

// Why a run of a container is ended from outside, besides the end of the node.
var (
	errPodDeleted = errors.New("the pod is deleted")
	errNewImage   = errors.New("the image changed")
)

// container is one container of a pod. Its fields from state on are guarded by the pod's mutex.
type container struct {
	pod  *pod
	name string
	wake chan struct{} // says that the spec changed

	image          string
	state, last    corev1.ContainerState
	restarts       int32
	log            int32 // the run that has the newest log; -1 is none
	started, ready bool
	unready        string
	end            context.CancelCauseFunc // ends the current run
}

// exit is how a run ended.
type exit struct {
	code int32
	text string // goes before the end of the log
}

// cannotStartError is why a container does not run, with the reason that a kubelet would give.
type cannotStartError struct {
	reason string
	cause  error
}

func (e *cannotStartError) Error() string { return e.cause.Error() }
func (e *cannotStartError) Unwrap() error { return e.cause }

// set changes the container under the pod's mutex and lets the pod tell.
func (c *container) set(change func()) {
	c.pod.mu.Lock()
	change()
	c.pod.mu.Unlock()
	c.pod.signal()
}

// run runs the container again and again, as the restart policy of the pod says, until ctx ends.
func (c *container) run(ctx context.Context) {
	delay := time.Duration(0)
	for ctx.Err() == nil {
		began := c.pod.now()
		ended, err := c.once(ctx)
		if ctx.Err() != nil || err == nil && !restarts(c.pod.spec().Spec.RestartPolicy, ended.code) {
			return
		}
		if c.pod.now().Sub(began) >= calm {
			delay = 0
		}
		if !c.rest(ctx, delay, err) {
			return
		}
		delay = min(max(2*delay, firstDelay), maxDelay)
	}
}

// rest waits for delay or a change of the spec, and says meanwhile what it waits for. It reports whether to go on.
func (c *container) rest(ctx context.Context, delay time.Duration, cause error) bool {
	var why corev1.ContainerStateWaiting
	var cannot *cannotStartError
	if errors.As(cause, &cannot) {
		why = corev1.ContainerStateWaiting{Reason: cannot.reason, Message: safetext.Line(cause.Error())}
		delay = max(delay, firstDelay)
	}
	select {
	case <-c.wake:
		return ctx.Err() == nil
	default:
	}
	if delay == 0 {
		return ctx.Err() == nil
	}
	c.set(func() {
		if why.Reason == "" {
			why = corev1.ContainerStateWaiting{Reason: reasonBackOff, Message: c.backOffMessage(delay)}
		}
		c.enter(corev1.ContainerState{Waiting: &why})
	})
	if why.Reason == reasonBackOff {
		c.event(corev1.EventTypeWarning, "BackOff", "Back-off restarting failed container %s", c.name)
	} else {
		c.event(corev1.EventTypeWarning, "Failed", "%s: %s", why.Reason, why.Message)
	}
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-c.wake:
	case <-ctx.Done():
	}
	return ctx.Err() == nil
}

// backOffMessage says how the last run ended; the last line of its log tells most.
func (c *container) backOffMessage(delay time.Duration) string {
	message := fmt.Sprintf("back-off %s restarting failed container=%s pod=%s_%s(%s)",
		delay, c.name, c.pod.key.Name, c.pod.key.Namespace, c.pod.uid)
	t := c.state.Terminated
	if t == nil {
		return message
	}
	message += fmt.Sprintf("; it ended with exit code %d", t.ExitCode)
	if i := strings.LastIndexByte(t.Message, '\n'); t.Message != "" {
		message += ": " + t.Message[i+1:]
	}
	return message
}

// once runs the container until it ends or ctx does, or says why it cannot.
func (c *container) once(ctx context.Context) (exit, error) {
	pod, spec := c.pod.specOf(c.name)
	process, known := c.pod.node.o.Images(spec.Image)
	if !known {
		return exit{}, &cannotStartError{"ErrImagePull", fmt.Errorf("image %q: %s", spec.Image, c.pod.node.o.UnknownImage)}
	}
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	open := &sockets{network: c.pod.network}
	defer open.sever()
	given, log, err := c.prepare(ctx, pod, spec, open)
	if err != nil {
		return exit{}, &cannotStartError{"CreateContainerConfigError", err}
	}
	c.begin(spec, end)
	finished := make(chan exit, 1)
	go func() { finished <- call(ctx, process, given, log) }()
	var probing sync.WaitGroup
	probing.Go(func() { c.probes(ctx, spec, end) })
	ended := c.await(ctx, finished)
	end(nil)
	open.sever()
	probing.Wait()
	c.finish(ended, log)
	return ended, nil
}

// prepare makes what the process is given, and its log.
func (c *container) prepare(ctx context.Context, pod *corev1.Pod, spec *corev1.Container, open *sockets) (*Container, *logFile, error) {
	n := c.pod.node
	env, err := resolver{client: n.client, pod: pod, ip: c.pod.network.ip.String()}.environment(ctx, spec)
	if err != nil {
		return nil, nil, err
	}
	log, err := n.logs.open(pod, c.name, c.nextRun(), n.o.Now)
	if err != nil {
		return nil, nil, err
	}
	given := &Container{Name: c.name, Image: spec.Image, Env: env, Output: log, Listen: open.listen}
	for _, arg := range spec.Args {
		given.Args = append(given.Args, expand(arg, env))
	}
	if mountsToken(spec) {
		given.Kube = access(ctx, n.o.Config, n.client, pod)
	}
	return given, log, nil
}

// nextRun returns the number of restarts that the next run will count.
func (c *container) nextRun() int32 {
	c.pod.mu.Lock()
	defer c.pod.mu.Unlock()
	return c.runs()
}

func (c *container) runs() int32 {
	if c.state.Terminated != nil || c.last.Terminated != nil {
		return c.restarts + 1
	}
	return c.restarts
}

// enter moves to the next state and remembers how the last run ended.
func (c *container) enter(next corev1.ContainerState) {
	if c.state.Terminated != nil {
		c.last = c.state
	}
	c.state = next
}

func (c *container) begin(spec *corev1.Container, end context.CancelCauseFunc) {
	c.event(corev1.EventTypeNormal, "Started", "Started container %s", c.name)
	c.set(func() {
		c.restarts = c.runs()
		c.log = c.restarts
		c.enter(corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: c.pod.stamp()}})
		c.end, c.unready = end, ""
		if c.image = find(c.pod.object, c.name).Image; c.image != spec.Image {
			end(errNewImage) // it changed while this run was prepared
		}
		c.started = spec.StartupProbe == nil
		c.ready = c.started && spec.ReadinessProbe == nil
	})
}

// await returns how the run ended. Once ctx has ended, it waits for the grace period and no longer.
func (c *container) await(ctx context.Context, finished <-chan exit) exit {
	select {
	case ended := <-finished:
		return ended
	case <-ctx.Done():
	}
	cause := context.Cause(ctx)
	c.event(corev1.EventTypeNormal, "Killing", "Stopping container %s: %s", c.name, killCause(cause))
	limit := grace(c.pod.spec())
	timer := time.NewTimer(limit)
	defer timer.Stop()
	var ended exit
	select {
	case ended = <-finished:
	case <-timer.C:
		ended = exit{code: exitKilled, text: fmt.Sprintf("it had not ended %s after it was told to", limit)}
	}
	var unhealthy *unhealthyError
	switch {
	case errors.As(cause, &unhealthy):
		return exit{code: exitKilled, text: unhealthy.Error()}
	case ended.code == 0 && !errors.Is(cause, errPodDeleted) && !errors.Is(cause, errNewImage):
		return exit{code: exitTerminated, text: nodeRestarted}
	}
	return ended
}

func killCause(cause error) string {
	if errors.Is(cause, context.Canceled) {
		return "the node stops"
	}
	return cause.Error()
}

// finish records how the run ended and ends its log.
func (c *container) finish(ended exit, log *logFile) {
	if err := log.Close(); err != nil {
		c.pod.node.o.Log.Warn("log not complete", "pod", c.pod.key.String(), "container", c.name, "error", err)
	}
	terminated := &corev1.ContainerStateTerminated{ExitCode: ended.code, Reason: "Completed", FinishedAt: c.pod.stamp()}
	if ended.code != 0 {
		terminated.Reason = "Error"
		terminated.Message = clip(strings.Trim(ended.text+"\n"+log.tail(), "\n"), maxTail)
	}
	c.set(func() {
		if c.state.Running != nil {
			terminated.StartedAt = c.state.Running.StartedAt
		}
		terminated.ContainerID = c.id()
		c.enter(corev1.ContainerState{Terminated: terminated})
		c.started, c.ready, c.unready, c.end = false, false, "", nil
	})
}

// id names one run of the container.
func (c *container) id() string {
	if c.log < 0 {
		return ""
	}
	return fmt.Sprintf("goroutine://%s-%s-%d", c.pod.uid, c.name, c.log)
}

func (c *container) view() containerView {
	return containerView{
		name: c.name, image: c.image, id: c.id(), state: c.state, last: c.last, restarts: c.restarts,
		started: c.started, ready: c.ready, unready: c.unready,
	}
}

func (c *container) event(kind, reason, format string, args ...any) {
	ref := c.pod.reference()
	ref.FieldPath = "spec.containers{" + c.name + "}"
	c.pod.node.recorder.Eventf(ref, kind, reason, format, args...)
}

// call runs a process and turns its end into an exit code. What ended it is the last thing in the log.
func call(ctx context.Context, process Process, given *Container, log *logFile) (ended exit) {
	defer func() {
		if cause := recover(); cause != nil {
			_, _ = fmt.Fprintf(log, "%s\npanic: %v\n", debug.Stack(), cause) // a lost log loses nothing else
			ended = exit{code: exitPanic}
		}
	}()
	err := process(ctx, given)
	if err == nil || ctx.Err() != nil && errors.Is(err, context.Canceled) {
		return exit{}
	}
	_, _ = fmt.Fprintln(log, err) // a lost log loses nothing else
	return exit{code: exitError}
}

// grace is how long the processes of pod may take to end.
func grace(pod *corev1.Pod) time.Duration {
	period := pod.Spec.TerminationGracePeriodSeconds
	if pod.DeletionGracePeriodSeconds != nil {
		period = pod.DeletionGracePeriodSeconds
	}
	if period == nil {
		return maxGrace
	}
	return min(time.Duration(*period)*time.Second, maxGrace)
}

// oneLine makes a text of any origin one harmless line.
func oneLine(s string) string {
	return safetext.Line(strings.Join(strings.Fields(s), " "))
}

// stamp is the time as the API server keeps it: in full seconds.
func stamp(now time.Time) metav1.Time { return metav1.NewTime(now).Rfc3339Copy() }
