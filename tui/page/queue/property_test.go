package queue

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aip-dev/aip-dev/tui/feed"
)

// chaos does random things to a queue and remembers what the user saw.
type chaos struct {
	*desk
	random *rand.Rand
	next   int
	// seen is the highlighted request after the last step, -1 for none, and version what of it was shown.
	seen    int
	version string
	// jumped is when the highlight last changed without a key of the user that moves it.
	jumped time.Time
	// about is the request whose form is open, -1 for none.
	about int
	sizes [][2]int
}

// What is decided is what was highlighted, whatever comes and goes; and nothing is decided within the rest after the
// highlight moved by itself.
func TestDecidedIsHighlighted(t *testing.T) {
	t.Parallel()
	const steps = 2500
	for seed := range uint64(4) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c := &chaos{
					desk: newDesk(t, 120, 36, Options{}), random: rand.New(rand.NewPCG(seed, 1)), next: 1000, seen: -1, about: -1,
					sizes: [][2]int{{120, 36}, {80, 20}, {100, 12}, {60, 11}},
				}
				for range steps {
					c.step()
					if t.Failed() {
						t.Fatalf("seed %d\n%s\n%s", seed, c.queue.View(), c.prompt())
					}
				}
				if decided := len(c.gateway.Decisions()); decided < steps/100 {
					t.Errorf("only %d decisions were made, the test proves little", decided)
				}
			})
		})
	}
}

func (c *chaos) step() {
	switch n := c.random.IntN(100); {
	case n < 45:
		c.key()
		return
	case n < 70:
		c.world()
	case n < 75:
		size := c.sizes[c.random.IntN(len(c.sizes))]
		c.queue.Resize(size[0], size[1])
	case n < 80:
		c.snapshot.Mode = []feed.Mode{feed.Live, feed.Live, feed.Live, feed.Polling, feed.Away, feed.Connecting}[c.random.IntN(6)]
		c.Send(c.snapshot)
	default:
		c.slow = time.Duration(c.random.IntN(300)) * time.Millisecond
		c.Wait(time.Duration(c.random.IntN(2500)) * time.Millisecond)
	}
	c.look(false)
}

// world lets requests come, go and change. Now and then the queue learns of it late.
func (c *chaos) world() {
	switch c.random.IntN(6) {
	case 0, 1, 2:
		c.next++
		n := c.next
		if c.random.IntN(4) == 0 {
			n = c.random.IntN(1000) // older than most
		}
		c.gateway.Put(item(n).AgentRequest)
	case 3:
		c.gateway.Remove(uid(c.pick()))
	case 4:
		c.gateway.Settle(uid(c.pick()), "bob", "no", c.random.IntN(2) == 0)
	default:
		changed := item(c.pick())
		changed.Spec.Reason = fmt.Sprint("changed ", c.random.Int())
		c.gateway.Put(changed.AgentRequest)
	}
	if c.random.IntN(4) > 0 {
		c.refresh()
	}
}

// pick returns a request that exists, often the highlighted one.
func (c *chaos) pick() int {
	if len(c.snapshot.Items) == 0 || c.seen >= 0 && c.random.IntN(3) == 0 {
		return max(c.seen, 0)
	}
	at := c.random.IntN(len(c.snapshot.Items))
	return number(c.T, strings.TrimPrefix(c.snapshot.Items[at].Name, "r-"))
}

// key presses a key, with the checks that belong to it.
func (c *chaos) key() {
	keys := []string{
		"j", "j", "k", "g", "G", "n", "J", "pgdown", "ctrl+f", "tab", "enter", "esc", "jjk", "jd",
		"a", "a", "a", "d", "d", "d", "ctrl+a", "ctrl+a",
	}
	if c.about >= 0 {
		keys = []string{"x", "a", "d", "enter", "enter", "enter", "enter", "esc"}
	}
	key := keys[c.random.IntN(len(keys))]
	highlighted, about, before := c.highlighted(), c.about, len(c.sent(0))
	c.Press(key)

	c.about = -1
	if c.queue.form != nil {
		c.about = number(c.T, strings.TrimPrefix(c.queue.form.item.Name, "r-"))
		if about < 0 {
			c.formOpened(highlighted)
		}
	}
	switch sent := c.sent(before); {
	case len(sent) == 0:
	case len(sent) > 1 || key != "enter" || about < 0:
		c.Errorf("key %q sent %v", key, sent)
	case sent[0].name != fmt.Sprintf("r-%05d", about) || highlighted >= 0 && highlighted != about:
		c.Errorf("sent was %v, the form was about %d, highlighted was %d", sent[0], about, highlighted)
	default:
		c.jumped = time.Now() // the cursor went on to the next
	}
	c.look(true)
}

// formOpened checks what the form is about.
func (c *chaos) formOpened(highlighted int) {
	if !strings.Contains(c.prompt(), fmt.Sprintf("x%05d", c.about)) {
		c.Errorf("the form does not name request %d", c.about)
	}
	if highlighted >= 0 && highlighted != c.about {
		c.Errorf("the form is about request %d, highlighted was %d", c.about, highlighted)
	}
	if quiet := time.Since(c.jumped); quiet < restTime {
		c.Errorf("the form opened %s after the highlight moved by itself", quiet)
	}
}

// look notes what is highlighted after a step.
func (c *chaos) look(byKey bool) {
	if version := c.queue.preview.shown.version; version != c.version {
		c.version = version
		if !byKey {
			c.jumped = time.Now()
		}
	}
	if c.queue.whole {
		return
	}
	now := c.highlighted()
	if !byKey && now != c.seen {
		if c.seen >= 0 && now >= 0 {
			c.Errorf("the highlight went from %d to %d by itself", c.seen, now)
		}
		c.jumped = time.Now()
	}
	c.seen = now
}
