// Package shortcut prints a token that is kept while the program still starts. Scripts run `aip-dev token CLIENT` before every
// request, and what the packages of an API server and of Helm do as they are initialized takes several times as long as the
// answer. docs/adr/0008-a-kept-token-comes-first.md says why it is here.
//
// It answers what the whole program would answer with the same code for state, process and kept tokens, or nothing at all: what
// is out of the ordinary is left to the whole program. A package is initialized as soon as those are that it imports, in the order
// of import paths (https://go.dev/ref/spec#Program_initialization), so it imports none that are large.
package shortcut

import (
	"io"
	"os"
	"strings"
	"time"

	"github.com/aip-dev/aip-dev/bootstrap"
	"github.com/aip-dev/aip-dev/bootstrap/daemon"
	"github.com/aip-dev/aip-dev/internal/state"
	"github.com/aip-dev/aip-dev/internal/token/kept"
)

// The initialization of this package is when it is asked. What cannot be written is left to the program, which says why.
func init() { //nolint:gochecknoinits // what it is for, see above
	if text, ok := Answer(os.Args, os.Getenv, time.Now); ok {
		if _, err := io.WriteString(os.Stdout, text); err == nil {
			os.Exit(0)
		}
	}
}

// Answer returns what a command line prints, when it asks for a kept token and for nothing else: token CLIENT, with --header and
// --name.
func Answer(args []string, getenv func(string) string, now func() time.Time) (text string, ok bool) {
	asked, ok := parse(args)
	if !ok || bootstrap.ValidateName(asked.environment) != nil {
		return "", false
	}
	root, err := state.Root(getenv)
	if err != nil {
		return "", false
	}
	folder := state.In(root, asked.environment)
	facts, err := folder.Facts()
	if err != nil || facts.Gateway.URL == "" {
		return "", false
	}
	if facts.Cluster.Served() {
		if _, alive, err := daemon.Look(folder.Path); err != nil || !alive {
			return "", false
		}
	}
	t, ok := kept.NewFileCache(folder.Tokens(), now).Get(facts.Name, asked.client)
	if !ok {
		return "", false
	}
	if asked.header {
		return t.Header() + "\n", true
	}
	return t.Raw + "\n", true
}

// question is a command line that is understood here.
type question struct {
	client, environment string
	header              bool
}

func parse(args []string) (q question, ok bool) {
	const least = 3 // aip-dev token CLIENT
	if len(args) < least || args[1] != "token" {
		return q, false
	}
	q.environment = bootstrap.DefaultName
	for rest := args[2:]; len(rest) > 0; rest = rest[1:] {
		name, named := strings.CutPrefix(rest[0], "--name=")
		switch {
		case named:
			q.environment = name
		case rest[0] == "--name" && len(rest) > 1:
			q.environment, rest = rest[1], rest[1:]
		case rest[0] == "--header":
			q.header = true
		case strings.HasPrefix(rest[0], "-"), q.client != "":
			return q, false
		default:
			q.client = rest[0]
		}
	}
	return q, q.client != "" && !Subcommand(q.client)
}

// Subcommand reports whether a word after token is a command of its own and no client.
func Subcommand(word string) bool {
	switch word {
	case "inspect", "verify", "why", "break", "matrix", "help":
		return true
	default:
		return false
	}
}
