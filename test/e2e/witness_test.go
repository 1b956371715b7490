package e2e

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
)

// witness learns the secrets of all environments of a state folder while they are there: client secrets, the signatures of tokens,
// private keys. In the end it searches everything that was written for them, and for anything that looks like a token.
type witness struct {
	state string
	stop  context.CancelFunc
	done  sync.WaitGroup

	mu sync.Mutex
	// secrets say what each value is.
	secrets map[string]string
	// given are hashes of files that were there before, by path; asked are files and folders that are to hold a token.
	given map[string][sha256.Size]byte
	asked map[string]bool
	// events are what the clusters' Events said.
	events map[string]bool
	// clusters are clients by the hash of their kubeconfig.
	clusters map[[sha256.Size]byte]kubernetes.Interface
	held     *held
	drafts   *drafts
}

// everything is what all witnesses of this process have learnt, for the search in command lines.
var everything = struct {
	sync.Mutex
	secrets map[string]string
}{secrets: map[string]string{}}

// watch begins to learn. work is searched as well in the end, but for files that are there now and stay as they are.
func watch(state, work string) *witness {
	ctx, stop := context.WithCancel(context.Background())
	w := &witness{
		state: state, stop: stop, secrets: map[string]string{}, given: map[string][sha256.Size]byte{}, asked: map[string]bool{},
		events: map[string]bool{}, clusters: map[[sha256.Size]byte]kubernetes.Interface{}, held: holdOn(filepath.Join(state, "aip-dev")),
		drafts: newDrafts(work),
	}
	if work != "" {
		_ = filepath.WalkDir(work, func(path string, entry fs.DirEntry, err error) error { // what cannot be read is searched later
			if data, unread := os.ReadFile(path); err == nil && unread == nil && entry.Type().IsRegular() {
				w.given[path] = sha256.Sum256(data)
			}
			return nil
		})
	}
	w.done.Go(func() {
		for tick := time.NewTicker(500 * time.Millisecond); ; {
			w.learn(ctx)
			select {
			case <-ctx.Done():
				tick.Stop()
				return
			case <-tick.C:
			}
		}
	})
	w.done.Go(func() {
		for tick := time.NewTicker(50 * time.Millisecond); ; {
			w.drafts.look()
			select {
			case <-ctx.Done():
				tick.Stop()
				return
			case <-tick.C:
			}
		}
	})
	return w
}

// know takes a value as a secret; short ones are words.
func (w *witness) know(value, what string) {
	const least = 10
	if len(value) < least {
		return
	}
	w.mu.Lock()
	w.secrets[value] = what
	w.mu.Unlock()
	everything.Lock()
	everything.secrets[value] = what
	everything.Unlock()
}

// learn looks at what the environments keep right now. What is not there is learnt the next time.
func (w *witness) learn(ctx context.Context) {
	w.held.look()
	kept, _ := filepath.Glob(filepath.Join(w.state, "aip-dev", "*", "tokens", "*.json")) // the pattern is well-formed
	for _, path := range kept {
		var file struct{ Token string }
		if data, err := os.ReadFile(path); err == nil && json.Unmarshal(data, &file) == nil {
			if _, signature, ok := cutLast(file.Token, "."); ok {
				w.know(signature, "the signature of a token")
			}
		}
	}
	access, _ := filepath.Glob(filepath.Join(w.state, "aip-dev", "*", "kubeconfig")) // the pattern is well-formed
	for _, path := range access {
		data, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		for _, found := range regexp.MustCompile(`(?m)^\s*(?:client-key-data|token):\s*(\S+)`).FindAllSubmatch(data, -1) {
			w.know(string(found[1]), "a key of a kubeconfig")
			if plain, err := base64.StdEncoding.DecodeString(string(found[1])); err == nil {
				w.know(string(plain), "a key of a kubeconfig")
			}
		}
		w.learnCluster(ctx, data)
	}
}

// learnCluster reads the Secrets and the Events of a cluster. The objects of Helm are no secrets.
func (w *witness) learnCluster(ctx context.Context, kubeconfig []byte) {
	key := sha256.Sum256(kubeconfig)
	kube := w.clusters[key]
	if kube == nil {
		config, err := clientcmd.RESTConfigFromKubeConfig(kubeconfig)
		if err != nil {
			return
		}
		if kube, err = kubernetes.NewForConfig(config); err != nil {
			return
		}
		w.clusters[key] = kube
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	if events, err := kube.CoreV1().Events("").List(ctx, metav1.ListOptions{}); err == nil {
		w.mu.Lock()
		for i := range events.Items {
			w.events[events.Items[i].Message] = true
		}
		w.mu.Unlock()
	}
	list, err := kube.CoreV1().Secrets("").List(ctx, metav1.ListOptions{FieldSelector: "type=Opaque"})
	if err != nil {
		return
	}
	for i := range list.Items {
		for name, value := range list.Items[i].Data {
			w.know(string(value), fmt.Sprintf("%s of Secret %s", name, list.Items[i].Name))
		}
	}
}

// ask takes files and folders out of the search: they are to hold a token.
func (w *witness) ask(paths ...string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, path := range paths {
		w.asked[path] = true
	}
}

// end stops learning and returns what was found in files below roots, in those that environments wrote and that are gone, and in
// Events.
func (w *witness) end(roots ...string) []error {
	w.stop()
	w.done.Wait()
	found := w.held.end(w.search)
	for message := range w.events {
		if err := w.search([]byte(message)); err != nil {
			found = append(found, fmt.Errorf("an Event holds %w", err))
		}
	}
	found = append(found, w.drafts.end(func(path string, hash [sha256.Size]byte) bool {
		if is, err := os.ReadFile(path); err == nil && sha256.Sum256(is) == hash {
			return false // it is searched there
		}
		return !w.holds(path) && w.given[path] != hash
	}, w.search)...)
	for _, root := range roots {
		err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
			switch {
			case errors.Is(err, fs.ErrNotExist): // the environment lives on
				return nil
			case err != nil:
				return err
			case w.asked[path], root == w.state && keeps(path):
				if entry.IsDir() {
					return fs.SkipDir
				}
				return nil
			case !entry.Type().IsRegular():
				return nil
			}
			data, err := os.ReadFile(path)
			if err != nil || w.given[path] == sha256.Sum256(data) {
				return nil //nolint:nilerr // it is gone, or a lock
			}
			for name, content := range contents(path, data) {
				if err := w.search(content); err != nil {
					found = append(found, fmt.Errorf("%s holds %w", name, err))
				}
			}
			return nil
		})
		if err != nil {
			found = append(found, err)
		}
	}
	return found
}

// holds reports whether a file, or a folder above it, is to hold a token.
func (w *witness) holds(path string) bool {
	for ; path != filepath.Dir(path); path = filepath.Dir(path) {
		if w.asked[path] {
			return true
		}
	}
	return false
}

// search returns what secret a text holds, nil when it holds none.
func (w *witness) search(text []byte) error {
	w.mu.Lock()
	secrets := maps.Clone(w.secrets)
	w.mu.Unlock()
	return searchFor(text, secrets)
}

func searchFor(text []byte, secrets map[string]string) error {
	if tokens.Match(text) {
		return errors.New("a token")
	}
	for value, what := range secrets {
		if bytes.Contains(text, []byte(value)) {
			return errors.New(what)
		}
	}
	return nil
}

// printed is the head of a command in the log of a script that prints a token because it was asked for one, and silent are flags by
// which it prints none.
var (
	printed = regexp.MustCompile(`^> (?:exec|exits \d+) aip-dev token (\S+)`)
	silent  = regexp.MustCompile(` (?:-o claims|--decode|--watch|--copy)\b`)
)

// searchLog returns what the log of a script holds besides the tokens that its commands asked for. The lines of the script itself
// are no output.
func (w *witness) searchLog(text string) (found []error) {
	asked, out, command := false, false, ""
	for line := range strings.Lines(text) {
		switch match := printed.FindStringSubmatch(line); {
		case strings.HasPrefix(line, "> "), strings.HasPrefix(line, "# "):
			command, out = strings.TrimSpace(line), false
			asked = match != nil && !strings.Contains(" why inspect verify matrix ", " "+match[1]+" ") && !silent.MatchString(line)
		case line == "[stdout]\n":
			out = true
		case line == "[stderr]\n":
			out = false
		case asked && out:
		default:
			if err := w.search([]byte(line)); err != nil {
				found = append(found, fmt.Errorf("the output of %q holds %w", command, err))
			}
		}
	}
	return found
}

func cutLast(s, separator string) (before, after string, found bool) {
	at := strings.LastIndex(s, separator)
	if at < 0 {
		return s, "", false
	}
	return s[:at], s[at+len(separator):], true
}

// keeps reports whether a file or folder of the state is there to keep what is secret: kept tokens, the store, certificates, and
// what gives access.
func keeps(path string) bool {
	switch strings.TrimSuffix(filepath.Base(path), ".new") { // as which it is written before it takes the place of the old one
	case "tokens", "etcd", "pki", "kubeconfig":
		return true
	default:
		return false
	}
}

// TestWitness: what is hidden in each kind of place is found, and what was asked for is not.
func TestWitness(t *testing.T) {
	t.Parallel()
	state, work := t.TempDir(), t.TempDir()
	write := func(path, text string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	const signature, token = "c2lnbmF0dXJlLW9m", "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0."
	write(filepath.Join(work, "given.txt"), token)
	w := watch(state, work)
	write(filepath.Join(state, "aip-dev", "aip", "tokens", "one.json"), `{"token": "`+token+signature+`"}`)
	write(filepath.Join(state, "aip-dev", "aip", "kubeconfig"), "users:\n- user:\n    client-key-data: a2V5LW9mLWEta3ViZWNvbmZpZw==\n")
	write(filepath.Join(work, "asked.txt"), token+signature)
	w.learn(t.Context())
	w.ask(filepath.Join(work, "asked.txt"))
	if found := w.end(state, work); len(found) != 0 {
		t.Errorf("what is to hold secrets was found: %v", found)
	}
	for path, text := range map[string]string{
		filepath.Join(state, "aip-dev", "aip", "serve.log"): "level=INFO " + signature, filepath.Join(work, "out.txt"): "Bearer " + token,
		filepath.Join(work, "deep", "er.txt"): "key-of-a-kubeconfig", filepath.Join(work, "given.txt"): "changed " + token,
	} {
		write(path, text)
		if found := w.end(state, work); len(found) != 1 {
			t.Errorf("%s with %q: found %v", path, text, found)
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
	w = watch(state, work)
	w.stop()
	w.done.Wait()
	w.know(signature, "the signature of a token")
	gone := filepath.Join(state, "aip-dev", "aip", "logs", "gateway")
	write(gone, "level=INFO msg=fine\n")
	w.held.look()
	if file, err := os.OpenFile(gone, os.O_APPEND|os.O_WRONLY, 0); err != nil {
		t.Error(err)
	} else if _, err := file.WriteString(signature); err != nil || file.Close() != nil {
		t.Error(err)
	}
	w.events["pulled image "+signature], w.events["pulled"] = true, true
	if err := os.Remove(gone); err != nil {
		t.Error(err)
	}
	if found := w.end(state, work); len(found) != 2 {
		t.Errorf("in a file that is gone and an Event: found %v", found)
	}
	log := "> exec aip-dev token agent\n[stdout]\n" + token + "\n> exec aip-dev token why agent\n[stdout]\nfine\n"
	if found := w.searchLog(log); len(found) != 0 {
		t.Errorf("in a log: %v", found)
	}
	for _, more := range []string{"[stderr]\n" + signature + "\n", "> exec aip-dev token why agent\n[stdout]\n" + token + "\n", "> exec aip-dev status\n[stdout]\n" + signature + "\n", "> exec aip-dev token agent -o claims\n[stdout]\n" + token + "\n"} {
		if found := w.searchLog(log + more); len(found) != 1 {
			t.Errorf("%q: found %v", more, found)
		}
	}
}

// TestDrafts: what a file held before it was written over is found, unless the file is to hold a token.
func TestDrafts(t *testing.T) {
	t.Parallel()
	work := t.TempDir()
	for _, asked := range []bool{false, true} {
		w := watch(t.TempDir(), work)
		w.stop()
		w.done.Wait()
		for _, text := range []string{"fine", "Bearer eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0.c2ln", "fine again"} {
			if err := os.WriteFile(filepath.Join(work, "out.txt"), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			w.drafts.look()
		}
		if asked {
			w.ask(work)
		}
		if found := w.end(work); len(found) != map[bool]int{false: 1}[asked] {
			t.Errorf("asked %t: found %v", asked, found)
		}
	}
}
