package shortcut_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aip-dev/aip-dev/bootstrap"
	"github.com/aip-dev/aip-dev/bootstrap/daemon"
	"github.com/aip-dev/aip-dev/internal/shortcut"
	"github.com/aip-dev/aip-dev/internal/state"
	"github.com/aip-dev/aip-dev/internal/token/kept"
)

// TestAnswer: what is asked in the ordinary way of an environment that is there is answered, and everything else is not.
func TestAnswer(t *testing.T) {
	t.Parallel()
	start := time.Unix(1_700_000_000, 0)
	home := t.TempDir()
	root := filepath.Join(home, "aip-dev")
	environment(t, root, "aip", bootstrap.Facts{Gateway: bootstrap.GatewayFacts{URL: "http://localhost:1"}}, start)
	environment(t, root, "half", bootstrap.Facts{}, start)
	stopped := bootstrap.Facts{Gateway: bootstrap.GatewayFacts{URL: "http://localhost:1"}, Cluster: bootstrap.ClusterFacts{Kind: bootstrap.ClusterEmbedded}}
	environment(t, root, "stopped", stopped, start)
	environment(t, root, "alive", stopped, start)
	lease, err := daemon.Hold(filepath.Join(root, "alive"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = lease.Release() }) // the folder goes with the test
	damaged := state.In(root, "damaged")
	environment(t, root, "damaged", stopped, start)
	if err := os.WriteFile(filepath.Join(damaged.Path, "facts.json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	for line, want := range map[string]string{
		"token agent":                    "raw-of-aip\n",
		"token agent --header":           "Authorization: Bearer raw-of-aip\n",
		"token --header agent":           "Authorization: Bearer raw-of-aip\n",
		"token agent --name aip":         "raw-of-aip\n",
		"token --name=alive agent":       "raw-of-alive\n",
		"token":                          "",
		"token other":                    "",
		"token agent other":              "",
		"token agent --fresh":            "",
		"token agent -o json":            "",
		"token agent --name":             "",
		"token agent --name stopped":     "",
		"token agent --name half":        "",
		"token agent --name damaged":     "",
		"token agent --name none":        "",
		"token agent --name ../aip":      "",
		"token agent --":                 "",
		"token why":                      "",
		"--name aip token agent":         "",
		"request token agent":            "",
		"token agent --help":             "",
		"token agent --secret-file file": "",
	} {
		args := append([]string{"aip-dev"}, strings.Fields(line)...)
		got, ok := shortcut.Answer(args, func(name string) string { return map[string]string{"XDG_STATE_HOME": home}[name] }, func() time.Time { return start })
		if got != want || ok != (want != "") {
			t.Errorf("%s: found %q, expected %q", line, got, want)
		}
	}
	for name, ask := range map[string]func() (string, bool){
		"a token that ends": func() (string, bool) {
			return shortcut.Answer([]string{"aip-dev", "token", "agent"}, func(string) string { return home }, func() time.Time { return start.Add(time.Hour - 20*time.Second) })
		},
		"no home": func() (string, bool) {
			return shortcut.Answer([]string{"aip-dev", "token", "agent"}, func(string) string { return "" }, func() time.Time { return start })
		},
	} {
		if got, ok := ask(); ok {
			t.Errorf("%s: found %q", name, got)
		}
	}
}

// environment keeps the facts of one, and tokens that end in an hour of clients that are called agent and why.
func environment(t *testing.T, root, name string, facts bootstrap.Facts, start time.Time) {
	t.Helper()
	folder := state.In(root, name)
	if err := folder.Make(); err != nil {
		t.Fatal(err)
	}
	if err := folder.Save(facts); err != nil {
		t.Fatal(err)
	}
	cache := kept.NewFileCache(folder.Tokens(), func() time.Time { return start })
	for _, client := range []string{"agent", "why"} {
		if err := cache.Put(name, client, kept.Token{Raw: "raw-of-" + name, Expiry: start.Add(time.Hour)}); err != nil {
			t.Fatal(err)
		}
	}
}
