package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/aip-dev/aip-dev/gateway"
	"github.com/aip-dev/aip-dev/internal/failure"
	"github.com/aip-dev/aip-dev/internal/session"
)

const (
	// nothingsName stands for {name} in the paths that are tried, and for the namespace: nothing has this name, so nothing is decided.
	nothingsName = "aip-dev-matrix-none"
	// noJSON is a body that cannot be read, so that nothing is created by an endpoint that needs none.
	noJSON = "{"
)

// measured is one line of the matrix: what the gateway answered on one route, by identity.
type measured struct {
	Method string `json:"method"`
	Path   string `json:"path"`
	Does   string `json:"does"`
	// Status is the HTTP status by identity; "nobody" sends no token.
	Status map[string]int `json:"status"`
}

// nobody is the identity that sends no token.
const nobody = "nobody"

func newTokenMatrix(a *app) *cobra.Command {
	c := &cobra.Command{
		Use:   "matrix",
		Short: "Show what each client may do, as the gateway answers",
		Long: "Ask the gateway on every route as every client, and without a token. Nothing is created and nothing decided: bodies\n" +
			"cannot be read and names are of nothing, and the gateway asks for the role before it reads either. So a 400 or a 404\n" +
			"means that the caller was let in.",
		Args: cobra.NoArgs,
	}
	format := outputFlag(c, formatTable, formatJSON)
	c.RunE = func(c *cobra.Command, _ []string) error {
		s, err := a.open(c.Context())
		if err != nil {
			return err
		}
		ids, rows, err := measure(c.Context(), s)
		if err != nil {
			return err
		}
		if *format == formatJSON {
			return a.printJSON(map[string]any{"v": 1, "identities": ids, "routes": rows})
		}
		return a.printMatrix(ids, rows)
	}
	return c
}

// measure asks the gateway on all routes as all clients whose tokens can be had, and as nobody.
func measure(ctx context.Context, s *session.Session) (ids []string, rows []measured, err error) {
	tokens := map[string]string{nobody: ""}
	ids = []string{nobody}
	for _, id := range s.Clients() {
		if !s.Mints(id) {
			continue
		}
		raw, err := s.Source(id).Token(ctx)
		if err != nil {
			return nil, nil, err
		}
		tokens[id], ids = raw, append(ids, id)
	}
	var all sync.WaitGroup
	var mu sync.Mutex
	for _, e := range gateway.Endpoints() {
		row := measured{Method: e.Method, Path: e.Path, Does: e.Does, Status: map[string]int{}}
		rows = append(rows, row)
		for id, raw := range tokens {
			all.Go(func() {
				status, asked := tried(ctx, s.Facts.Gateway.URL, e, raw)
				mu.Lock()
				defer mu.Unlock()
				row.Status[id] = status
				if err == nil {
					err = asked
				}
			})
		}
	}
	all.Wait()
	if err != nil {
		return nil, nil, failure.Wrap(err, failure.Failed, []string{"aip-dev doctor"}, "ask the gateway")
	}
	return ids, rows, nil
}

// tried returns the status of the answer on a route. Streams are left as soon as they begin.
func tried(ctx context.Context, base string, e gateway.Endpoint, raw string) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, issuerLimit)
	defer cancel()
	path := strings.ReplaceAll(strings.ReplaceAll(e.Path, "{name}", nothingsName), "{$}", "")
	var body io.Reader
	if e.Method != http.MethodGet {
		body = strings.NewReader(noJSON)
	}
	request, err := http.NewRequestWithContext(ctx, e.Method, base+path+"?namespace="+nothingsName, body)
	if err != nil {
		return 0, fmt.Errorf("prepare %s %s: %w", e.Method, path, err)
	}
	request.Header.Set("Content-Type", "application/json")
	if raw != "" {
		request.Header.Set("Authorization", "Bearer "+raw)
	}
	answer, err := once().Do(request)
	if err != nil {
		return 0, fmt.Errorf("%s %s: %w", e.Method, path, err)
	}
	_, _ = io.CopyN(io.Discard, answer.Body, 1<<10) // the status is all that is asked for
	_ = answer.Body.Close()                         // it was only read from
	return answer.StatusCode, nil
}

func (a *app) printMatrix(ids []string, rows []measured) error {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "\t%s\t\n", strings.Join(ids, "\t"))
	for _, r := range rows {
		fmt.Fprintf(w, "%s %s", r.Method, r.Path)
		for _, id := range ids {
			fmt.Fprintf(w, "\t%s", verdictOf(r.Status[id]))
		}
		fmt.Fprintf(w, "\t%s\n", r.Does)
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("lay out the table: %w", err)
	}
	b.WriteString("\n✓ let in (400 and 404: the body or the name means nothing)   ✗ refused\n")
	return a.print(b.String())
}

// verdictOf says whether a status let the caller in.
func verdictOf(status int) string {
	sign := "✓ "
	if status == http.StatusUnauthorized || status == http.StatusForbidden {
		sign = "✗ "
	}
	return sign + strconv.Itoa(status)
}
