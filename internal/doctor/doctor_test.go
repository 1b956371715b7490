package doctor

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aip-dev/aip-dev/bootstrap"
	"github.com/aip-dev/aip-dev/bootstrap/steps"
	"github.com/aip-dev/aip-dev/internal/check"
	"github.com/aip-dev/aip-dev/internal/session"
	"github.com/aip-dev/aip-dev/internal/state"
	"github.com/aip-dev/aip-dev/internal/state/description"
	"github.com/aip-dev/aip-dev/internal/token"
)

func TestClocks(t *testing.T) {
	t.Parallel()
	for ahead, want := range map[time.Duration]string{
		0: "pass they agree", 2 * time.Second: "pass they agree", -4 * time.Second: "pass they agree",
		8 * time.Second:  "warn the clock of this machine is 8s behind that of the issuer",
		-8 * time.Second: "warn the clock of this machine is 8s ahead of that of the issuer",
		74 * time.Second: "fail the clock of this machine is 1m14s behind that of the issuer",
		-6 * time.Minute: "fail the clock of this machine is 6m0s ahead of that of the issuer",
	} {
		a := clocks(ahead)
		if got := fmt.Sprintf("%s %s", a.Verdict, a.Reason); got != want || (a.Verdict == check.Pass) != (a.Fix.Command == "") {
			t.Errorf("%s: found %q with fix %q, expected %q", ahead, got, a.Fix.Command, want)
		}
	}
}

// TestListsAreSound: the list of every place can be run, has no id twice, and each check that needs another stands after it;
// a place that is not there gives one red line and hangs on nothing.
func TestListsAreSound(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"", bootstrap.ClusterEmbedded, bootstrap.ClusterExisting} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			root := t.TempDir()
			folder := state.In(root, "aip")
			if kind != "" {
				save(t, folder, kind)
			}
			checks, cluster := Checks(Options{
				Folder: folder, Command: func(line string) string { return "aip-dev " + line }, Getenv: func(string) string { return "" }, Now: time.Now,
				Deps: func(bootstrap.Environment, string) (steps.Deps, error) {
					return steps.Deps{Dir: folder.Path, Now: time.Now}, nil
				},
			})
			if cluster != kind {
				t.Errorf("found cluster %q", cluster)
			}
			results, err := check.Run(t.Context(), checks, time.Now)
			if err != nil {
				t.Fatal(err)
			}
			var red []string
			for _, r := range results {
				if r.Bad() && r.Group != "machine" {
					red = append(red, r.ID+" ("+r.Fix.Command+")")
				}
			}
			want := map[string]string{"": "", bootstrap.ClusterEmbedded: "process (aip-dev start)", bootstrap.ClusterExisting: "process (aip-dev start)"}[kind]
			if got := strings.Join(red, ", "); got != want {
				t.Errorf("found %q, expected %q", got, want)
			}
		})
	}
}

// save keeps an environment that does not run.
func save(t *testing.T, folder state.Folder, kind string) {
	t.Helper()
	if err := folder.Make(); err != nil {
		t.Fatal(err)
	}
	e := bootstrap.Default()
	e.Cluster = kind
	facts := bootstrap.Facts{Cluster: bootstrap.ClusterFacts{Kind: kind, GatewayPort: 1, Kubeconfig: filepath.Join(folder.Path, "kubeconfig")}}
	if err := description.Save(folder, e); err != nil {
		t.Fatal(err)
	}
	if err := folder.Save(facts); err != nil {
		t.Fatal(err)
	}
}

// TestState: what others may read is told, with the command that closes it.
func TestState(t *testing.T) {
	t.Parallel()
	folder := state.In(t.TempDir(), "aip")
	save(t, folder, bootstrap.ClusterEmbedded)
	d := &doctor{Options: Options{Folder: folder, Command: func(line string) string { return line }}}
	if a := d.state().Ask(t.Context()); a.Verdict != check.Pass {
		t.Errorf("found %+v", a)
	}
	if err := os.Chmod(folder.Path, 0o755); err != nil {
		t.Fatal(err)
	}
	a := d.state().Ask(t.Context())
	if a.Verdict != check.Fail || a.Found != "aip is 755" || a.Fix.Command != "chmod -R go-rwx "+folder.Path {
		t.Errorf("found %+v", a)
	}
}

// TestIssuerClock: the time is that of the issuer's Date header, and a key set that nobody can read is told.
func TestIssuerClock(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Date", time.Now().Add(90*time.Second).UTC().Format(http.TimeFormat))
		w.Header().Set("Content-Type", "application/json")
		_, _ = fmt.Fprintf(w, `{"issuer":"http://%s","jwks_uri":"http://%s/keys"}`, r.Host, r.Host) // the reader sees what is missing
	}))
	t.Cleanup(server.Close)
	facts := bootstrap.Facts{Identity: bootstrap.IdentityFacts{IssuerURL: server.URL, Address: server.URL}}
	d := &doctor{Options: Options{Now: time.Now}, facts: facts, session: session.New(session.Options{Facts: facts})}
	a := d.askIssuer(t.Context())
	if a.trouble != nil || a.ahead < 85*time.Second || a.ahead > 95*time.Second {
		t.Errorf("found %+v", a)
	}
	if !errors.Is(a.err, token.ErrNoKeys) {
		t.Errorf("found %v", a.err)
	}
	if c := clocks(a.ahead); c.Verdict != check.Fail || !strings.Contains(c.Reason, "behind that of the issuer") {
		t.Errorf("found %+v", c)
	}
}

// TestRollout: a rollout that is under way is told and is no fault, and tokens are not judged before it is through; one that fails is a fault.
func TestRollout(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		rollout              steps.Rollout
		verdict              check.Verdict
		says, fix, forTokens string
	}{
		"through":    {steps.Rollout{Available: true, Serves: true}, check.Pass, "available", "", "gives no tokens"},
		"under way":  {steps.Rollout{Serves: true, Underway: true, Reason: "containers with unready status: [gateway]"}, check.Warn, "pods of before serve", "rollout status deployment/aip-k8s-gateway", "until the gateway's rollout is through"},
		"failing":    {steps.Rollout{Serves: true, Reason: "CrashLoopBackOff: unknown flag"}, check.Fail, "unknown flag", "aip-dev up", "gives no tokens"},
		"no pod yet": {steps.Rollout{Reason: "pod is Pending"}, check.Fail, "pod is Pending", "aip-dev up", "gives no tokens"},
		"paused":     {steps.Rollout{Serves: true, Paused: true}, check.Fail, "paused", "rollout resume", "gives no tokens"},
		"waits":      {steps.Rollout{Serves: true, Underway: true, Reason: "OIDC setup failed"}, check.Pass, "waits for its issuer", "", "until the gateway's rollout is through"},
	} {
		d := &doctor{
			Options: Options{Now: time.Now, Command: func(line string) string { return "aip-dev " + line }}, session: session.New(session.Options{}),
			rollout: func(context.Context) (steps.Rollout, error) { return c.rollout, nil },
		}
		a := d.gatewayRuns(t.Context())
		if a.Verdict != c.verdict || !strings.Contains(a.Reason, c.says) || !strings.Contains(a.Fix.Command, c.fix) {
			t.Errorf("%s: found %+v", name, a)
		}
		if a := d.tokens().Ask(t.Context()); a.Verdict != check.Skip || !strings.Contains(a.Reason, c.forTokens) {
			t.Errorf("%s: of tokens found %+v", name, a)
		}
	}
}
