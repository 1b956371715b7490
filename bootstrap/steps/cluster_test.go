package steps

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aip-dev/aip-dev/bootstrap"
	"github.com/aip-dev/aip-dev/bootstrap/daemon"
	"github.com/aip-dev/aip-dev/internal/check"
	"github.com/aip-dev/aip-dev/internal/ports"
)

func TestSamePorts(t *testing.T) {
	t.Parallel()
	running := Ports{Gateway: 8080, Issuer: 8091}
	for name, c := range map[string]struct {
		asked bootstrap.Ports
		want  *PortError
	}{
		"none asked for": {bootstrap.Ports{}, nil},
		"the same":       {bootstrap.Ports{Gateway: 8080, Issuer: 8091}, nil},
		"gateway":        {bootstrap.Ports{Gateway: 9000}, &PortError{"gateway", 8080, 9000}},
		"issuer":         {bootstrap.Ports{Gateway: 8080, Issuer: 8090}, &PortError{"issuer", 8091, 8090}},
	} {
		err := samePorts(c.asked, running)
		var got *PortError
		switch found := errors.As(err, &got); {
		case found != (c.want != nil):
			t.Errorf("%s: got %v", name, err)
		case found && *got != *c.want:
			t.Errorf("%s: got %+v, expected %+v", name, got, c.want)
		}
	}
}

// free returns a port that nobody holds, and one that this process holds.
func free(t *testing.T) (unused, taken int) {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := listener.Close(); err != nil {
			t.Error(err)
		}
	})
	address, ok := listener.Addr().(*net.TCPAddr)
	if !ok {
		t.Fatalf("%T is not a TCP address", listener.Addr())
	}
	if unused, err = ports.Next(t.Context(), address.Port+1); err != nil {
		t.Fatal(err)
	}
	return unused, address.Port
}

func TestChoosePorts(t *testing.T) {
	t.Parallel()
	unused, taken := free(t)
	other, err := ports.Next(t.Context(), unused+1)
	if err != nil {
		t.Fatal(err)
	}
	choose := func(asked bootstrap.Ports, known bootstrap.ClusterFacts) (Ports, *report, error) {
		r := &report{}
		chosen, err := choosePorts(t.Context(), bootstrap.Environment{Ports: asked}, Deps{}, bootstrap.Facts{Cluster: known}, r)
		return chosen, r, err
	}

	chosen, r, err := choose(bootstrap.Ports{Gateway: unused, Issuer: other}, bootstrap.ClusterFacts{GatewayPort: taken, IssuerPort: taken, APIPort: taken})
	if want := (Ports{Gateway: unused, Issuer: other}); err != nil || chosen != want || len(r.warnings) != 0 {
		t.Errorf("asked for: %+v, %q, %v; expected %+v: the API server takes any port when its own is taken", chosen, r.warnings, err, want)
	}

	chosen, r, err = choose(bootstrap.Ports{}, bootstrap.ClusterFacts{GatewayPort: unused, IssuerPort: other, APIPort: unused})
	if want := (Ports{Gateway: unused, Issuer: other, API: unused}); err != nil || chosen != want || len(r.warnings) != 0 {
		t.Errorf("known: %+v, %q, %v; expected those of the last time", chosen, r.warnings, err)
	}

	chosen, r, err = choose(bootstrap.Ports{}, bootstrap.ClusterFacts{GatewayPort: taken, IssuerPort: other})
	if err != nil || chosen.Gateway <= taken || chosen.Issuer != other {
		t.Errorf("known and taken: %+v, %v; expected the next free one", chosen, err)
	}
	if len(r.warnings) != 1 || !strings.Contains(r.warnings[0], "is taken by") || !strings.Contains(r.warnings[0], "process") || !strings.HasSuffix(r.warnings[0], "is used instead") {
		t.Errorf("the notice is %q, expected the owner and the port", r.warnings)
	}

	for what, asked := range map[string]bootstrap.Ports{"gateway": {Gateway: taken}, "issuer": {Gateway: unused, Issuer: taken}} {
		var found *ports.TakenError
		if _, r, err := choose(asked, bootstrap.ClusterFacts{GatewayPort: unused, IssuerPort: other}); !errors.As(err, &found) || found.Port != taken || !strings.HasPrefix(err.Error(), what+": ") || len(r.warnings) != 0 {
			t.Errorf("%s asked for and taken: %v, expected an error", what, err)
		}
	}
}

// TestReservedPorts: a port of an environment that is stopped is left to it, whether it would be the default or the next
// free one; an environment's own port is its own.
func TestReservedPorts(t *testing.T) {
	t.Parallel()
	first, _ := free(t)
	second, err := ports.Next(t.Context(), first+1)
	if err != nil {
		t.Fatal(err)
	}
	c := Deps{Reserved: map[int]string{first: "other", second: "other"}}
	r := &report{}
	chosen, err := c.choosePort(t.Context(), "gateway", 0, first, r)
	if err != nil || chosen <= second || len(r.warnings) != 1 || r.warnings[0] != fmt.Sprintf("gateway: port %d belongs to environment other; %d is used instead", first, chosen) {
		t.Errorf("%d, %q, %v; expected a port above %d and why", chosen, r.warnings, err, second)
	}
	r = &report{}
	if chosen, err := c.choosePort(t.Context(), "gateway", first, second, r); err != nil || chosen != first || len(r.warnings) != 0 {
		t.Errorf("%d, %q, %v; expected its own port %d", chosen, r.warnings, err, first)
	}
}

func TestObserveCluster(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	step := cluster{env: bootstrap.Default(), deps: Deps{Dir: dir}}
	if seen := observed(t, step, bootstrap.Facts{}); seen.State != bootstrap.Absent {
		t.Errorf("nothing serves: %+v", seen)
	}
	lease, err := daemon.Hold(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := lease.Release(); err != nil {
			t.Error(err)
		}
	})
	if seen := observed(t, step, bootstrap.Facts{}); seen.State != bootstrap.Absent {
		t.Errorf("it starts: %+v", seen)
	}
	if err := lease.Say(daemon.Status{PID: os.Getpid(), State: daemon.Usable, APIPort: 1, GatewayPort: 2, IssuerPort: 3}); err != nil {
		t.Fatal(err)
	}
	lost := observed(t, step, bootstrap.Facts{})
	want := bootstrap.ClusterFacts{
		Kind: bootstrap.ClusterEmbedded, Kubeconfig: filepath.Join(dir, "kubeconfig"), Context: "aip", APIPort: 1, GatewayPort: 2, IssuerPort: 3,
	}
	if lost.State != bootstrap.Differs || lost.Facts.Cluster != want {
		t.Errorf("the facts were lost: %+v, expected that all but the version is learned", lost)
	}
	want.Version = "v1.37.2"
	known := bootstrap.Facts{Cluster: bootstrap.ClusterFacts{Version: "v1.37.2"}}
	if seen := observed(t, step, known); seen.State != bootstrap.Ready || seen.Facts.Cluster != want || seen.Detail != "kube-apiserver v1.37.2" {
		t.Errorf("it serves: %+v", seen)
	}
	step.env.Ports.Gateway = 9
	var port *PortError
	if _, err := step.Observe(t.Context(), known); !errors.As(err, &port) || err.Error() != "the environment runs with gateway port 2, expected 9" {
		t.Errorf("another port: %v", err)
	}
}

// Nothing is started when a port that was asked for is taken.
func TestApplyClusterWithATakenPort(t *testing.T) {
	t.Parallel()
	_, taken := free(t)
	dir := t.TempDir()
	env := bootstrap.Default()
	env.Ports.Gateway = taken
	step := cluster{env: env, deps: Deps{Dir: dir, Program: "/absent/program"}}
	var found *ports.TakenError
	if _, err := step.Apply(t.Context(), bootstrap.Facts{}, &report{}); !errors.As(err, &found) {
		t.Errorf("got %v", err)
	}
	if _, err := os.Stat(filepath.Join(dir, "serve.log")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("something was started (%v)", err)
	}
}

func TestPreflight(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	seen := observed(t, preflight{dir: dir}, bootstrap.Facts{Name: "aip"})
	if seen.Facts.Name != "aip" || seen.State == bootstrap.Ready && (!strings.Contains(seen.Detail, "MiB memory free") || !strings.Contains(seen.Detail, "MiB disk free")) {
		t.Errorf("%+v", seen)
	}
	short := check.Check{ID: "disk", Question: "?", Ask: func(context.Context) check.Answer {
		return check.Differ(check.Fix{Command: "du"}, "9 MiB", "1 MiB", "full")
	}}
	var room *RoomError
	if _, err := ask(t.Context(), bootstrap.Facts{}, short); !errors.As(err, &room) || err.Error() != "disk: full: found 1 MiB, expected 9 MiB" || room.Failures[0].Fix.Command != "du" {
		t.Errorf("found %v", err)
	}
	warned := check.Check{ID: "memory", Question: "?", Ask: func(context.Context) check.Answer { return check.Warned(check.Fix{}, "tight") }}
	if seen, err := ask(t.Context(), bootstrap.Facts{}, warned); err != nil || seen.State != bootstrap.Differs || seen.Detail != "memory: tight" {
		t.Errorf("found %+v, %v", seen, err)
	}
	if facts, _ := applied(t, preflight{dir: dir}, bootstrap.Facts{Name: "aip"}); facts.Name != "aip" {
		t.Errorf("Apply changed %+v", facts)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 0 {
		t.Errorf("preflight made %v (%v)", entries, err)
	}
}

// A step that failed because the process of the environment went away says so; one that failed while it lives, or before
// there was one, does not.
func TestBereft(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	refused := errors.New("connection refused")
	failed := func(step string) error { return &bootstrap.StepError{Step: step, Err: refused} }
	lease, err := daemon.Hold(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := Bereft(failed("identity"), bootstrap.ClusterEmbedded, dir); errors.Is(err, ErrGone) {
		t.Errorf("while the process lives: %v", err)
	}
	if err := lease.Release(); err != nil {
		t.Fatal(err)
	}
	if err := Bereft(failed("identity"), bootstrap.ClusterKind, dir); errors.Is(err, ErrGone) {
		t.Errorf("in containers: %v", err)
	}
	for step, gone := range map[string]bool{"preflight": false, "cluster": false, "identity": true, "proof": true} {
		err := Bereft(failed(step), bootstrap.ClusterEmbedded, dir)
		if errors.Is(err, ErrGone) != gone || !errors.Is(err, refused) || !strings.HasPrefix(err.Error(), step+": ") {
			t.Errorf("%s: %v; expected the end of the process in it: %t", step, err, gone)
		}
	}
}
