package gateway

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"
	"k8s.io/client-go/rest"

	"github.com/aip-dev/aip-dev/gateway/authn"
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
	if err := fs.Parse([]string{"--gc-enabled"}); err == nil {
		t.Error("a flag without its feature was accepted")
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
