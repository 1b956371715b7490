package journal

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/gowebpki/jcs"
)

// seal returns an entry as its line, without the line break, and the hash that the line ends up with.
func seal(e Entry) (line []byte, hash string, err error) {
	e.Hash = ""
	bare, err := canonical(e)
	if err != nil {
		return nil, "", err
	}
	e.Hash = digest(bare)
	line, err = canonical(e)
	return line, e.Hash, err
}

func canonical(v any) ([]byte, error) {
	data, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("encode: %w", err)
	}
	data, err = jcs.Transform(data)
	if err != nil {
		return nil, fmt.Errorf("encode: %w", err)
	}
	return data, nil
}

func digest(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// What can be wrong with a line by itself.
var (
	errNoEntry  = errors.New("it is no entry of a journal")
	errNotOwn   = errors.New("it is not what its hash says")
	errRewriten = errors.New("it is written in another way than the journal writes")
)

// opened returns the entry of a line that says of itself that it was not changed. It looks at the line's own text, so
// that what this version does not know is not lost.
func opened(line []byte) (Entry, error) {
	var e Entry
	var fields map[string]any
	if json.Unmarshal(line, &e) != nil || json.Unmarshal(line, &fields) != nil || e.Entry < 1 || e.Hash == "" {
		return e, errNoEntry
	}
	same, err := jcs.Transform(line)
	if err != nil || !bytes.Equal(same, line) {
		return e, errRewriten
	}
	delete(fields, "hash")
	bare, err := canonical(fields)
	if err != nil || digest(bare) != e.Hash {
		return e, errNotOwn
	}
	return e, nil
}

// endOf returns the last line that is an entry.
func endOf(data []byte) head {
	lines := bytes.Split(bytes.TrimSuffix(data, []byte("\n")), []byte("\n"))
	for i := len(lines) - 1; i >= 0; i-- {
		var e Entry
		if json.Unmarshal(lines[i], &e) == nil && e.Entry > 0 && e.Hash != "" {
			return head{Entry: e.Entry, Hash: e.Hash}
		}
	}
	return head{}
}
