package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// submissions is how many requests are submitted, one after the other.
const submissions = 100

// decisions measures POST /agent-requests that a policy decides, over one kept connection.
func (b *bench) decisions(ctx context.Context, _ int) error {
	token, err := b.token(ctx)
	if err != nil {
		return err
	}
	f := figure{name: "POST decided by policy", limit: 0.04}
	for range submissions {
		start := time.Now()
		if _, err := b.submit(ctx, token, allowed, "Approved"); err != nil {
			return err
		}
		f.values = append(f.values, time.Since(start).Seconds())
	}
	b.figures = append(b.figures, f)
	return nil
}

// allowed is an action that no policy of the environment is about.
const allowed = "scale-down"

// token returns a new token of the agent.
func (b *bench) token(ctx context.Context) (string, error) {
	out, err := b.command(ctx, "token", "aip-agent-1", "--fresh").Output()
	if err != nil {
		return "", fmt.Errorf("token: %w", err)
	}
	return strings.TrimSpace(string(out)), nil
}

// submit submits a request about a target of its own and returns its name. It must come into phase at once.
func (b *bench) submit(ctx context.Context, token, action, phase string) (name string, err error) {
	body, err := json.Marshal(map[string]string{
		"action": action, "targetURI": fmt.Sprintf("k8s://prod/default/deployment/bench-%d", b.next.Add(1)), "reason": "bench",
	})
	if err != nil {
		return "", err
	}
	status, text, err := b.call(ctx, token, http.MethodPost, "/agent-requests", body)
	if err != nil {
		return "", err
	}
	var state struct {
		Name  string `json:"name"`
		Phase string `json:"phase"`
	}
	if err := json.Unmarshal(text, &state); err != nil || status != http.StatusCreated || state.Phase != phase {
		return "", fmt.Errorf("submission: found %d %s, expected 201 and phase %s", status, text, phase)
	}
	return state.Name, nil
}

// call asks the gateway and returns its answer.
func (b *bench) call(ctx context.Context, token, method, path string, body []byte) (status int, text []byte, err error) {
	request, err := http.NewRequestWithContext(ctx, method, b.gateway+path, bytes.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	request.Header.Set("Authorization", "Bearer "+token)
	request.Header.Set("Content-Type", "application/json")
	answer, err := b.client.Do(request)
	if err != nil {
		return 0, nil, err
	}
	defer func() { _ = answer.Body.Close() }() // read to its end
	text, err = io.ReadAll(answer.Body)
	return answer.StatusCode, text, err
}
