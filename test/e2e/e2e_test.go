// Package e2e runs the built binary as a person does: scripts in testdata type commands and read what is printed.
// Every environment in them is real. Source of the format: https://pkg.go.dev/github.com/rogpeppe/go-internal/testscript
package e2e

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestScripts(t *testing.T) {
	t.Parallel()
	program, err := filepath.Abs("../../bin/aip-dev")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(program); err != nil {
		t.Fatalf("%v: run `make build` first", err)
	}
	testscript.RunT(&recorded{T: t}, testscript.Params{
		Dir: "testdata",
		Setup: func(e *testscript.Env) error {
			return setup(e, program)
		},
		Condition: func(name string) (bool, error) {
			switch name {
			case "embedded", "kind":
				return name == cluster(), nil
			case "namespaces":
				return exec.Command("unshare", "-rm", "true").Run() == nil, nil
			default:
				return false, fmt.Errorf("unknown condition %q, expected embedded, kind or namespaces", name)
			}
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": exits, "hold": hold, "kill9": kill9, "gone": gone, "capture": capture, "differ": differ, "empty": empty,
			"bundle": bundle(t), "damage": damage, "valid": valid, "asked": asked, "provider": serveProvider, "door": door,
		},
	})
}

// cluster is where the environments of the scripts live: embedded, or kind when $AIP_CLUSTER says so. $AIP_UP are more
// flags of aip-dev up. Not all scripts make sense in kind; test/kind names those that do.
func cluster() string { return cmp.Or(os.Getenv("AIP_CLUSTER"), "embedded") }

// issuerIn is what the issuer of an environment calls itself in tokens, without the realm (docs/adr/0003 and 0006).
func issuerIn(cluster, port string) string {
	if cluster == "kind" {
		return "http://keycloak.keycloak.svc.cluster.local:8080"
	}
	return "http://localhost:" + port
}

// setup gives a script a state folder, three free ports, and an end for what it leaves running.
func setup(e *testscript.Env, program string) error {
	for _, name := range []string{"GATEWAY_PORT", "ISSUER_PORT", "FORWARD_PORT"} {
		port, err := freePort()
		if err != nil {
			return err
		}
		e.Setenv(name, strconv.Itoa(port))
	}
	// Sockets have short paths, and the script's own folder is deep.
	state, err := os.MkdirTemp("", "aip-e2e-")
	if err != nil {
		return err
	}
	e.Setenv("XDG_STATE_HOME", state)
	e.Setenv("HOME", state)
	repository := filepath.Dir(filepath.Dir(program))
	e.Setenv("FAULTS", filepath.Join(repository, "test", "e2e", "faults"))
	e.Setenv("ENGINE", filepath.Join(repository, "test", "engine", "engine.sh"))
	e.Setenv("CHART", filepath.Join(repository, "manifests", "charts", "aip-k8s"))
	e.Setenv("PATH", filepath.Dir(program)+string(filepath.ListSeparator)+
		filepath.Join(filepath.Dir(program), "tools")+string(filepath.ListSeparator)+os.Getenv("PATH"))
	e.Setenv("ISSUER", issuerIn(cluster(), e.Getenv("ISSUER_PORT")))
	e.Setenv("UP", "up --cluster "+cluster()+" "+os.Getenv("AIP_UP")+" --tui=never --gateway-port "+e.Getenv("GATEWAY_PORT")+
		" --issuer-port "+e.Getenv("ISSUER_PORT"))
	w := watch(state, e.WorkDir)
	e.Values[witnessKey{}] = w
	t, ok := e.T().(*recorded)
	if !ok {
		return fmt.Errorf("the test is a %T", e.T())
	}
	t.witness = w
	e.Defer(func() {
		for _, err := range takeDown(program, state) {
			t.Error(err)
		}
		_ = os.RemoveAll(state) // a folder below the temporary folder
	})
	e.Defer(func() {
		for _, err := range w.end(e.WorkDir, state) {
			t.Error(err)
		}
	})
	return nil
}

// Ports for scripts are below those that the kernel gives to outgoing connections, which would take them meanwhile.
// Each script gets others.
const firstPort, lastPort = 20000, 32000

// nextPort is where the search goes on; it begins somewhere else in each run, because runs may share a machine.
var nextPort atomic.Int32 // shared by the scripts of this process

// freePort returns a port that is free now and that no other script of this process gets.
func freePort() (int, error) {
	nextPort.CompareAndSwap(0, int32(firstPort+rand.IntN(lastPort-firstPort)))
	for range lastPort - firstPort {
		port := firstPort + (int(nextPort.Add(1))-firstPort)%(lastPort-firstPort)
		l, err := net.Listen("tcp", "127.0.0.1:"+strconv.Itoa(port))
		if err != nil {
			continue // taken
		}
		return port, l.Close()
	}
	return 0, errors.New("no free port")
}

// exits runs a program and checks its exit status: exits CODE PROGRAM ARGS...
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE PROGRAM ARGS...")
	}
	err := ts.Exec(args[1], args[2:]...)
	code := 0
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		code = exit.ExitCode()
	case err != nil:
		ts.Fatalf("%v", err)
	}
	if want := args[0]; strconv.Itoa(code) != want {
		ts.Fatalf("exit status %d, expected %s", code, want)
	}
}

// hold keeps a port taken until the script ends: hold PORT
func hold(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: hold PORT")
	}
	l, err := net.Listen("tcp", "127.0.0.1:"+args[0])
	ts.Check(err)
	ts.Defer(func() { _ = l.Close() })
}

// differ checks that no two of the named environments share the gateway's or the issuer's port: differ NAME NAME...
func differ(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: differ NAME NAME...")
	}
	owner := map[int]string{}
	for _, name := range args {
		var facts struct {
			Cluster struct{ GatewayPort, IssuerPort int }
		}
		data, err := os.ReadFile(filepath.Join(ts.Getenv("XDG_STATE_HOME"), "aip-dev", name, "facts.json"))
		ts.Check(err)
		ts.Check(json.Unmarshal(data, &facts))
		for _, port := range []int{facts.Cluster.GatewayPort, facts.Cluster.IssuerPort} {
			if other, taken := owner[port]; taken || port == 0 {
				ts.Fatalf("environment %s has port %d, which %q has", name, port, other)
			}
			owner[port] = name
		}
	}
}

// kill9 ends the process that serves an environment the hard way: kill9 NAME
func kill9(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: kill9 NAME")
	}
	pid := served(ts, args[0])
	process, err := os.FindProcess(pid)
	ts.Check(err)
	ts.Check(process.Kill())
	for range 500 {
		if ended(strconv.Itoa(pid)) {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	ts.Fatalf("process %d lives 5 seconds after kill -9", pid)
}

// ended reports whether a process is gone, with what it held. One that was not reaped yet has the state Z; as long as
// another thread of it still ends, its files are open.
func ended(pid string) bool {
	stat, err := os.ReadFile("/proc/" + pid + "/stat")
	if err != nil {
		return true
	}
	threads, err := os.ReadDir("/proc/" + pid + "/task")
	return err != nil || strings.Contains(string(stat), ") Z ") && len(threads) <= 1
}

// gone checks that nothing of an environment is left: no process, no open port. It is called after down with the
// process id that capture kept: gone PID PORT...
func gone(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 {
		ts.Fatalf("usage: gone PID PORT...")
	}
	if !ended(args[0]) {
		ts.Fatalf("process %s is still there", args[0])
	}
	for _, port := range args[1:] {
		if c, err := net.Dial("tcp", "127.0.0.1:"+port); err == nil {
			_ = c.Close()
			ts.Fatalf("port %s is still open", port)
		}
	}
}

// capture puts the first word that the last command printed into a variable: capture NAME. With a second argument it
// takes the process id of that environment instead.
func capture(ts *testscript.TestScript, neg bool, args []string) {
	switch {
	case neg || len(args) < 1 || len(args) > 2:
		ts.Fatalf("usage: capture NAME [ENVIRONMENT]")
	case len(args) == 2:
		ts.Setenv(args[0], strconv.Itoa(served(ts, args[1])))
	default:
		words := strings.Fields(ts.ReadFile("stdout"))
		if len(words) == 0 {
			ts.Fatalf("nothing was printed")
		}
		ts.Setenv(args[0], words[0])
	}
}

// served returns the id of the process that serves an environment.
func served(ts *testscript.TestScript, name string) int {
	text := ts.ReadFile(filepath.Join(ts.Getenv("XDG_STATE_HOME"), "aip-dev", name, "serve.json"))
	var pid int
	if _, err := fmt.Sscanf(text[strings.Index(text, `"pid":`):], `"pid":%d`, &pid); err != nil {
		ts.Fatalf("no process id in %s", text)
	}
	return pid
}
