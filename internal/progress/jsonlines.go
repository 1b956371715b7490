package progress

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
)

// jsonLines writes each event as one line of JSON.
type jsonLines struct {
	mu     sync.Mutex
	out    out
	closed bool
}

// NewJSON returns a renderer that writes each Event as one line of JSON (https://jsonlines.org), for programs.
func NewJSON(w io.Writer) Renderer { return &jsonLines{out: out{w: w}} }

func (j *jsonLines) Emit(e Event) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.closed {
		return
	}
	line, err := encode(e)
	if err != nil {
		j.out.err = errors.Join(j.out.err, err)
		return
	}
	j.out.write(string(line))
}

func (j *jsonLines) Close() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.closed = true
	if j.out.err != nil {
		return fmt.Errorf("write the events: %w", j.out.err)
	}
	return nil
}

// encode returns e as a line of JSON. It fails only for a time that RFC 3339 cannot write.
func encode(e Event) ([]byte, error) {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false) // people read these lines too
	if err := encoder.Encode(e); err != nil {
		return nil, fmt.Errorf("encode an event: %w", err)
	}
	return b.Bytes(), nil
}
