package fakegateway

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/aip-dev/aip-dev/api/v1alpha1"
	"github.com/aip-dev/aip-dev/gateway/client"
	"github.com/aip-dev/aip-dev/gateway/wire"
)

// Handler serves the gateway over HTTP.
func (g *Gateway) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /whoami", func(w http.ResponseWriter, r *http.Request) {
		who, err := g.Whoami(r.Context())
		answer(w, who, err)
	})
	mux.HandleFunc("GET /agent-requests", func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("watch") == "true" {
			g.stream(w, r)
			return
		}
		all, err := g.List(r.Context(), client.ListOptions{})
		answer(w, all, err)
	})
	mux.HandleFunc("GET /safety-policies", func(w http.ResponseWriter, r *http.Request) {
		all, err := g.AllSafetyPolicies(r.Context())
		answer(w, v1alpha1.SafetyPolicyList{Items: all}, err)
	})
	mux.HandleFunc("GET /audit-records", func(w http.ResponseWriter, r *http.Request) {
		all, err := g.AuditRecords(r.Context(), client.AuditOptions{})
		answer(w, map[string]any{"items": all}, err)
	})
	mux.HandleFunc("GET /agent-requests/{name}", func(w http.ResponseWriter, r *http.Request) {
		state, err := g.Get(r.Context(), r.URL.Query().Get("namespace"), r.PathValue("name"))
		answer(w, state, err)
	})
	mux.HandleFunc("POST /agent-requests/{name}/{decision}", func(w http.ResponseWriter, r *http.Request) {
		var review wire.Review
		if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, wire.MaxBodyBytes)).Decode(&review); err != nil {
			answer(w, nil, refuse(http.StatusBadRequest, "invalid request body"))
			return
		}
		reviewed, err := g.decide(r.URL.Query().Get("namespace"), r.PathValue("name"), review,
			r.PathValue("decision") == "approve")
		answer(w, reviewed, err)
	})
	return mux
}

// stream sends the events as server-sent events, as wire.Event describes them.
func (g *Gateway) stream(w http.ResponseWriter, r *http.Request) {
	g.mu.Lock()
	err := g.answering()
	g.mu.Unlock()
	if err != nil {
		answer(w, nil, err)
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	flush := http.NewResponseController(w).Flush
	if err := flush(); err != nil {
		return // the reader is gone
	}
	synced := false
	// An error here means that the reader is gone or the stream was ended; the connection closes either way.
	_ = g.Watch(r.Context(), client.ListOptions{}, func(e wire.Event) error {
		data := []byte("{}")
		if e.Object != nil {
			var err error
			if data, err = json.Marshal(e.Object); err != nil {
				return fmt.Errorf("encode the request: %w", err)
			}
		}
		if _, err := fmt.Fprintf(w, "event: %s\ndata: %s\n\n", e.Type, data); err != nil {
			return fmt.Errorf("write the event: %w", err)
		}
		if synced = synced || e.Type == wire.EventSynced; !synced {
			return nil // more comes at once
		}
		return flush()
	})
}

// answer writes body, or err as the gateway writes errors.
func answer(w http.ResponseWriter, body any, err error) {
	status := http.StatusOK
	if err != nil {
		status = http.StatusServiceUnavailable
		var refusal *client.StatusError
		if errors.As(err, &refusal) {
			status = refusal.StatusCode
		}
		body = wire.Error{Message: err.Error()}
		if refusal != nil {
			body = wire.Error{Message: refusal.Message}
		}
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // the reader may be gone; there is nobody else to tell
}
