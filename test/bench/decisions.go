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
	out, err := b.command(ctx, "token", "aip-agent-1").Output()
	if err != nil {
		return fmt.Errorf("token: %w", err)
	}
	token := strings.TrimSpace(string(out))
	f := figure{name: "POST decided by policy", limit: 0.04}
	for range submissions {
		start := time.Now()
		if err := b.submit(ctx, token, int(b.next.Add(1))); err != nil {
			return err
		}
		f.values = append(f.values, time.Since(start).Seconds())
	}
	b.figures = append(b.figures, f)
	return nil
}

func (b *bench) submit(ctx context.Context, token string, i int) error {
	body, err := json.Marshal(map[string]string{
		"action": "scale-down", "targetURI": fmt.Sprintf("k8s://prod/default/deployment/bench-%d", i), "reason": "bench",
	})
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, b.gateway+"/agent-requests", bytes.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Authorization", "Bearer "+token)
	request.Header.Set("Content-Type", "application/json")
	answer, err := b.client.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = answer.Body.Close() }() // read to its end
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return err
	}
	var state struct {
		Phase string `json:"phase"`
	}
	if err := json.Unmarshal(text, &state); err != nil || answer.StatusCode != http.StatusCreated || state.Phase != "Approved" {
		return fmt.Errorf("submission %d: found %s %s, expected 201 and phase Approved", i, answer.Status, text)
	}
	return nil
}
