package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// environment is an environment that a test of this package has to itself.
type environment struct {
	t     *testing.T
	name  string
	state string
}

// newEnvironment brings an environment up that ends with the test.
func newEnvironment(t *testing.T, name, flags string) *environment {
	t.Helper()
	state, err := os.MkdirTemp("", "aip-e2e-") //nolint:usetesting // sockets have short paths
	if err != nil {
		t.Fatal(err)
	}
	e := &environment{t: t, name: name, state: state}
	w := watch(state, "")
	t.Cleanup(func() {
		for _, err := range w.end(state) {
			t.Error(err)
		}
		_ = e.command("down").Run() // the test may have failed before it was up
		_ = os.RemoveAll(state)     // a folder below the temporary folder
	})
	e.run("up --tui=never " + flags)
	return e
}

// command returns a command line of the built program, in the state folder.
func (e *environment) command(line string) *exec.Cmd {
	e.t.Helper()
	program, err := filepath.Abs("../../bin/aip-dev")
	if err != nil {
		e.t.Fatal(err)
	}
	c := exec.Command(program, append(strings.Fields(line), "--name", e.name)...)
	c.Dir = e.state
	c.Env = append(os.Environ(), "XDG_STATE_HOME="+e.state)
	return c
}

// run runs a command to its end and returns what it printed.
func (e *environment) run(line string) string {
	e.t.Helper()
	out, _ := e.both(line)
	return out
}

// both runs a command to its end and returns its result and its progress.
func (e *environment) both(line string) (result, progress string) {
	e.t.Helper()
	c := e.command(line)
	var out, told bytes.Buffer
	c.Stdout, c.Stderr = &out, &told
	if err := c.Run(); err != nil {
		e.t.Fatalf("aip-dev %s: %v\n%s%s", line, err, out.String(), told.String())
	}
	searched(e.t, line, out.String(), told.String())
	return out.String(), told.String()
}

// value decodes what a command prints with -o json.
func value[T any](e *environment, line string) T {
	e.t.Helper()
	var v T
	if err := json.Unmarshal([]byte(e.run(line+" -o json")), &v); err != nil {
		e.t.Fatalf("aip-dev %s: %v", line, err)
	}
	return v
}

// load is workers that submit requests as an agent, each as soon as its last one is answered.
type load struct {
	url, token string
	sent       atomic.Int64
	stop       context.CancelFunc
	workers    sync.WaitGroup

	mu       sync.Mutex
	failures []string
	longest  time.Duration
}

// begin starts workers. Half of them keep their connection from request to request, the others open one for each.
func begin(t *testing.T, url, token string, workers int) *load {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	l := &load{url: url, token: token, stop: stop}
	for i := range workers {
		transport := &http.Transport{DisableKeepAlives: i%2 == 0, MaxIdleConnsPerHost: 1}
		l.workers.Go(func() {
			defer transport.CloseIdleConnections()
			for n := 0; ctx.Err() == nil; n++ { // each about a target of its own: one target is held by one request at a time
				l.once(&http.Client{Transport: transport}, i%2 == 0, fmt.Sprintf("k8s://prod/default/deployment/web-%d-%d", i, n))
			}
		})
	}
	return l
}

// once submits one request and notes what went wrong with it.
func (l *load) once(client *http.Client, fresh bool, target string) {
	began := time.Now()
	err := l.submit(client, target)
	l.sent.Add(1)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.longest = max(l.longest, time.Since(began))
	if err != nil {
		kind := "kept"
		if fresh {
			kind = "new"
		}
		l.failures = append(l.failures, fmt.Sprintf("%s, %s connection: %v", began.Format("05.000"), kind, err))
	}
}

func (l *load) submit(client *http.Client, target string) error {
	// The request is under way when the load ends, so it has a limit of its own.
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	body := strings.NewReader(`{"action": "scale-down", "targetURI": "` + target + `", "reason": "load", "namespace": "default"}`)
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, l.url+"/agent-requests", body)
	if err != nil {
		return err
	}
	request.GetBody = nil // nothing is sent twice unseen
	request.Header.Set("Authorization", "Bearer "+l.token)
	request.Header.Set("Content-Type", "application/json")
	answer, err := client.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = answer.Body.Close() }() // nothing was written
	said, err := io.ReadAll(answer.Body)
	if err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	if answer.StatusCode != http.StatusCreated {
		return fmt.Errorf("%s: %s", answer.Status, bytes.TrimSpace(said))
	}
	return nil
}

// more waits until n more requests were answered.
func (l *load) more(t *testing.T, n int64) {
	t.Helper()
	until := l.sent.Load() + n
	eventually(t, fmt.Sprintf("%d more answers", n), func() bool { return l.sent.Load() >= until })
}

// end stops the workers and returns what failed.
func (l *load) end() []string {
	l.stop()
	l.workers.Wait()
	return l.failures
}

// eventually waits until is holds.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	limit := time.NewTimer(60 * time.Second)
	defer limit.Stop()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !is() {
		select {
		case <-tick.C:
		case <-limit.C:
			t.Fatalf("there were no %s within a minute", what)
		}
	}
}

// pods returns how many pods the gateway has, those that end too.
func (e *environment) pods() int {
	e.t.Helper()
	kubectl, err := filepath.Abs("../../bin/tools/kubectl")
	if err != nil {
		e.t.Fatal(err)
	}
	kubeconfig := filepath.Join(e.state, "aip-dev", e.name, "kubeconfig")
	out, err := exec.Command(kubectl, "--kubeconfig", kubeconfig, "-n", "aip-k8s-system", "get", "pods", "-o", "name",
		"-l", "app.kubernetes.io/component=gateway").Output()
	var failed *exec.ExitError
	if errors.As(err, &failed) {
		e.t.Fatalf("kubectl get pods: %v\n%s", err, failed.Stderr)
	} else if err != nil {
		e.t.Fatal(err)
	}
	return len(strings.Fields(string(out)))
}

// TestAgentUnderLoad adds an agent and takes it away while another one works, and no request of that one fails.
// cluster says where they run.
func TestAgentUnderLoad(t *testing.T) {
	t.Parallel()
	const limit = 10 * time.Second
	e := newEnvironment(t, "load", "--cluster "+cluster()+" "+os.Getenv("AIP_UP")+freePorts(t))
	variables := value[map[string]string](e, "env")
	l := begin(t, variables["AIP_GATEWAY_URL"], strings.TrimSpace(e.run("token aip-agent-1 --fresh")), 4)
	defer l.end()
	l.more(t, 40)
	for _, line := range []string{"agent add aip-agent-2", "agent remove aip-agent-2"} {
		before, began := l.sent.Load(), time.Now()
		_, progress := e.both(line)
		took := time.Since(began)
		// The pod of before serves on for a while; what it does when it ends is part of the rollout.
		eventually(t, "fewer gateways", func() bool { return e.pods() == 1 })
		l.more(t, 40)
		t.Logf("%s took %s; %d requests were answered until the gateway of before was gone", line, took.Round(time.Millisecond), l.sent.Load()-before)
		if took > limit {
			t.Errorf("%s took %s, expected at most %s\n%s", line, took, limit, progress)
		}
	}
	failures := l.end()
	t.Logf("%d requests, %d failures, the longest took %s", l.sent.Load(), len(failures), l.longest.Round(time.Millisecond))
	for _, f := range failures[:min(len(failures), 10)] {
		t.Error(f)
	}
	if n := len(failures); n > 10 {
		t.Errorf("and %d more", n-10)
	}
}

// TestAgentAddKilled ends `agent add` the hard way at each of its steps; what it began is finished by the next run, of
// itself or of `up`.
func TestAgentAddKilled(t *testing.T) {
	t.Parallel()
	e := newEnvironment(t, "killed", "--cluster embedded"+freePorts(t))
	has := func(id string) member {
		for _, m := range value[[]member](e, "agent list") {
			if m.Name == id {
				return m
			}
		}
		return member{}
	}
	for i, at := range []string{"identity     running", "identity     done", "gateway      running", "gateway      done"} {
		id := fmt.Sprintf("aip-agent-%d", i+2)
		killAt(t, e.command("agent add "+id), at)
		next := "agent add " + id
		if i%2 == 1 {
			next = "up --tui=never"
		}
		e.run(next)
		if m := has(id); !slices.Equal(m.Roles, []string{"agent"}) || !m.Realm || !m.Mapper || !m.Secret {
			t.Errorf("killed at %q, then %s: %+v", at, next, m)
		}
		e.run("token " + id)
	}
	if got := value[map[string]any](e, "agent add aip-agent-2"); got["changed"] != false {
		t.Errorf("in the end there was something to do: %v", got)
	}
}

// TestAgentRemoveKilled ends `agent remove` the hard way: no later run gives access back, and the next one takes away
// what is left.
func TestAgentRemoveKilled(t *testing.T) {
	t.Parallel()
	e := newEnvironment(t, "gone", "--cluster embedded"+freePorts(t))
	for _, at := range []string{"subjects     running", "subjects     done", "identity     done", "gateway      running"} {
		e.run("agent add aip-agent-2")
		killAt(t, e.command("agent remove aip-agent-2"), at)
		e.run("up --tui=never")
		for _, m := range value[[]member](e, "agent list") {
			if m.Name != "aip-agent-2" {
				continue
			}
			if len(m.Roles) > 0 {
				t.Errorf("killed at %q, then up: %+v", at, m)
			}
			e.run("agent remove aip-agent-2")
		}
		if left := e.run("agent list -o name"); strings.Contains(left, "aip-agent-2") {
			t.Errorf("killed at %q, then removed: %s", at, left)
		}
	}
}

// member is a line of `agent list -o json`.
type member struct {
	Name                  string
	Roles                 []string
	Realm, Mapper, Secret bool
}

// killAt starts a command and kills it once it has said text, or lets it end without.
func killAt(t *testing.T, c *exec.Cmd, text string) {
	t.Helper()
	said, err := c.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	var all bytes.Buffer
	block := make([]byte, 4096)
	for err == nil && !bytes.Contains(all.Bytes(), []byte(text)) {
		var n int
		n, err = said.Read(block)
		all.Write(block[:n])
	}
	_ = c.Process.Kill() // it may have ended
	_ = c.Wait()
}
