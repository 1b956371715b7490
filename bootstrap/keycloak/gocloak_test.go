package keycloak_test

import (
	"errors"
	"net/http"
	"testing"

	"github.com/Nerzal/gocloak/v13"
)

// must ends the test when a call failed.
func must(t *testing.T, what string, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}

// gocloakTo returns gocloak as it comes, and an administrator's token.
func gocloakTo(t *testing.T, s *site) (*gocloak.GoCloak, string) {
	t.Helper()
	api := gocloak.NewClient(s.url)
	login, err := api.LoginAdmin(t.Context(), "admin", password, "master")
	must(t, "log in", err)
	return api, login.AccessToken
}

// TestGocloakAdministersTheIssuer makes gocloak's own calls, also those that the package does not need, and checks that
// the library understands every answer as it understands Keycloak's.
func TestGocloakAdministersTheIssuer(t *testing.T) {
	t.Parallel()
	s := start(t)
	api, token := gocloakTo(t, s)
	ctx := t.Context()
	name, err := api.CreateRealm(ctx, token, gocloak.RealmRepresentation{Realm: gocloak.StringP("aip"), Enabled: gocloak.BoolP(true)})
	if must(t, "create realm", err); name != "aip" {
		t.Errorf("created realm %q", name)
	}
	realms, err := api.GetRealms(ctx, token)
	if must(t, "list realms", err); len(realms) != 2 {
		t.Errorf("%d realms", len(realms))
	}
	must(t, "update realm", api.UpdateRealm(ctx, token, gocloak.RealmRepresentation{Realm: &name, DisplayName: gocloak.StringP("AIP")}))

	client := gocloak.Client{ClientID: gocloak.StringP("agent"), Secret: gocloak.StringP("s"), ServiceAccountsEnabled: gocloak.BoolP(true)}
	id, err := api.CreateClient(ctx, token, name, client)
	must(t, "create client", err)
	got, err := api.GetClient(ctx, token, name, id)
	if must(t, "get client", err); gocloak.PString(got.ClientID) != "agent" || gocloak.PString(got.ID) != id {
		t.Errorf("client %s %s", gocloak.PString(got.ClientID), gocloak.PString(got.ID))
	}
	must(t, "send the client back", api.UpdateClient(ctx, token, name, *got))
	renewed, err := api.RegenerateClientSecret(ctx, token, name, id)
	must(t, "renew secret", err)
	secret, err := api.GetClientSecret(ctx, token, name, id)
	if must(t, "get secret", err); *secret.Value != *renewed.Value || *secret.Value == "s" {
		t.Error("the renewed secret is another one")
	}

	must(t, "delete client", api.DeleteClient(ctx, token, name, id))
	must(t, "delete realm", api.DeleteRealm(ctx, token, name))
	_, err = api.GetRealm(ctx, token, name)
	var refused *gocloak.APIError
	if !errors.As(err, &refused) || refused.Code != http.StatusNotFound || refused.Message != "404 Not Found: Realm not found." {
		t.Errorf("a deleted realm: %v", err)
	}
}

func TestGocloakMapsAndMints(t *testing.T) {
	t.Parallel()
	s := applied(t)
	api, token := gocloakTo(t, s)
	ctx, name := t.Context(), "aip"
	id, err := api.CreateClient(ctx, token, name, gocloak.Client{
		ClientID: gocloak.StringP("agent"), Secret: gocloak.StringP("s"), ServiceAccountsEnabled: gocloak.BoolP(true),
	})
	must(t, "create client", err)
	mapper := gocloak.ProtocolMapperRepresentation{
		Name: gocloak.StringP("m"), Protocol: gocloak.StringP("openid-connect"), ProtocolMapper: gocloak.StringP("oidc-audience-mapper"),
		Config: &map[string]string{"included.custom.audience": "one", "access.token.claim": "true"},
	}
	mapperID, err := api.CreateClientProtocolMapper(ctx, token, name, id, mapper)
	must(t, "create mapper", err)
	(*mapper.Config)["included.custom.audience"], mapper.ID = "two", &mapperID
	must(t, "update mapper", api.UpdateClientProtocolMapper(ctx, token, name, id, mapperID, mapper))

	minted, err := api.LoginClient(ctx, "agent", "s", name, "openid") // client_secret_basic
	must(t, "log in as client", err)
	parsed, claims, err := api.DecodeAccessToken(ctx, minted.AccessToken, name) // fetches the keys and verifies
	must(t, "verify token", err)
	if aud, err := claims.GetAudience(); err != nil || !parsed.Valid || len(aud) != 2 || aud[0] != "two" || minted.IDToken == "" {
		t.Errorf("audience %v, %v", aud, err)
	}
	public, err := api.GetIssuer(ctx, name)
	if must(t, "realm information", err); gocloak.PString(public.Realm) != name || gocloak.PString(public.PublicKey) == "" {
		t.Errorf("realm information: %+v", public)
	}

	must(t, "delete mapper", api.DeleteClientProtocolMapper(ctx, token, name, id, mapperID))
}
