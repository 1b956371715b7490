package gateway

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"strings"
	"sync"
)

// maxLogValue bounds one value of a log line, in bytes: agents choose how long their texts are.
const maxLogValue = 512

// NewLogger returns a logger that writes one plain line per record: the message, so that people find it with grep,
// then the rest as key=value. Values cannot break out of their line.
func NewLogger(w io.Writer) *slog.Logger { return NewLoggerFrom(w, slog.LevelInfo) }

// NewLoggerFrom is NewLogger for records from a level on.
func NewLoggerFrom(w io.Writer, level slog.Level) *slog.Logger {
	h := &lineHandler{mu: &sync.Mutex{}, out: w, line: &bytes.Buffer{}}
	h.rest = slog.NewTextHandler(h.line, &slog.HandlerOptions{ReplaceAttr: shorten, Level: level})
	return slog.New(h)
}

// lineHandler puts the message in front of what slog's own text format makes of the rest.
type lineHandler struct {
	mu   *sync.Mutex // guards line and out, for all handlers that were derived from one
	out  io.Writer
	line *bytes.Buffer
	rest slog.Handler
}

// Enabled reports whether records of this level are written.
func (h *lineHandler) Enabled(ctx context.Context, level slog.Level) bool {
	return h.rest.Enabled(ctx, level)
}

// Handle writes one line.
func (h *lineHandler) Handle(ctx context.Context, r slog.Record) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.line.Reset()
	h.line.WriteString(strings.Join(strings.FieldsFunc(r.Message, isBreak), " ") + " ")
	r.Message = ""
	if err := h.rest.Handle(ctx, r); err != nil {
		return err //nolint:wrapcheck // a handler hands on the error of the handler below it
	}
	_, err := h.out.Write(h.line.Bytes())
	return err //nolint:wrapcheck // as above
}

// WithAttrs and WithGroup derive a handler.
func (h *lineHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &lineHandler{mu: h.mu, out: h.out, line: h.line, rest: h.rest.WithAttrs(attrs)}
}

// WithGroup is described at WithAttrs.
func (h *lineHandler) WithGroup(name string) slog.Handler {
	return &lineHandler{mu: h.mu, out: h.out, line: h.line, rest: h.rest.WithGroup(name)}
}

func isBreak(r rune) bool { return r == '\n' || r == '\r' }

// shorten drops the message, which stands at the front already, and cuts long values.
func shorten(groups []string, a slog.Attr) slog.Attr {
	if len(groups) == 0 && a.Key == slog.MessageKey {
		return slog.Attr{}
	}
	if a.Value.Kind() == slog.KindAny {
		if err, ok := a.Value.Any().(error); ok {
			a.Value = slog.StringValue(err.Error())
		}
	}
	if a.Value.Kind() == slog.KindString && len(a.Value.String()) > maxLogValue {
		a.Value = slog.StringValue(strings.ToValidUTF8(a.Value.String()[:maxLogValue], "") + "...")
	}
	return a
}
