package gateway

import (
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
	"github.com/aip-dev/aip-dev/gateway/wire"
	"github.com/aip-dev/aip-dev/internal/testkit"
)

// TestExternalTokens: an approved request gets the tokens that the agent's registration binds to services: those of a
// ServiceAccount, its own, and those that its issuer gives in exchange. The other kinds are refused by name.
func TestExternalTokens(t *testing.T) { //nolint:paralleltest // see start
	kube, err := kubernetes.NewForConfig(testkit.Kube(t))
	check(t, err)
	const account = "external-agent"
	_, err = kube.CoreV1().ServiceAccounts(metav1.NamespaceDefault).Create(t.Context(), &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: account}}, metav1.CreateOptions{})
	check(t, err)
	w := startStrict(t, func(o *Options) {
		o.TokenAccounts = []string{"default/" + account}
		o.ExchangeClientID, o.ExchangeClientSecret = "aip gateway", "exchange-secret:+"
	})
	i := w.Issuer
	exchanged := exchanges(t, i)
	foreign := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(foreign.Close)

	of := func(service string, e v1alpha1.ExternalIdentity) v1alpha1.ExternalIdentity {
		e.Service = service
		return e
	}
	request := func(name string, audiences ...string) v1alpha1.ExternalIdentity {
		return v1alpha1.ExternalIdentity{Type: v1alpha1.ExternalKubernetesTokenRequest, KubernetesTokenRequest: &v1alpha1.KubernetesTokenRequest{
			ServiceAccountName: name, ServiceAccountNamespace: "default", Audiences: audiences,
		}}
	}
	oidc := func(url, audience string) v1alpha1.ExternalIdentity {
		return v1alpha1.ExternalIdentity{Type: v1alpha1.ExternalKubernetesOIDC, KubernetesOIDC: &v1alpha1.KubernetesOIDC{TokenExchangeURL: url, Audience: audience}}
	}
	w.register(t, known, v1alpha1.AgentRegistrationSpec{ExternalIdentities: []v1alpha1.ExternalIdentity{
		of("cluster", request(account)), of("admin", request("default")), of("own", oidc("", "")), of("kubernetes", oidc("", "kubernetes")),
		of("exchange", oidc(i.URL+"/exchange", "vault")), of("refused", oidc(i.URL+"/exchange", "moon")), of("nothing", oidc(i.URL+"/exchange", "nothing")),
		of("moved", oidc(i.URL+"/moved", "vault")), of("foreign", oidc(foreign.URL+"/exchange", "vault")),
		of("secret", v1alpha1.ExternalIdentity{Type: v1alpha1.ExternalStaticSecret, StaticSecret: &v1alpha1.StaticSecret{Namespace: "a", Name: "b", Key: "c"}}),
		of("azure", v1alpha1.ExternalIdentity{Type: v1alpha1.ExternalAzureWorkloadIdentity, AzureWorkloadIdentity: &v1alpha1.AzureWorkloadIdentity{TenantID: "a", ClientID: "b", Scope: "c"}}),
		of("aws", v1alpha1.ExternalIdentity{Type: v1alpha1.ExternalAWSWebIdentity, AWSWebIdentity: &v1alpha1.AWSWebIdentity{RoleARN: "a", RoleSessionName: "b", Region: "c"}}),
	}})
	name := w.approvedAs(t, known)
	bearer := w.Token(t, known)
	ask := func(service string) reply {
		return w.do(t, "POST", w.path(name, "/token"), bearer, `{"service":"`+service+`"}`)
	}
	given := func(service string) wire.Token {
		var out wire.Token
		ask(service).want(t, http.StatusOK, `"service":"`+service+`"`).into(t, &out)
		return out
	}

	token := given("cluster")
	review, err := kube.AuthenticationV1().TokenReviews().Create(t.Context(), &authenticationv1.TokenReview{Spec: authenticationv1.TokenReviewSpec{Token: token.Token}}, metav1.CreateOptions{})
	check(t, err)
	if !review.Status.Authenticated || review.Status.User.Username != "system:serviceaccount:default:"+account || time.Until(token.ExpiresAt.Time) > 11*time.Minute {
		t.Errorf("review %+v, until %s", review.Status, token.ExpiresAt)
	}
	if got := given("own"); got.Token != bearer || got.ExpiresAt == nil {
		t.Error("the agent's own token is another one")
	}
	if got := given("exchange"); got.Token != "exchanged-token-for-vault" || time.Until(got.ExpiresAt.Time) > time.Minute {
		t.Errorf("exchange: %+v", got)
	}
	for service, want := range map[string]struct {
		status int
		text   string
	}{
		"admin":      {http.StatusBadGateway, "ServiceAccount default/default is not among --token-request-service-accounts"},
		"kubernetes": {http.StatusNotImplemented, `KubernetesOIDC with audience \"kubernetes\", which the agent's own token does not have, is not supported by this gateway, which supports that with a tokenExchangeURL`},
		"refused":    {http.StatusBadGateway, "the issuer refused the token exchange: 400 invalid_target"},
		"nothing":    {http.StatusBadGateway, "the issuer answered the token exchange without an access_token"},
		"moved":      {http.StatusBadGateway, "the issuer refused the token exchange: 302"},
		"foreign":    {http.StatusNotImplemented, "nobody else gets their tokens"},
		"secret":     {http.StatusNotImplemented, `an external identity of type StaticSecret (service \"secret\") is not supported by this gateway, which supports KubernetesTokenRequest and KubernetesOIDC`},
		"azure":      {http.StatusNotImplemented, "type AzureWorkloadIdentity"},
		"aws":        {http.StatusNotImplemented, "type AWSWebIdentity"},
	} {
		ask(service).want(t, want.status, want.text)
	}
	if n := len(*exchanged); n != 3 {
		t.Errorf("%d exchanges, expected 3", n)
	}
	w.as(t, known, "GET", w.path(name, ""), "").want(t, http.StatusOK, `"token.issued","token.issued","token.issued"`)
	trail := w.as(t, admin1, "GET", "/audit-records?namespace="+w.ns, "").body
	for what, text := range map[string]string{"bearer": bearer, "ServiceAccount's": token.Token, "exchanged": "exchanged-token-for-vault", "secret": "exchange-secret"} {
		if strings.Contains(w.logs.String(), text) || strings.Contains(trail, text) {
			t.Errorf("the log or the trail holds the %s token", what)
		}
	}
	if !strings.Contains(trail, `"tokenKind":"KubernetesTokenRequest"`) || !strings.Contains(trail, `"service":"exchange"`) {
		t.Errorf("trail %s", trail)
	}
}

// exchanges makes an issuer exchange tokens as RFC 8693 says, and returns the audiences that were asked for.
func exchanges(t *testing.T, i *testkit.Issuer) *[]string {
	t.Helper()
	var asked []string
	i.Mux.Handle("/moved", http.RedirectHandler("/exchange", http.StatusFound))
	i.Mux.HandleFunc("/exchange", func(w http.ResponseWriter, r *http.Request) {
		id, secret, _ := r.BasicAuth()
		if r.ParseForm() != nil || id != "aip+gateway" || secret != "exchange-secret%3A%2B" || r.PostForm.Get("subject_token") == "" ||
			r.PostForm.Get("grant_type") != "urn:ietf:params:oauth:grant-type:token-exchange" ||
			r.PostForm.Get("subject_token_type") != "urn:ietf:params:oauth:token-type:access_token" {
			t.Errorf("exchange with %q, %v", id, slices.Sorted(maps.Keys(r.PostForm)))
		}
		audience := r.PostForm.Get("audience")
		asked = append(asked, audience)
		switch audience {
		case "vault":
			i.Answer(w, map[string]any{"access_token": "exchanged-token-for-vault", "expires_in": 60, "token_type": "Bearer", "issued_token_type": "urn:ietf:params:oauth:token-type:access_token"})
		case "nothing":
			i.Answer(w, map[string]any{"token_type": "Bearer"})
		default:
			w.WriteHeader(http.StatusBadRequest)
			i.Answer(w, map[string]any{"error": "invalid_target", "error_description": r.PostForm.Get("subject_token")})
		}
	})
	return &asked
}
