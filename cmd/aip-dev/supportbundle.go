package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"al.essio.dev/pkg/shellescape"
	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"sigs.k8s.io/yaml"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
	"github.com/aip-dev/aip-dev/bootstrap/steps"
	"github.com/aip-dev/aip-dev/internal/check"
	"github.com/aip-dev/aip-dev/internal/failure"
	"github.com/aip-dev/aip-dev/internal/redact"
	"github.com/aip-dev/aip-dev/internal/session"
	"github.com/aip-dev/aip-dev/internal/state"
	"github.com/aip-dev/aip-dev/internal/token/kept"
)

// Limits of what is put into a bundle, and of how long a question for it may take.
const (
	supportLines = 2000
	supportBytes = 4 << 20
	supportLimit = 10 * time.Second
)

func newSupportBundle(a *app) *cobra.Command {
	var file string
	c := &cobra.Command{
		Use:   "support-bundle",
		Short: "Put what helps others to help into one archive, without secrets",
		Long: "Put what helps others to help into one archive: what doctor says, the description, versions, logs, and the objects of\n" +
			"the environment. Secrets are never read into it; tokens, signatures, passwords and keys are taken out of everything\n" +
			"else. Requests are counted, not copied. It is an ordinary file: look through it before you send it. Nothing is sent.",
		Args: cobra.NoArgs,
	}
	c.Flags().StringVarP(&file, "file", "f", "", "file to write (default: aip-dev-support-NAME-TIME.tar.gz)")
	c.RunE = func(c *cobra.Command, _ []string) error {
		if file == "" {
			file = fmt.Sprintf("aip-dev-support-%s-%s.tar.gz", a.name, a.now().UTC().Format("20060102-150405"))
		}
		if info, err := os.Stat(file); err == nil && !info.IsDir() {
			return failure.New(failure.Conflict, []string{"rm " + shellescape.Quote(file)}, "%s is there already; nothing was written", file)
		}
		if err := writable(file, "--file"); err != nil {
			return err
		}
		b, err := a.gather(c.Context())
		if err != nil {
			return err
		}
		data, err := b.archive(a.now())
		if err != nil {
			return err
		}
		if err := state.ReplaceFile(file, data); err != nil {
			return failure.Wrap(err, failure.Failed, []string{"df -h " + shellescape.Quote(filepath.Dir(file))}, "--file")
		}
		return a.print(fmt.Sprintf("%s  (%d files, %d KiB; look through it before you send it: tar -xzOf %s | less)\n", file, len(b.files), len(data)>>10, shellescape.Quote(file))) //nolint:mnd // KiB
	}
	return c
}

// support is what goes into an archive, in order.
type support struct {
	redact redact.Redactor
	files  []supportFile
	// missing says what could not be had.
	missing []string
}

type supportFile struct {
	name string
	data string
}

// add puts a text into the bundle, without secrets and not without bounds.
func (b *support) add(name, text string) {
	if over := len(text) - supportBytes; over > 0 {
		text = fmt.Sprintf("[the first %d bytes are left out]\n", over) + text[over:]
	}
	b.files = append(b.files, supportFile{name, b.redact.Text(text)})
}

// failed notes what could not be had.
func (b *support) failed(what string, err error) {
	b.missing = append(b.missing, what+": "+err.Error())
}

// gather asks for everything; what cannot be had is noted and stops nothing.
func (a *app) gather(ctx context.Context) (*support, error) {
	folder, err := a.folder()
	if err != nil {
		return nil, err
	}
	s := a.reachable(folder)
	b := &support{redact: redact.New(a.knownSecrets(ctx, folder, s))}
	report, err := a.examine(ctx)
	if err != nil {
		return nil, err
	}
	b.add("report.txt", reportText(report))
	if err := b.addJSON("report.json", report); err != nil {
		return nil, err
	}
	b.add("version.txt", fmt.Sprintf("aip-dev %s\n%s %s/%s\n", version, runtime.Version(), runtime.GOOS, runtime.GOARCH))
	for _, name := range []string{"environment.yaml", "facts.json", "serve.json", "serve.log", "up.log", "forward.log"} {
		data, err := os.ReadFile(filepath.Join(folder.Path, name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			b.failed(name, err)
			continue
		}
		b.add("state/"+name, string(data))
	}
	if s != nil {
		a.gatherCluster(ctx, b, s)
	}
	if len(b.missing) > 0 {
		b.add("missing.txt", strings.Join(b.missing, "\n")+"\n")
	}
	return b, ctx.Err()
}

func reportText(r check.Report) string {
	text := fmt.Sprintf("environment %s · %s · aip-dev %s · %s\n\n%s", r.Environment, r.Cluster, r.Program, r.At.Format(time.RFC3339), check.Text(r.Checks))
	if r.Worst != nil {
		text += fmt.Sprintf("\n%s: %s\n%s\n", r.Worst.ID, r.Worst.Reason, r.Worst.Fix.Command)
	}
	return text
}

func (b *support) addJSON(name string, v any) error {
	data, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return fmt.Errorf("encode %s: %w", name, err)
	}
	b.add(name, string(data)+"\n")
	return nil
}

// reachable returns the environment when it has a cluster, whether it is well or not; nil when there is none.
func (a *app) reachable(folder state.Folder) *session.Session {
	facts, err := folder.Facts()
	if err != nil || facts.Cluster.Kubeconfig == "" {
		return nil
	}
	return session.New(session.Options{Facts: facts, Tokens: folder.Tokens(), Now: a.now})
}

// knownSecrets returns the values that must not be in the bundle: kept tokens, and all values of Secrets.
func (a *app) knownSecrets(ctx context.Context, folder state.Folder, s *session.Session) []string {
	if s == nil {
		return nil
	}
	var values []string
	cache := kept.NewFileCache(folder.Tokens(), a.now)
	for _, id := range s.Clients() {
		if t, ok := cache.Get(s.Facts.Name, id); ok {
			values = append(values, strings.Split(t.Raw, ".")...)
		}
	}
	ctx, cancel := context.WithTimeout(ctx, supportLimit)
	defer cancel()
	config, err := s.Kube()
	if err != nil {
		return values
	}
	kube, err := kubernetes.NewForConfig(config)
	if err != nil {
		return values
	}
	for _, namespace := range []string{steps.Namespace, steps.IdentityNamespace} {
		list, err := kube.CoreV1().Secrets(namespace).List(ctx, metav1.ListOptions{})
		if err != nil {
			continue // the shapes of secrets are known all the same
		}
		for i := range list.Items {
			for _, value := range list.Items[i].Data {
				values = append(values, string(value))
			}
		}
	}
	return values
}

// gatherCluster adds the logs of pods and the objects of the environment.
func (a *app) gatherCluster(ctx context.Context, b *support, s *session.Session) {
	ctx, cancel := context.WithTimeout(ctx, supportLimit)
	defer cancel()
	for _, name := range []string{"gateway", "issuer"} {
		var out bytes.Buffer
		reader, tail := *a, int64(supportLines)
		reader.out = &out
		if err := reader.podLog(ctx, components()[name], &corev1.PodLogOptions{TailLines: &tail}); err != nil {
			b.failed("log of the "+name, err)
			continue
		}
		b.add("logs/"+name+".log", out.String())
	}
	config, err := s.Kube()
	if err == nil {
		var kube *dynamic.DynamicClient
		if kube, err = dynamic.NewForConfig(config); err == nil {
			b.objects(ctx, kube)
			return
		}
	}
	b.failed("objects of the cluster", err)
}

// objects adds what kubectl get -o yaml would show, without Secrets. Requests are counted.
func (b *support) objects(ctx context.Context, kube dynamic.Interface) {
	core := func(resource string) schema.GroupVersionResource {
		return schema.GroupVersionResource{Version: "v1", Resource: resource}
	}
	for _, get := range []struct {
		resource  schema.GroupVersionResource
		namespace []string
	}{
		{core("nodes"), []string{""}},
		{schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "deployments"}, []string{steps.Namespace, steps.IdentityNamespace}},
		{core("pods"), []string{steps.Namespace, steps.IdentityNamespace}},
		{core("services"), []string{steps.Namespace, steps.IdentityNamespace}},
		{core("events"), []string{steps.Namespace, steps.IdentityNamespace}},
		{v1alpha1.GroupVersion().WithResource("safetypolicies"), []string{""}},
		{v1alpha1.GroupVersion().WithResource("governedresources"), []string{""}},
		{v1alpha1.GroupVersion().WithResource("agentregistrations"), []string{""}},
	} {
		for _, namespace := range get.namespace {
			list, err := kube.Resource(get.resource).Namespace(namespace).List(ctx, metav1.ListOptions{})
			name := strings.Trim(namespace+"/"+get.resource.Resource, "/")
			if err != nil {
				b.failed(name, err)
				continue
			}
			content := list.UnstructuredContent()
			redact.Object(content)
			data, err := yaml.Marshal(content)
			if err != nil {
				b.failed(name, err)
				continue
			}
			b.add("cluster/"+name+".yaml", string(data))
		}
	}
	b.countRequests(ctx, kube)
}

func (b *support) countRequests(ctx context.Context, kube dynamic.Interface) {
	list, err := kube.Resource(v1alpha1.GroupVersion().WithResource("agentrequests")).List(ctx, metav1.ListOptions{})
	if err != nil {
		b.failed("agentrequests", err)
		return
	}
	counts := map[string]int{}
	for i := range list.Items {
		status, _ := list.Items[i].Object["status"].(map[string]any)
		phase, _ := status["phase"].(string)
		counts[list.Items[i].GetNamespace()+" "+phase]++
	}
	var lines []string
	for key, n := range counts {
		lines = append(lines, fmt.Sprintf("%d %s", n, key))
	}
	slices.Sort(lines)
	b.add("cluster/agentrequests.txt", fmt.Sprintf("%d in all\n%s\n", len(list.Items), strings.Join(lines, "\n")))
}

// archive returns the bundle as a compressed tar, with all files in one folder.
func (b *support) archive(at time.Time) ([]byte, error) {
	var out bytes.Buffer
	zipped := gzip.NewWriter(&out)
	archive := tar.NewWriter(zipped)
	for _, f := range b.files {
		header := &tar.Header{Name: "aip-dev-support/" + f.name, Mode: 0o600, Size: int64(len(f.data)), ModTime: at.Truncate(time.Second)}
		if err := archive.WriteHeader(header); err != nil {
			return nil, fmt.Errorf("write %s: %w", f.name, err)
		}
		if _, err := archive.Write([]byte(f.data)); err != nil {
			return nil, fmt.Errorf("write %s: %w", f.name, err)
		}
	}
	if err := errors.Join(archive.Close(), zipped.Close()); err != nil {
		return nil, fmt.Errorf("write the archive: %w", err)
	}
	return out.Bytes(), nil
}
