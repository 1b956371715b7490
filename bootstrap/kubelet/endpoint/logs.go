package endpoint

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"time"

	cri "k8s.io/cri-api/pkg/apis"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
	"k8s.io/cri-client/pkg/logs"
)

// logQuery is the query of a request for logs.
type logQuery struct {
	logs.LogOptions
	previous       bool
	stdout, stderr bool
}

// parseLogQuery reads the parameters of v1.PodLogOptions, which kube-apiserver has checked before it passes them on.
func parseLogQuery(query url.Values, now time.Time) (logQuery, error) {
	p := parameters{query: query}
	q := logQuery{previous: p.flag("previous")}
	q.Follow, q.Timestamp = p.flag("follow"), p.flag("timestamps")
	q.TailLines, q.LimitBytes = p.number("tailLines", 0), p.number("limitBytes", 1)
	if seconds := p.number("sinceSeconds", 1); seconds != nil {
		q.Since = now.Add(-time.Duration(*seconds) * time.Second)
	}
	if since := query.Get("sinceTime"); since != "" {
		at, err := time.Parse(time.RFC3339, since)
		p.fail("sinceTime", err)
		q.Since = at
	}
	stream := query.Get("stream")
	q.stdout = stream == "" || stream == "All" || stream == "Stdout"
	q.stderr = stream == "" || stream == "All" || stream == "Stderr"
	if !q.stdout && !q.stderr {
		p.fail("stream", fmt.Errorf("%q, expected All, Stdout or Stderr", stream))
	}
	return q, p.err
}

// parameters reads values and keeps the first fault.
type parameters struct {
	query url.Values
	err   error
}

func (p *parameters) fail(name string, err error) {
	if err != nil && p.err == nil {
		p.err = fmt.Errorf("parameter %s: %w", name, err)
	}
}

func (p *parameters) flag(name string) bool {
	value := p.query.Get(name)
	if value == "" {
		return false
	}
	on, err := strconv.ParseBool(value)
	p.fail(name, err)
	return on
}

func (p *parameters) number(name string, least int64) *int64 {
	value := p.query.Get(name)
	if value == "" {
		return nil
	}
	number, err := strconv.ParseInt(value, 10, 64)
	if err == nil && number < least {
		err = fmt.Errorf("%d, expected at least %d", number, least)
	}
	p.fail(name, err)
	return &number
}

// containerLogs answers with the text of a container's log, and goes on with what is added when asked to follow.
func (n *node) containerLogs(w http.ResponseWriter, r *http.Request) {
	query, err := parseLogQuery(r.URL.Query(), n.Now())
	if err != nil {
		say(w, http.StatusBadRequest, err.Error())
		return
	}
	namespace, pod, name := r.PathValue("namespace"), r.PathValue("pod"), r.PathValue("container")
	path, err := n.Pods.LogFile(namespace, pod, name, query.previous)
	if err == nil {
		_, err = os.Stat(path)
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		say(w, http.StatusNotFound, fmt.Sprintf("no log of container %q of pod %q in namespace %q", name, pod, namespace))
		return
	case err != nil: // as a kubelet answers for a container that has not started
		say(w, http.StatusBadRequest, err.Error())
		return
	}
	current := func() bool {
		now, err := n.Pods.LogFile(namespace, pod, name, false)
		return !query.previous && err == nil && now == path && (n.Running == nil || n.Running(namespace, pod, name))
	}
	w.Header().Set("Content-Type", "text/plain")
	out := flushed{w: w, control: http.NewResponseController(w)}
	_ = out.control.Flush() // those who follow a log that is still empty see that they are connected
	var stdout, stderr io.Writer
	if query.stdout {
		stdout = out
	}
	if query.stderr {
		stderr = out
	}
	err = logs.ReadLogs(r.Context(), path, name, &query.LogOptions, run{current: current}, stdout, stderr)
	if err != nil && r.Context().Err() == nil {
		n.Log.Warn("log not read to its end", "namespace", namespace, "pod", pod, "container", name, "error", err)
	}
}

// run stands for the container runtime towards the kubelet's reader of logs, which asks it one thing: whether the
// container whose log it follows still runs. The embedded interface is nil; nothing else is ever called.
type run struct {
	cri.RuntimeService
	current func() bool
}

// ContainerStatus says only running or exited.
func (r run) ContainerStatus(context.Context, string, bool) (*runtimeapi.ContainerStatusResponse, error) {
	state := runtimeapi.ContainerState_CONTAINER_EXITED
	if r.current() {
		state = runtimeapi.ContainerState_CONTAINER_RUNNING
	}
	return &runtimeapi.ContainerStatusResponse{Status: &runtimeapi.ContainerStatus{State: state}}, nil
}

// flushed sends each line at once.
type flushed struct {
	w       io.Writer
	control *http.ResponseController
}

func (f flushed) Write(p []byte) (int, error) {
	written, err := f.w.Write(p)
	if err != nil {
		return written, err
	}
	return written, f.control.Flush()
}
