package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/aip-dev/aip-dev/bootstrap/daemon"
	"github.com/aip-dev/aip-dev/bootstrap/images"
	"github.com/aip-dev/aip-dev/bootstrap/steps"
	"github.com/aip-dev/aip-dev/gateway/client"
	"github.com/aip-dev/aip-dev/internal/failure"
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
	if errors.Is(err, context.Canceled) {
		return failure.Wrap(err, failure.Interrupted, []string{a.command("up") + "  # goes on from here"}, "interrupted")
	}
	for _, rule := range a.rules() {
		if errors.Is(err, rule.class) {
			return failure.Wrap(err, rule.code, rule.next, "")
		}
	}
	return a.explainTyped(err)
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
		{state.ErrNotThere, failure.NotFound, []string{up, "aip-dev status --all  # lists the environments that are there"}},
		{state.ErrNewer, failure.Failed, []string{"aip-dev version  # install a newer one", a.command("down") + "  # or remove the environment"}},
		{state.ErrDamaged, failure.Failed, []string{up + "  # looks again and writes new facts"}},
		{state.ErrBusy, failure.Conflict, []string{status + "  # and wait for the other command"}},
		{state.ErrUnusable, failure.Failed, []string{"export XDG_STATE_HOME=DIR  # a folder that you can write"}},
		{daemon.ErrAlreadyServed, failure.Conflict, []string{status}},
		{daemon.ErrEnded, failure.Failed, []string{a.command("logs serve")}},
		{steps.ErrNodeImage, failure.Failed, []string{
			a.command("up --cluster kind --bundle FILE") + "  # a file of `aip-dev bundle create`, from where the image can be had",
		}},
		{images.ErrNotBundle, failure.Failed, create},
		{images.ErrTruncated, failure.Failed, create},
		{images.ErrDamaged, failure.Failed, create},
		{images.ErrNewerBundle, failure.Failed, []string{"aip-dev version  # install the one that wrote the bundle", create[0]}},
		{session.ErrKubeUnreachable, failure.Failed, []string{up, status}},
		{session.ErrNoSecret, failure.Failed, []string{up + "  # makes the Secret again"}},
		{token.ErrUnknownClient, failure.Refused, []string{up + "  # configures the realm again"}},
		{token.ErrClientRefused, failure.Refused, []string{up + "  # configures the realm again"}},
		{token.ErrNoEndpoint, failure.Failed, []string{up + "  # makes the realm again"}},
		{token.ErrUnreachable, failure.Failed, []string{status, up}},
		{token.ErrIssuerFailed, failure.Failed, []string{a.command("logs issuer")}},
		{client.ErrInvalid, failure.Usage, []string{"aip-dev request submit --help"}},
		{client.ErrUnauthorized, failure.Refused, []string{logs + "  # says which claim was wrong", up}},
		{client.ErrForbidden, failure.Refused, []string{status + "  # lists the clients and their roles"}},
		{client.ErrNotFound, failure.NotFound, []string{a.command("request list --all-namespaces")}},
		{client.ErrConflict, failure.Conflict, []string{a.command("request list")}},
		{client.ErrUnavailable, failure.Failed, []string{status, logs, up}},
	}
}

// explainTyped handles the errors that carry what was found.
func (a *app) explainTyped(err error) error {
	var unknown *session.UnknownClientError
	var unfit *steps.BundleFitError
	var rollout *steps.RolloutError
	var port *steps.PortError
	var taken *ports.TakenError
	switch {
	case errors.As(err, &unknown):
		return failure.Wrap(err, failure.NotFound,
			[]string{a.command("status") + "  # lists the clients", a.command("token " + unknown.ID + " --secret-file FILE")}, "")
	case errors.As(err, &unfit):
		return failure.Wrap(err, failure.Failed, []string{"aip-dev bundle create FILE --force  # with the aip-dev that will use it, where the images are", "aip-dev version"}, "")
	case errors.As(err, &rollout):
		component := "gateway"
		if rollout.Deployment == steps.IdentityName {
			component = "issuer"
		}
		return failure.Wrap(err, failure.Failed, []string{a.command("up") + "  # goes on from here", a.command("logs " + component)}, "")
	case errors.As(err, &port):
		return failure.Wrap(err, failure.Conflict, []string{a.command("stop") + " && " + a.command(fmt.Sprintf("up --%s-port %d", port.What, port.Expects))}, "")
	case errors.As(err, &taken):
		return failure.Wrap(err, failure.Conflict, []string{a.command("up") + "  # without the port: the next free one is taken"}, "")
	default:
		return err
	}
}
