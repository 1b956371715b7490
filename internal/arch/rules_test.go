package arch

// layer says what packages may import. A pattern is a folder of the module; one that ends with /... takes in all
// folders below it too.
type layer struct {
	// of are the packages, the first layer that names a package holds for it.
	of []string
	// may are the packages of this module that they may import, apart from themselves.
	may []string
	// outside, when there is any, are prefixes of the only import paths they may take from other modules.
	outside []string
	// never are prefixes of import paths that they must not use.
	never []string
	// noClock forbids time.Now: time comes in as a value.
	noClock bool
}

// layers is section 5 of the architecture: who may import whom, narrow patterns before wide ones.
func layers() []layer {
	adapters := []string{
		"bootstrap/apiserver", "bootstrap/controllers", "bootstrap/daemon", "bootstrap/keycloak",
		"bootstrap/forward", "bootstrap/images", "bootstrap/kindcluster", "bootstrap/objects", "bootstrap/release", "bootstrap/kubelet/...",
	}
	return []layer{
		// The top: wiring, benchmarks.
		{of: []string{"cmd/...", "test/..."}, may: []string{"..."}},

		// The terminal knows the gateway's words and nothing of how an environment is built.
		{of: []string{"tui/..."}, may: []string{
			"tui/...", "gateway/client", "gateway/wire", "api/...",
			"internal/decide", "internal/journal", "internal/progress", "internal/check", "internal/token", "internal/failure", "internal/safetext",
		}},

		// Building: steps know adapters, adapters know their SDK and nothing of this program.
		{of: []string{"bootstrap"}, may: []string{"internal/progress"}},
		{of: []string{"bootstrap/steps"}, may: append([]string{
			"bootstrap", "manifests", "internal/check", "internal/check/machine", "internal/issuer", "internal/ports", "internal/progress",
		}, adapters...)},
		{of: []string{"bootstrap/kubelet/..."}, may: []string{"bootstrap/kubelet/...", "internal/safetext"}},
		{of: []string{"bootstrap/..."}},
		{of: []string{"manifests"}},

		// Asking and deciding: the rules are functions of values.
		{
			of: []string{"gateway/authz", "gateway/policy", "gateway/lifecycle", "gateway/trust"}, may: []string{"api/..."},
			never: []string{"net", "os", "log", "k8s.io/client-go", "k8s.io/klog", "sigs.k8s.io/controller-runtime"}, noClock: true,
		},
		{of: []string{"gateway/wire"}, may: []string{"api/..."}},
		{of: []string{"gateway/client"}, may: []string{"gateway/wire", "api/..."}},
		{of: []string{"gateway/..."}, may: []string{"gateway/...", "api/..."}},
		// apiextensions has the type of a field that holds any JSON.
		{of: []string{"api/..."}, outside: []string{"k8s.io/apimachinery", "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"}},

		// Shared parts: each stands alone but for what is named here.
		{of: []string{"internal/session"}, may: []string{"bootstrap", "gateway/client", "internal/token", "internal/token/kept"}},
		{of: []string{"internal/state"}, may: []string{"bootstrap"}},
		{of: []string{"internal/state/description"}, may: []string{"bootstrap", "internal/state"}},
		{of: []string{"internal/token"}, may: []string{"internal/token/kept"}},
		// What is asked before the rest of the program is initialized must not wait for it.
		{of: []string{"internal/shortcut"}, may: []string{"bootstrap", "bootstrap/daemon", "internal/state", "internal/token/kept"}, never: []string{"k8s.io", "sigs.k8s.io", "net/http"}},
		// The gateway's own code says why it refuses a token.
		{of: []string{"internal/token/why"}, may: []string{"internal/token", "internal/check", "gateway", "gateway/authn", "gateway/authz", "gateway/registry", "gateway/trust", "api/..."}},
		{of: []string{"internal/check"}, may: []string{"internal/safetext"}},
		{of: []string{"internal/check/machine"}, may: []string{"internal/check"}},
		// The checks of an environment look at all of its parts.
		{of: []string{"internal/doctor"}, may: []string{
			"bootstrap", "bootstrap/daemon", "bootstrap/keycloak", "bootstrap/steps", "gateway", "gateway/...", "api/...", "internal/check", "internal/check/machine",
			"internal/ports", "internal/session", "internal/state", "internal/state/description", "internal/token", "internal/token/kept", "internal/token/why",
		}},
		{of: []string{"internal/progress", "internal/failure"}, may: []string{"internal/safetext"}},
		// Decisions are sent and written down in one place.
		{of: []string{"internal/decide"}, may: []string{"internal/journal", "gateway/client", "gateway/wire", "api/..."}},
		{of: []string{"internal/journal"}, may: []string{"internal/redact", "internal/safetext"}},
		{of: []string{"internal/simulate"}, may: []string{"gateway/client", "gateway/wire", "api/..."}},
		{of: []string{"internal/testkit"}, may: []string{"api/..."}},
		{of: []string{"internal/..."}},
	}
}

// sdk is an SDK and the packages that may import it, so that replacing it is a change in one folder.
type sdk struct {
	prefix string
	homes  []string
}

func sdks() []sdk {
	return []sdk{
		{"sigs.k8s.io/kind", []string{"bootstrap/kindcluster"}},
		{"github.com/google/go-containerregistry", []string{"bootstrap/images"}},
		{"github.com/klauspost/compress", []string{"bootstrap/images"}},
		{"helm.sh/helm", []string{"bootstrap/release"}},
		{"github.com/Nerzal/gocloak", []string{"bootstrap/keycloak"}},
		{"github.com/google/jsonschema-go", []string{"gateway"}},
		{"github.com/coreos/go-oidc", []string{"gateway/authn"}},
		{"github.com/google/cel-go", []string{"gateway/policy"}},
		{"k8s.io/kubernetes/cmd/kube-apiserver", []string{"bootstrap/apiserver"}},
		{"go.etcd.io/etcd/server", []string{"bootstrap/apiserver"}},
		{"k8s.io/kubernetes", []string{"bootstrap/apiserver", "bootstrap/controllers", "bootstrap/kubelet/..."}},
		{"github.com/charmbracelet/bubbletea", []string{"tui/..."}},
		{"github.com/charmbracelet/bubbles", []string{"tui/..."}},
		{"github.com/charmbracelet/lipgloss", []string{"tui/..."}},
		{"github.com/spf13/cobra", []string{"cmd/..."}},
		{"github.com/shirou/gopsutil", []string{"internal/ports", "internal/check/machine", "bootstrap/steps", "test/..."}},
	}
}

// Limits of what is written by hand.
const (
	maxFileLines     = 400
	maxFunctionLines = 60
)
