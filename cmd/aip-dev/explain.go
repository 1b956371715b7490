package main

import (
	"errors"
	"fmt"
	"strings"

	"al.essio.dev/pkg/shellescape"

	"github.com/aip-dev/aip-dev/bootstrap/daemon"
	"github.com/aip-dev/aip-dev/bootstrap/images"
	"github.com/aip-dev/aip-dev/bootstrap/objects"
	"github.com/aip-dev/aip-dev/bootstrap/steps"
	"github.com/aip-dev/aip-dev/gateway/client"
	"github.com/aip-dev/aip-dev/internal/failure"
	"github.com/aip-dev/aip-dev/internal/journal"
	"github.com/aip-dev/aip-dev/internal/ports"
	"github.com/aip-dev/aip-dev/internal/session"
	"github.com/aip-dev/aip-dev/internal/state"
	"github.com/aip-dev/aip-dev/internal/token"
)

// explain gives an error of a lower layer its exit status and the next commands to type. Errors that have them
// already stay as they are. It is asked once, right before the error is printed.
func (a *app) explain(err error) error {
	var told *failure.Error
	if err == nil || errors.As(err, &told) && told.Code != 0 {
		return err
	}
	if errors.Is(err, state.ErrNotThere) {
		return a.explainNotThere(err)
	}
	for _, rule := range a.rules() {
		if errors.Is(err, rule.class) {
			return failure.Wrap(err, rule.code, rule.next, "")
		}
	}
	return a.explainTyped(err)
}

// explainNotThere says which environments there are besides the one that is not.
func (a *app) explainNotThere(err error) error {
	others, text := a.others(), ""
	if len(others) > 0 {
		text = fmt.Sprintf("%v; there is %s", err, strings.Join(others, ", "))
	}
	var next []string
	for _, name := range near(a.name, others) {
		next = append(next, "aip-dev status --name "+name)
	}
	return failure.Wrap(err, failure.NotFound, append(next, a.command("up"), "aip-dev status --all  # lists the environments that are there"), "%s", text)
}

// rule says what a class of errors means for the person who typed the command.
type rule struct {
	class error
	code  failure.Code
	next  []string
}

func (a *app) rules() []rule {
	up, status := a.command("up"), a.command("status")
	logs := a.command("logs gateway")
	create := []string{"aip-dev bundle create FILE --force  # where the images are, and carry it over anew"}
	return []rule{
		{state.ErrNewer, failure.Failed, []string{"aip-dev version  # install a newer one", a.command("down") + "  # or remove the environment"}},
		{state.ErrDamaged, failure.Failed, []string{up + "  # looks again and writes new facts"}},
		{state.ErrBusy, failure.Conflict, []string{status + "  # and wait for the other command"}},
		{journal.ErrUnusable, failure.Failed, []string{"export XDG_STATE_HOME=DIR  # a folder that you can write"}},
		{state.ErrUnusable, failure.Failed, []string{"export XDG_STATE_HOME=DIR  # a folder that you can write"}},
		{steps.ErrForeign, failure.Conflict, []string{
			"aip-dev up --cluster kind --name another", "kind delete cluster --name " + steps.KindName(a.name) + "  # when nobody needs it",
		}},
		{steps.ErrNoEngine, failure.Failed, []string{steps.EngineFix(steps.ErrNoEngine)}},
		{steps.ErrEnginePermission, failure.Failed, []string{steps.EngineFix(steps.ErrEnginePermission)}},
		{daemon.ErrAlreadyServed, failure.Conflict, []string{status}},
		{daemon.ErrEnded, failure.Failed, []string{a.command("logs serve")}},
		{steps.ErrNodeImage, failure.Failed, []string{
			a.command("up --cluster kind --bundle FILE") + "  # a file of `aip-dev bundle create`, from where the image can be had",
		}},
		{images.ErrNotLinux, failure.Failed, []string{
			a.command("up --cluster kind --gateway-image REPOSITORY:TAG") + "  # that of a release",
			a.command("up --cluster kind --bundle FILE") + "  # written by `aip-dev bundle create` on Linux",
		}},
		{images.ErrNotBundle, failure.Failed, create},
		{images.ErrTruncated, failure.Failed, create},
		{images.ErrDamaged, failure.Failed, create},
		{images.ErrNewerBundle, failure.Failed, []string{"aip-dev version  # install the one that wrote the bundle", create[0]}},
		{session.ErrKubeUnreachable, failure.Failed, []string{up, status}},
		{session.ErrNoSecret, failure.Failed, []string{up + "  # makes the Secret again"}},
		{session.ErrUntold, failure.Failed, []string{a.command("up --client-secret-file CLIENT=FILE"), a.command("token CLIENT --secret-file FILE")}},
		{session.ErrNoGrant, failure.Failed, []string{"get a token from the provider, and send it as Authorization: Bearer TOKEN"}},
		{steps.ErrAPIServer, failure.Failed, []string{"kubectl --context NAME version  # does it answer there", "kubectl config get-contexts"}},
		{steps.ErrEnding, failure.Conflict, []string{"kubectl get namespace  # until it is gone", up}},
		{steps.ErrProvider, failure.Failed, []string{"curl ISSUER/.well-known/openid-configuration  # what it says of itself", up + " --issuer-url ISSUER"}},
		{steps.ErrNoClientSecret, failure.NotFound, []string{"kubectl create secret generic NAME -n " + steps.Namespace + " --from-file=client-secret=FILE"}},
		{token.ErrUnknownClient, failure.Refused, []string{up + "  # configures the realm again"}},
		{token.ErrClientRefused, failure.Refused, []string{up + "  # configures the realm again"}},
		{token.ErrNotOffered, failure.Failed, []string{a.command("token CLIENT") + "  # by client credentials"}},
		{token.ErrNoEndpoint, failure.Failed, []string{up + "  # makes the realm again"}},
		{token.ErrUnreachable, failure.Failed, []string{status, up}},
		{token.ErrIssuerFailed, failure.Failed, []string{a.command("logs issuer")}},
		{client.ErrUnauthorized, failure.Refused, []string{logs + "  # says which claim was wrong", up}},
		{client.ErrNotRegistered, failure.Refused, []string{a.command("agent add AGENT") + "  # registers it", a.command("registration list --all-namespaces") + "  # which agents are registered"}},
		{client.ErrNotAdmitted, failure.Refused, []string{"kubectl get governedresources  # what may be asked for, about which targets"}},
		{client.ErrForbidden, failure.Refused, []string{a.command("agent list") + "  # says who has which role"}},
		{client.ErrNotFound, failure.NotFound, []string{a.command("request list --all-namespaces")}},
		{client.ErrConflict, failure.Conflict, []string{a.command("request list")}},
		{client.ErrUnavailable, failure.Failed, []string{status, logs, up}},
	}
}

// explainTyped handles the errors that carry what was found.
func (a *app) explainTyped(err error) error {
	var unknown *session.UnknownClientError
	var role *steps.RoleError
	var unfit *steps.BundleFitError
	var rollout *steps.RolloutError
	var port *steps.PortError
	var differs *steps.RecreateError
	var taken *ports.TakenError
	var room *steps.RoomError
	if told := a.explainShared(err); told != nil {
		return told
	}
	switch {
	case errors.As(err, &unknown):
		return failure.Wrap(err, failure.NotFound,
			[]string{a.command("agent list"), a.command("agent add " + shellescape.Quote(unknown.ID)), a.command("token " + shellescape.Quote(unknown.ID) + " --secret-file FILE")}, "")
	case errors.As(err, &role):
		return failure.Wrap(err, failure.Failed,
			[]string{a.command("agent add " + role.Client + " --role " + role.Expected), a.command("agent list") + "  # says who has which role"}, "")
	case errors.As(err, &unfit):
		return failure.Wrap(err, failure.Failed, []string{"aip-dev bundle create FILE --force  # with the aip-dev that will use it, where the images are", "aip-dev version"}, "")
	case errors.As(err, &rollout):
		component := "gateway"
		if rollout.Deployment == steps.IdentityName {
			component = "issuer"
		}
		next := []string{a.command("up") + "  # goes on from here", a.command("logs " + component)}
		if rollout.Image != "" && component == "gateway" {
			next = []string{a.command("up --gateway-image REPOSITORY:TAG") + "  # one that the nodes can pull; found " + rollout.Image}
		}
		return failure.Wrap(err, failure.Failed, next, "")
	case errors.As(err, &port):
		return failure.Wrap(err, failure.Conflict, []string{a.command("stop") + " && " + a.command(fmt.Sprintf("up --%s-port %d", port.What, port.Expects))}, "")
	case errors.As(err, &differs):
		return failure.Wrap(err, failure.Conflict, []string{a.command("up --recreate") + "  # shows what is lost, and asks"}, "")
	case errors.As(err, &room):
		return failure.Wrap(err, failure.Failed, []string{room.Failures[0].Fix.Command, a.command("doctor")}, "%v; nothing was made", err)
	case errors.As(err, &taken):
		return failure.Wrap(err, failure.Conflict, []string{a.command("up") + "  # without the port: the next free one is taken"}, "")
	default:
		return err
	}
}

// explainShared handles what is found in a cluster that somebody else made; nil when it is something else.
func (a *app) explainShared(err error) error {
	var context *steps.ContextError
	var rights *steps.MissingRightsError
	var foreign *objects.ForeignError
	var image *steps.NoImageError
	var other *steps.OtherClusterError
	switch {
	case errors.As(err, &context):
		code, name := failure.Usage, "NAME"
		if context.Asked != "" {
			code = failure.NotFound
		}
		if len(context.Known) == 1 {
			name = context.Known[0]
		}
		return failure.Wrap(err, code, []string{a.command("up --cluster existing --context " + name), a.command("up --cluster existing --kubeconfig FILE --context NAME")}, "")
	case errors.As(err, &other):
		return failure.Wrap(err, failure.Conflict, []string{"kubectl config get-contexts", "aip-dev up --cluster existing --context " + other.Context + " --name another"}, "")
	case errors.As(err, &rights):
		return failure.Wrap(err, failure.Refused, []string{"kubectl auth can-i --list  # what the user may do; a cluster-admin may do all of it", a.command("up --cluster embedded")}, "")
	case errors.As(err, &foreign):
		return failure.Wrap(err, failure.Conflict, foreignNext(a, foreign), "")
	case errors.As(err, &image):
		return failure.Wrap(err, failure.Usage, []string{a.command("up --gateway-image REPOSITORY:TAG") + "  # one that the nodes can pull"}, "")
	default:
		return nil
	}
}

// foreignNext says how to go on when something of others is in the way; it is never removed by this program.
func foreignNext(a *app, e *objects.ForeignError) []string {
	switch {
	case e.Of != "":
		return []string{"aip-dev down --name " + e.Of + "  # where that environment was made, or use it from there"}
	case e.Object == "Namespace "+steps.IdentityNamespace:
		return []string{a.command("up --issuer-url URL") + "  # uses the provider that is there, or any other"}
	case strings.HasPrefix(e.Object, "CustomResourceDefinition "):
		return []string{"kubectl get crd " + strings.TrimPrefix(e.Object, "CustomResourceDefinition ") + " -o yaml  # it lacks fields that this version needs; its owner may apply those of the chart"}
	case strings.HasPrefix(e.Object, "Helm release "):
		return []string{"helm list -n " + steps.Namespace + "  # it stays until its owner runs helm uninstall"}
	default:
		return []string{"kubectl get all -n " + steps.Namespace + "  # it stays until its owner removes or renames it"}
	}
}
