package steps

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"k8s.io/client-go/tools/clientcmd"

	"github.com/aip-dev/aip-dev/bootstrap"
)

const twoContexts = `apiVersion: v1
kind: Config
current-context: prod
clusters:
- {name: one, cluster: {server: "https://one:6443", certificate-authority: ca.pem}}
- {name: two, cluster: {server: "https://two:6443"}}
users:
- {name: me, user: {tokenFile: token}}
- {name: root, user: {token: the-token-of-root}}
contexts:
- {name: team, context: {cluster: one, user: me, namespace: mine}}
- {name: prod, context: {cluster: two, user: root}}
`

// userHome returns a folder with a kubeconfig of two contexts, and Deps that find it.
func userHome(t *testing.T) (string, Deps) {
	t.Helper()
	dir := t.TempDir()
	for name, content := range map[string]string{"config": twoContexts, "ca.pem": "the authority", "token": "the-token-of-me"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir, Deps{Dir: t.TempDir(), Kubeconfigs: []string{filepath.Join(dir, "absent"), filepath.Join(dir, "config")}}
}

// TestPickCopiesOneContext: the copy leads to the named cluster and to no other, works from any folder, and is private;
// the user's file is as before.
func TestPickCopiesOneContext(t *testing.T) {
	t.Parallel()
	home, deps := userHome(t)
	way, err := deps.pick(bootstrap.Existing{Context: "team"})
	if err != nil {
		t.Fatal(err)
	}
	if way.server != "https://one:6443" {
		t.Errorf("server %s", way.server)
	}
	own := deps.ownKubeconfig()
	if kept, err := way.kept(own); kept || err != nil {
		t.Errorf("kept before it was: %t, %v", kept, err)
	}
	if err := way.keep(own); err != nil {
		t.Fatal(err)
	}
	if kept, err := way.kept(own); !kept || err != nil {
		t.Errorf("kept: %t, %v", kept, err)
	}
	if info, err := os.Stat(own); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode of the copy: %v, %v", info.Mode(), err)
	}
	copied, err := clientcmd.LoadFromFile(own)
	if err != nil {
		t.Fatal(err)
	}
	if copied.CurrentContext != "team" || len(copied.Contexts) != 1 || len(copied.Clusters) != 1 || len(copied.AuthInfos) != 1 {
		t.Errorf("copy: %+v", copied)
	}
	if string(copied.Clusters["one"].CertificateAuthorityData) != "the authority" || copied.AuthInfos["me"].TokenFile != filepath.Join(home, "token") {
		t.Errorf("files: %+v, %s", copied.Clusters["one"], copied.AuthInfos["me"].TokenFile)
	}
	if bytes.Contains(way.content, []byte("the-token-of-root")) {
		t.Error("the copy holds another context's token")
	}
	if now, err := os.ReadFile(filepath.Join(home, "config")); err != nil || string(now) != twoContexts {
		t.Errorf("the user's kubeconfig was changed: %v", err)
	}
	// In a shell where KUBECONFIG leads elsewhere the copy is good enough.
	deps.Kubeconfigs = nil
	if again, err := deps.pick(bootstrap.Existing{Context: "team"}); err != nil || !bytes.Equal(again.content, way.content) {
		t.Errorf("from the copy: %v\n%s", err, again.content)
	}
}

func TestPickNeverGuesses(t *testing.T) {
	t.Parallel()
	home, deps := userHome(t)
	for name, c := range map[string]struct {
		asked bootstrap.Existing
		known []string
		want  string
	}{
		"none asked for":  {bootstrap.Existing{}, []string{"prod", "team"}, "no context is named"},
		"unknown":         {bootstrap.Existing{Context: "moon"}, []string{"prod", "team"}, `context "moon" is not there`},
		"unknown in file": {bootstrap.Existing{Context: "moon", Kubeconfig: filepath.Join(home, "config")}, []string{"prod", "team"}, "config has prod, team"},
	} {
		var got *ContextError
		if _, err := deps.pick(c.asked); !errors.As(err, &got) || !slices.Equal(got.Known, c.known) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := deps.pick(bootstrap.Existing{Context: "team", Kubeconfig: filepath.Join(home, "absent")}); err == nil || !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a file that is named and absent: %v", err)
	}
	deps.Kubeconfigs = deps.Kubeconfigs[:1]
	var got *ContextError
	if _, err := deps.pick(bootstrap.Existing{Context: "team"}); !errors.As(err, &got) || !strings.Contains(err.Error(), "has no contexts") {
		t.Errorf("no kubeconfig: %v", err)
	}
}

func TestOldEnough(t *testing.T) {
	t.Parallel()
	for version, ok := range map[string]bool{"v1.37.2": true, "v1.30.0": true, "v1.31.4-gke.100": true, "v1.29.9": false, "moon": false} {
		if err := oldEnough(version); (err == nil) != ok || err != nil && !errors.Is(err, ErrAPIServer) {
			t.Errorf("%s: %v, expected ok %t", version, err, ok)
		}
	}
}
