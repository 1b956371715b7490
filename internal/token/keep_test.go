package token_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aip-dev/aip-dev/internal/token"
)

var start = time.Unix(1_700_000_000, 0)

func TestNothingPrintsItself(t *testing.T) {
	t.Parallel()
	tok := token.Token{Raw: "raw-value", Expiry: start}
	request := token.Request{TokenURL: "http://x", ClientID: "agent", ClientSecret: "raw-value"}
	source := token.NewSource(func(context.Context) (token.Token, error) { return tok, nil }, nil)
	var b bytes.Buffer
	for _, v := range []any{tok, &tok, request, &request, []any{tok, request}, map[string]any{"t": tok}, struct{ T *token.Token }{&tok}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
			fmt.Fprintf(&b, verb, v)
		}
		slog.New(slog.NewTextHandler(&b, nil)).Info("x", "v", v)
		slog.New(slog.NewJSONHandler(&b, nil)).Info("x", "v", v)
	}
	if _, err := source.Token(t.Context()); err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(&b, "%v %+v", source, source)
	if err := json.NewEncoder(&b).Encode(map[string]any{"t": tok}); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(b.String(), "raw-value") || strings.Contains(b.String(), fmt.Sprintf("%x", "raw-value")) {
		t.Errorf("printed: %s", b.String())
	}
	if got := tok.String(); got != "token [redacted] until 2023-11-14T22:13:20Z" {
		t.Errorf("String: %s", got)
	}
}

func TestSource(t *testing.T) {
	t.Parallel()
	now, minted := start, 0
	source := token.NewSource(func(context.Context) (token.Token, error) {
		minted++
		return token.Token{Raw: fmt.Sprintf("t%d", minted), Expiry: now.Add(300 * time.Second)}, nil
	}, func() time.Time { return now })
	if _, ok := source.Current(); ok {
		t.Error("a new source has a token")
	}
	for _, step := range []struct {
		after time.Duration
		want  string
	}{{0, "t1"}, {269 * time.Second, "t1"}, {270 * time.Second, "t2"}, {271 * time.Second, "t2"}} {
		now = start.Add(step.after)
		if got, err := source.Token(t.Context()); err != nil || got != step.want {
			t.Errorf("after %v: %q, %v, expected %q", step.after, got, err, step.want)
		}
	}
	if cur, ok := source.Current(); !ok || cur.Raw != "t2" {
		t.Errorf("current: %v", ok)
	}
	source.Forget()
	if got, err := source.Token(t.Context()); err != nil || got != "t3" {
		t.Errorf("after Forget: %q, %v", got, err)
	}
}

func TestSourceFailsAndRecovers(t *testing.T) {
	t.Parallel()
	down, fail := errors.New("down"), true
	source := token.NewSource(func(context.Context) (token.Token, error) {
		if fail {
			return token.Token{}, down
		}
		return token.Token{Raw: "t", Expiry: start.Add(time.Hour)}, nil
	}, func() time.Time { return start })
	if _, err := source.Token(t.Context()); !errors.Is(err, down) {
		t.Errorf("got %v", err)
	}
	fail = false
	if got, err := source.Token(t.Context()); err != nil || got != "t" {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestSourceMintsOnceForMany(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		minted, release := 0, make(chan struct{})
		source := token.NewSource(func(context.Context) (token.Token, error) {
			<-release
			minted++
			return token.Token{Raw: "t", Expiry: start.Add(time.Hour)}, nil
		}, func() time.Time { return start })
		for range 50 {
			go func() {
				if got, err := source.Token(t.Context()); err != nil || got != "t" {
					t.Errorf("got %q, %v", got, err)
				}
			}()
		}
		synctest.Wait() // one mints, all others wait for it
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := source.Token(gone); !errors.Is(err, context.Canceled) {
			t.Errorf("an impatient caller got %v", err)
		}
		close(release)
		synctest.Wait()
		if minted != 1 {
			t.Errorf("minted %d times", minted)
		}
	})
}
