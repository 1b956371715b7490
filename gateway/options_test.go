package gateway

import (
	"bytes"
	"errors"
	"log/slog"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"
	"k8s.io/client-go/rest"

	"github.com/aip-dev/aip-dev/gateway/authn"
	"github.com/aip-dev/aip-dev/gateway/authz"
	"github.com/aip-dev/aip-dev/gateway/collector"
)

func TestFlags(t *testing.T) {
	t.Parallel()
	var o Options
	fs := pflag.NewFlagSet("gateway", pflag.ContinueOnError)
	BindFlags(fs, &o)
	if o.Addr != ":8080" || o.DedupWindow != 24*time.Hour || o.WaitTimeout != 90*time.Second || o.OIDC.Audience != "aip-gateway" ||
		o.APIOnly || o.UnregisteredAgents != "allow" || o.DefaultAction != "Allow" {
		t.Errorf("defaults %+v", o)
	}
	if err := fs.Parse([]string{
		"--agent-subjects= aip-agent-1 , ,aip-agent-2", "--agent-subjects=third", "--admin-groups=ops", "--dedup-window=0",
		"--oidc-issuer-url=http://issuer/realms/aip", "--oidc-preset=azure", "--controller=false", "--trusted-proxy-cidrs=10.0.0.0/8,::1/128",
	}); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(o.Roles.AgentSubjects, "|"); got != "aip-agent-1|aip-agent-2|third" {
		t.Errorf("agents %q", got)
	}
	if o.DedupWindow != 0 || len(o.Roles.AdminGroups) != 1 || o.Roles.ReviewerSubjects != nil {
		t.Errorf("parsed %+v", o)
	}
	if !o.APIOnly || o.OIDC.Preset != "azure" || len(o.TrustedProxies) != 2 {
		t.Errorf("parsed %+v", o)
	}
	if err := fs.Parse([]string{"--controller"}); err != nil || o.APIOnly {
		t.Errorf("--controller: %v, %+v", err, o)
	}
	if err := fs.Parse([]string{"--controller=perhaps"}); err == nil {
		t.Error("--controller=perhaps was accepted")
	}
}

// TestFlagsOfTheControlPlane: every flag of the public AIP control plane is taken, with its default, and does what it says or
// says that it does not.
func TestFlagsOfTheControlPlane(t *testing.T) {
	t.Parallel()
	for flag, value := range map[string]struct{ none, given string }{
		"addr": {":8080", ":1"}, "dedup-window": {"24h0m0s", "0s"}, "wait-timeout": {"1m30s", "1s"}, "oidc-issuer-url": {"", "http://i"},
		"oidc-audience": {"aip-gateway", "a"}, "oidc-identity-claim": {"", "sub"}, "oidc-groups-claim": {"", "g"}, "agent-subjects": {"", "a,b"},
		"reviewer-subjects": {"", "a"}, "admin-subjects": {"", "a"}, "agent-groups": {"", "a"}, "reviewer-groups": {"", "a"}, "admin-groups": {"", "a"},
		"trusted-proxy-cidrs": {"", "10.0.0.0/8"}, "require-governed-resource": {"false", "true"}, "unregistered-agent-policy": {"allow", "strict"},
		"jwt-key-path": {"", "/x"}, "jwt-key": {"", "pem"}, "metrics-bind-address": {"0", ":2"}, "metrics-secure": {"true", "false"},
		"health-probe-bind-address": {"0", ":8081"}, "leader-elect": {"false", "true"}, "ops-lock-duration": {"5m0s", "1s"}, "ops-lock-wait-timeout": {"1m0s", "1s"},
		"approved-timeout": {"5m0s", "1s"}, "jwt-key-namespace": {"", "aip-k8s-system"}, "jwt-key-rotation-ttl": {"", "0"}, "mcp-server-http-timeout": {"", "30s"},
		"gc-enabled": {"false", "true"}, "gc-interval": {"1h0m0s", "1s"}, "gc-dry-run": {"true", "false"}, "gc-hard-ttl": {"0s", "1h0m0s"}, "gc-page-size": {"500", "1"},
		"gc-delete-rate-per-sec": {"100", "1"}, "gc-safety-min-count": {"10", "0"}, "zap-devel": {"", "true"}, "zap-encoder": {"", "json"},
		"zap-log-level": {"info", "debug"}, "zap-stacktrace-level": {"", "error"}, "zap-time-encoding": {"", "iso8601"},
	} {
		var o Options
		fs := pflag.NewFlagSet("gateway", pflag.ContinueOnError)
		BindFlags(fs, &o)
		f := fs.Lookup(flag)
		if f == nil {
			t.Errorf("--%s is not there", flag)
			continue
		}
		before := o
		if f.Value.String() != value.none {
			t.Errorf("--%s is %q, expected %q", flag, f.Value, value.none)
		}
		if err := fs.Parse([]string{"--" + flag + "=" + value.given}); err != nil || f.Value.String() != value.given {
			t.Errorf("--%s=%s: %v, found %q", flag, value.given, err, f.Value)
		}
		if reflect.DeepEqual(before, o) {
			t.Errorf("--%s changes nothing and does not say so", flag)
		}
	}
}

func TestLogLevel(t *testing.T) {
	t.Parallel()
	var level slog.Level
	for text, want := range map[string]slog.Level{"debug": slog.LevelDebug, "5": slog.LevelDebug, "0": slog.LevelInfo, "info": slog.LevelInfo, "error": slog.LevelError, "panic": slog.LevelError} {
		if err := (&logLevel{&level}).Set(text); err != nil || level != want {
			t.Errorf("%s: %v, %v", text, err, level)
		}
	}
	if err := (&logLevel{&level}).Set("loud"); err == nil {
		t.Error("loud is a level")
	}
	var out bytes.Buffer
	NewLoggerFrom(&out, slog.LevelError).Info("unseen")
	NewLoggerFrom(&out, slog.LevelDebug).Debug("seen")
	if text := out.String(); strings.Contains(text, "unseen") || !strings.Contains(text, "seen") {
		t.Errorf("log %q", text)
	}
}

func TestNewReportsEveryFault(t *testing.T) {
	t.Parallel()
	_, err := New(Options{DedupWindow: -1})
	if err == nil || !strings.Contains(err.Error(), "Kubernetes") || !strings.Contains(err.Error(), "--dedup-window") {
		t.Errorf("got %v", err)
	}
	kube := &rest.Config{Host: "https://127.0.0.1:1"}
	if _, err := New(Options{Kube: kube, OIDC: authn.Options{IssuerURL: "http://issuer"}}); err == nil || !strings.Contains(err.Error(), "audience") {
		t.Errorf("got %v", err)
	}
	if _, err := New(Options{Kube: kube, UnregisteredAgents: "ask", TLSCert: "x"}); err == nil || !strings.Contains(err.Error(), "--unregistered-agent-policy") ||
		!strings.Contains(err.Error(), "--tls-key-file") {
		t.Errorf("got %v", err)
	}
	for want, o := range map[string]Options{
		"--metrics-secure=false": {MetricsAddr: ":1", MetricsSecure: true}, `holds "x", expected NAMESPACE/NAME`: {TokenAccounts: []string{"x"}},
		"--gc-interval": {Collector: collector.Settings{Enabled: true}}, "--jwt-key: found no PEM block": {SigningKey: "x"},
	} {
		o.Kube = kube
		if _, err := New(o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, expected %q", err, want)
		}
	}
	if _, err := New(Options{Kube: kube, Roles: authz.Config{ReviewerGroups: []string{"ops"}}}); err == nil || !strings.Contains(err.Error(), `"ops" has a role, but nothing says who calls`) {
		t.Errorf("got %v", err)
	}
	for _, flag := range []string{"ops-lock-duration", "ops-lock-wait-timeout", "approved-timeout"} {
		for _, value := range []string{"0", "0s", "-1m", "5"} {
			fs := pflag.NewFlagSet("gateway", pflag.ContinueOnError)
			BindFlags(fs, &Options{})
			if err := fs.Parse([]string{"--" + flag + "=" + value}); err == nil || !strings.Contains(err.Error(), "more than 0") {
				t.Errorf("--%s=%s: %v", flag, value, err)
			}
		}
	}
	if _, err := New(Options{Kube: kube, DefaultAction: "Perhaps"}); err == nil || !strings.Contains(err.Error(), "Perhaps") {
		t.Errorf("got %v", err)
	}
}

func TestLogLines(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	log := NewLogger(&out)
	log.Debug("unseen")
	log.With("a", 1).Error("OIDC setup failed:\noidc provider", "text", "two\nlines", "long", strings.Repeat("x", 2000), "err", errors.New(strings.Repeat("y", 2000)))
	line := out.String()
	if !strings.HasPrefix(line, "OIDC setup failed: oidc provider time=") || strings.Count(line, "\n") != 1 ||
		!strings.Contains(line, ` level=ERROR a=1 text="two\nlines"`) || len(line) > 1500 {
		t.Errorf("line %q", line)
	}
}
