package e2e

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// empty serves a cluster with nothing in it until the script ends, its state and kubeconfig in
// $XDG_STATE_HOME/NAME: empty NAME
func empty(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: empty NAME")
	}
	dir := filepath.Join(ts.Getenv("XDG_STATE_HOME"), args[0])
	program, err := filepath.Abs("../../bin/aip-dev")
	ts.Check(err)
	c := exec.Command(program, "serve", "--state", dir, "--context", args[0], "--gateway-port", "0", "--issuer-port", "0")
	c.Env = append(os.Environ(), "SSL_CERT_FILE="+ts.Getenv("SSL_CERT_FILE")) // its gateway trusts what the script trusts
	ts.Check(c.Start())
	ended := make(chan error, 1)
	go func() { ended <- c.Wait() }()
	ts.Defer(func() {
		_ = c.Process.Signal(syscall.SIGTERM) // it may have ended already
		<-ended                               //nolint:errcheck // of a signal
	})
	limited, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	kubeconfig := filepath.Join(dir, "kubeconfig")
	for !settled(kubeconfig) {
		select {
		case <-tick.C:
		case err := <-ended:
			ended <- err
			ts.Fatalf("the cluster ended: %v", err)
		case <-limited.Done():
			ts.Fatalf("the cluster is not ready after a minute")
		}
	}
}

// settled reports whether an API server is ready and has made what it makes by itself.
func settled(kubeconfig string) bool {
	kubectl, err := filepath.Abs("../../bin/tools/kubectl")
	if err != nil {
		return false
	}
	for _, args := range [][]string{{"get", "--raw", "/readyz"}, {"get", "service", "kubernetes"}, {"get", "serviceaccount", "default"}} {
		if exec.Command(kubectl, append(args, "--kubeconfig", kubeconfig)...).Run() != nil {
			return false
		}
	}
	return true
}
