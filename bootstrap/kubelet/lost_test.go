package kubelet_test

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"sync/atomic"
	"testing"
)

// loseOne passes requests on and loses the answer to the first patch that says Ready=True.
type loseOne struct {
	next http.RoundTripper
	lost *atomic.Bool
}

func (l loseOne) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Method != http.MethodPatch {
		return l.next.RoundTrip(r)
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	answer, err := l.next.RoundTrip(r)
	if err == nil && bytes.Contains(body, []byte(`"ready":true`)) && l.lost.CompareAndSwap(false, true) {
		return nil, errors.Join(errors.New("the answer is lost"), answer.Body.Close())
	}
	return answer, err
}

func TestStatusIsTrueAfterALostAnswer(t *testing.T) {
	t.Parallel()
	var ready, lost atomic.Bool
	ready.Store(true)
	w := newWorld(t, images{"web": serve(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
		if !ready.Load() {
			http.Error(rw, "not now", http.StatusServiceUnavailable)
		}
	}))})
	w.options.Config.Wrap(func(next http.RoundTripper) http.RoundTripper { return loseOne{next, &lost} })
	w.start()
	w.pod("web", "web", withReadiness)
	w.until("web", isReady)
	if !lost.Load() {
		t.Fatal("no answer was lost")
	}
	ready.Store(false)
	w.stop()
	if pod := w.read("web"); isReady(pod) || app(pod).Ready || app(pod).State.Running != nil {
		t.Errorf("status after a lost answer: %s", describe(pod))
	}
}
