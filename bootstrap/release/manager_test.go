package release

import (
	"context"
	"errors"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"
	helm "helm.sh/helm/v3/pkg/release"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"

	"github.com/aip-dev/aip-dev/manifests"
)

func TestLifecycle(t *testing.T) {
	t.Parallel()
	p := newPlace(t, "lifecycle")
	p.expect(t, spec(), Absent, 0, "")
	if n := p.writes.Load(); n != 0 {
		t.Errorf("observing wrote %d times", n)
	}
	state := p.apply(t, spec())
	want := State{
		Phase: Ready, Revision: 1, Chart: "aip-k8s", ChartVersion: "0.1.0",
		Values: auth("oidcIssuerURL", "http://localhost:8090/realms/aip", "agentSubjects", "aip-agent-1", "reviewerSubjects", "aip-reviewer-1"),
	}
	if d := cmp.Diff(want, state); d != "" {
		t.Errorf("installed (-want +got):\n%s", d)
	}
	if args := p.args(t); !strings.Contains(args, "--agent-subjects=aip-agent-1 --reviewer-subjects=aip-reviewer-1") {
		t.Errorf("args are %s", args)
	}

	before := p.writes.Load()
	p.expect(t, spec(), Ready, 1, "")
	p.apply(t, spec())
	if n := p.writes.Load() - before; n != 0 {
		t.Errorf("nothing was to do, but it took %d writes", n)
	}

	for range 2 { // a second removal finds nothing and is content
		if err := p.Remove(t.Context(), p.name); err != nil {
			t.Fatal(err)
		}
	}
	p.expect(t, spec(), Absent, 0, "")
	_, err := p.kube.AppsV1().Deployments(p.name).Get(t.Context(), p.name+"-aip-k8s-gateway", metav1.GetOptions{})
	if !apierrors.IsNotFound(err) {
		t.Errorf("the Deployment is still there: %v", err)
	}
	p.apply(t, spec())
	p.expect(t, spec(), Ready, 1, "")
}

func TestChangesByHandStay(t *testing.T) {
	t.Parallel()
	p := newPlace(t, "by-hand")
	p.apply(t, spec())
	p.byHand(t, map[string]any{"gateway": map[string]any{
		"replicaCount": 2, "auth": map[string]any{"agentSubjects": "aip-agent-1,aip-agent-2"},
	}})
	before := p.writes.Load()
	state := p.expect(t, spec(), Ready, 2, "")
	if d := cmp.Diff([]string{"gateway.auth.agentSubjects"}, state.Kept); d != "" {
		t.Errorf("kept (-want +got):\n%s", d)
	}
	p.apply(t, spec())
	if n := p.writes.Load() - before; n != 0 {
		t.Errorf("a change by hand made %d writes", n)
	}

	// A value that has to hold is set again, and takes nothing else with it.
	p.byHand(t, auth("oidcIssuerURL", "http://elsewhere"))
	p.expect(t, spec(), Differs, 3, `gateway.auth.oidcIssuerURL is "http://elsewhere", want "http://localhost:8090/realms/aip"`)
	state = p.apply(t, spec())
	if d := cmp.Diff([]string{"gateway.auth.agentSubjects"}, state.Kept); d != "" {
		t.Errorf("kept (-want +got):\n%s", d)
	}
	args := p.args(t)
	if !strings.Contains(args, "localhost:8090") || !strings.Contains(args, "--agent-subjects=aip-agent-1,aip-agent-2 ") {
		t.Errorf("args are %s", args)
	}
	if n := *p.deployment(t).Spec.Replicas; n != 2 {
		t.Errorf("replicas are %d, want 2 as set by hand", n)
	}

	// A new proposal wins, once.
	next := spec()
	next.Defaults = auth("agentSubjects", "aip-agent-1,aip-agent-3", "reviewerSubjects", "aip-reviewer-1")
	p.expect(t, next, Differs, 4, `gateway.auth.agentSubjects is "aip-agent-1,aip-agent-2", want "aip-agent-1,aip-agent-3"`)
	p.apply(t, next)
	if state := p.expect(t, next, Ready, 5, ""); state.Kept != nil {
		t.Errorf("kept %v, want none", state.Kept)
	}
}

// A release that somebody installed by hand is taken over: what was never proposed is set.
func TestTakesOverInstallByHand(t *testing.T) {
	t.Parallel()
	p := newPlace(t, "taken-over")
	p.apply(t, Spec{Chart: manifests.Chart(), Values: auth("agentSubjects", "mine", "adminSubjects", "root")})
	p.expect(t, spec(), Differs, 1, `gateway.auth.agentSubjects is "mine", want "aip-agent-1"`)
	p.apply(t, spec())
	if args := p.args(t); !strings.Contains(args, "--agent-subjects=aip-agent-1 ") || !strings.Contains(args, "--admin-subjects=root") {
		t.Errorf("args are %s", args)
	}
}

func TestKilledHelm(t *testing.T) {
	t.Parallel()
	long := time.Now().Add(-time.Hour)
	for _, status := range []helm.Status{
		helm.StatusPendingInstall, helm.StatusPendingUpgrade, helm.StatusPendingRollback, helm.StatusUninstalling,
	} {
		t.Run(status.String(), func(t *testing.T) {
			t.Parallel()
			p := newPlace(t, "killed-"+status.String())
			p.apply(t, spec())
			p.byHand(t, auth("adminSubjects", "root"))
			uid := p.deployment(t).UID
			p.leave(t, status, long)
			name := p.name + "-aip-k8s-gateway"
			if err := p.kube.CoreV1().Services(p.name).Delete(t.Context(), name, metav1.DeleteOptions{}); err != nil {
				t.Fatal(err)
			}

			p.expect(t, spec(), Differs, 2, "revision 2 was left "+status.String())
			p.apply(t, spec())
			p.expect(t, spec(), Ready, 3, "")
			if got := p.deployment(t).UID; got != uid {
				t.Errorf("the Deployment was replaced")
			}
			if args := p.args(t); !strings.Contains(args, "--admin-subjects=root") {
				t.Errorf("a value set by hand is gone; args are %s", args)
			}
		})
	}
}

// An upgrade by hand whose pods never became ready leaves a failed revision and the one of before deployed. What it added to
// the objects goes, and the user's other values stay.
func TestFailedUpgradeByHand(t *testing.T) {
	t.Parallel()
	p := newPlace(t, "failed")
	want := spec()
	want.Values["gateway"].(map[string]any)["tls"] = map[string]any{"secretName": ""}
	p.apply(t, want)
	p.byHand(t, map[string]any{"gateway": map[string]any{
		"tls": map[string]any{"secretName": "of-nobody"}, "auth": map[string]any{"adminSubjects": "root"},
	}})
	p.leave(t, helm.StatusFailed, time.Now())
	before, err := p.cfg.Releases.Get(p.name, 1)
	if err != nil {
		t.Fatal(err)
	}
	before.Info.Status = helm.StatusDeployed
	if err := p.cfg.Releases.Update(before); err != nil {
		t.Fatal(err)
	}
	if n := len(p.deployment(t).Spec.Template.Spec.Volumes); n != 1 {
		t.Fatalf("%d volumes, want that of the certificate", n)
	}

	p.expect(t, want, Differs, 2, "revision 2 is failed")
	p.apply(t, want)
	p.expect(t, want, Ready, 4, "")
	if pod := p.deployment(t).Spec.Template.Spec; len(pod.Volumes)+len(pod.Containers[0].VolumeMounts) != 0 {
		t.Errorf("left of the failed revision: %v, mounted as %v", pod.Volumes, pod.Containers[0].VolumeMounts)
	}
	if args := p.args(t); !strings.Contains(args, "--admin-subjects=root") || strings.Contains(args, "--tls") {
		t.Errorf("args are %s", args)
	}
}

// A helm that was killed in its first install leaves a record and some of the objects.
func TestKilledFirstInstall(t *testing.T) {
	t.Parallel()
	p := newPlace(t, "killed-first")
	p.apply(t, spec())
	name := p.name + "-aip-k8s-gateway"
	if err := p.kube.AppsV1().Deployments(p.name).Delete(t.Context(), name, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	p.leave(t, helm.StatusPendingInstall, time.Now().Add(-time.Hour))
	p.expect(t, spec(), Differs, 1, "revision 1 was left pending-install")
	p.apply(t, spec())
	p.expect(t, spec(), Ready, 2, "")
	p.deployment(t)
}

// A helm that is still at work is waited for, not pushed aside.
func TestRunningHelm(t *testing.T) {
	t.Parallel()
	p := newPlace(t, "running")
	p.apply(t, spec())
	begun := time.Now()
	p.leave(t, helm.StatusPendingUpgrade, begun)
	p.now = func() time.Time { return begun.Add(settleTime - time.Millisecond) }
	p.onLog = func(format string) {
		if strings.Contains(format, "waiting") {
			p.leave(t, helm.StatusDeployed, begun) // the other one is done
		}
	}
	p.apply(t, spec())
	p.expect(t, spec(), Ready, 1, "")
}

func TestMissingObject(t *testing.T) {
	t.Parallel()
	p := newPlace(t, "missing")
	p.apply(t, spec())
	name := p.name + "-aip-k8s-gateway"
	if err := p.kube.RbacV1().ClusterRoles().Delete(t.Context(), name, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	p.expect(t, spec(), Differs, 1, "ClusterRole "+name+" is missing")
	p.apply(t, spec())
	p.expect(t, spec(), Ready, 2, "")
}

func TestOtherChart(t *testing.T) {
	t.Parallel()
	p := newPlace(t, "other-chart")
	p.apply(t, spec())
	files := fstest.MapFS{}
	err := fs.WalkDir(manifests.Chart(), ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := fs.ReadFile(manifests.Chart(), path)
		files[path] = &fstest.MapFile{Data: data}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	edit := func(file, old, next string) Spec {
		files[file] = &fstest.MapFile{Data: []byte(strings.Replace(string(files[file].Data), old, next, 1))}
		s := spec()
		s.Chart = files
		return s
	}
	s := edit("templates/deployment.yaml", "progressDeadlineSeconds: 60", "progressDeadlineSeconds: 61")
	p.expect(t, s, Differs, 1, "chart aip-k8s-0.1.0 has other contents")
	p.apply(t, s)
	if n := *p.deployment(t).Spec.ProgressDeadlineSeconds; n != 61 {
		t.Errorf("progressDeadlineSeconds is %d, want 61", n)
	}
	s = edit("values.yaml", "cpu: 50m", "cpu: 51m")
	p.expect(t, s, Differs, 2, "chart aip-k8s-0.1.0 has other contents")
	p.apply(t, s)
	s = edit("Chart.yaml", "version: 0.1.0", "version: 0.2.0")
	p.expect(t, s, Differs, 3, "chart is aip-k8s-0.1.0, want aip-k8s-0.2.0")
	p.apply(t, s)
	p.expect(t, s, Ready, 4, "")
}

func TestErrors(t *testing.T) {
	t.Parallel()
	t.Run("refused by the schema", func(t *testing.T) {
		t.Parallel()
		p := newPlace(t, "refused")
		bad := spec()
		bad.Values = map[string]any{"gateway": map[string]any{"logLevel": "debug"}}
		_, err := p.Apply(t.Context(), p.name, bad)
		if err == nil || !strings.Contains(err.Error(), "additional properties 'logLevel' not allowed") {
			t.Errorf("got %v, want the schema's words", err)
		}
		p.expect(t, spec(), Absent, 0, "")
	})
	t.Run("no chart", func(t *testing.T) {
		t.Parallel()
		p := newPlace(t, "no-chart")
		if _, err := p.Observe(t.Context(), p.name, Spec{Chart: fstest.MapFS{}}); err == nil {
			t.Error("an empty folder passed for a chart")
		}
	})
	t.Run("stopped", func(t *testing.T) {
		t.Parallel()
		p := newPlace(t, "stopped")
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, observed := p.Observe(ctx, p.name, spec())
		_, applied := p.Apply(ctx, p.name, spec())
		for _, err := range []error{observed, applied, p.Remove(ctx, p.name)} {
			if !errors.Is(err, context.Canceled) {
				t.Errorf("got %v, want %v", err, context.Canceled)
			}
		}
	})
	t.Run("no API server", func(t *testing.T) {
		t.Parallel()
		m, err := New(Options{Config: &rest.Config{Host: "https://127.0.0.1:1"}, Namespace: "x"})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := m.Observe(t.Context(), "x", spec()); err == nil || !strings.Contains(err.Error(), "read release x") {
			t.Errorf("got %v, want an error that says what was tried", err)
		}
	})
}

// TestLabelsStayWithTheRelease: what is kept with a release outlives upgrades by hand, and a manifest can be had without
// a cluster.
func TestLabelsStayWithTheRelease(t *testing.T) {
	t.Parallel()
	p := newPlace(t, "labelled")
	mine := spec()
	mine.Labels = map[string]string{"aip-dev/environment": "team"}
	p.apply(t, mine)
	p.byHand(t, auth("adminSubjects", "root"))
	asked := mine
	asked.Labels = map[string]string{"aip-dev/environment": "other"}
	for name, want := range map[string]Spec{"the owner": mine, "another": asked} {
		state, err := p.Observe(t.Context(), p.name, want)
		if err != nil || state.Phase != Ready || state.Labels["aip-dev/environment"] != "team" {
			t.Errorf("%s: %+v, %v", name, state, err)
		}
	}
	manifest, err := Render(t.Context(), "shown", "somewhere", "v1.33.1", mine)
	if err != nil || !strings.Contains(string(manifest), "name: shown-aip-k8s-gateway") || !strings.Contains(string(manifest), "namespace: somewhere") {
		t.Errorf("rendered: %v\n%s", err, manifest)
	}
	if _, err := Render(t.Context(), "shown", "somewhere", "v1.20.0", mine); err == nil {
		t.Error("a server that is too old was accepted")
	}
}
