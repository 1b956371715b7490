package queue

import (
	"fmt"
	"math/rand/v2"
	"slices"
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
	// about is the first request of the form that is open, -1 for none; was is the one before.
	about, was int
	// allowed are the decisions that the user sent, as name and version; checked is how many calls were looked at.
	allowed map[call]bool
	checked int
	sizes   [][2]int
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
					desk: newDesk(t, 120, 36, Options{Hold: time.Duration(seed%2) * time.Second}), allowed: map[call]bool{}, random: rand.New(rand.NewPCG(seed, 1)), next: 1000, seen: -1, about: -1,
					sizes: [][2]int{{120, 36}, {80, 20}, {100, 12}, {60, 11}},
				}
				for range steps {
					c.step()
					c.checkSent()
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
		"j", "j", "k", "home", "G", "n", "J", "pgdown", "ctrl+f", "tab", "1", "6", "enter", "esc", "jjk", "jd",
		" ", " ", "v", "g", "u", "u", "esc",
		"a", "a", "a", "d", "d", "d", "ctrl+a", "ctrl+a",
	}
	if c.about >= 0 {
		keys = []string{"x", "a", "d", "1", "2", "enter", "enter", "enter", "enter", "esc"}
	}
	key := keys[c.random.IntN(len(keys))]
	highlighted, about, before := c.highlighted(), c.about, len(c.sent(0))
	open, held, marked := c.queue.form, slices.Clone(c.queue.held), c.markedOnScreen()
	c.Press(key)

	c.was, c.about = c.about, -1
	if c.queue.form != nil {
		c.about = number(c.T, strings.TrimPrefix(c.queue.form.item().Name, "r-"))
		if about < 0 {
			c.formOpened(highlighted, marked)
		}
	}
	switch sent := c.sent(before); {
	case open != nil && c.queue.form == nil && key == "enter":
		c.allow(open, highlighted)
		if c.highlighted() != highlighted {
			c.jumped = time.Now() // the cursor went on to the next
		}
	case len(sent) > 0:
		c.Errorf("key %q sent %v", key, sent)
	}
	if key == "u" && len(c.queue.held) < len(held) {
		taken := held[len(held)-1]
		for _, item := range taken.items {
			delete(c.allowed, call{item.Name, item.ResourceVersion, taken.approve})
		}
	}
	c.look(true)
}

// allow notes what the user sent, and checks that it is what is or was on the screen.
func (c *chaos) allow(f *form, highlighted int) {
	if !f.marked && highlighted >= 0 && highlighted != c.was {
		c.Errorf("sent was %d, highlighted was %d", c.was, highlighted)
	}
	for _, item := range f.items {
		c.allowed[call{item.Name, item.ResourceVersion, f.approve}] = true
	}
}

// checkSent checks that nothing left the queue but what the user sent.
func (c *chaos) checkSent() {
	for _, sent := range c.sent(c.checked) {
		c.checked++
		if !c.allowed[sent] {
			c.Errorf("%v was sent by nobody", sent)
		}
	}
}

// markedOnScreen returns the requests with a mark, as the screen shows them; ok is false when it does not show all.
func (c *chaos) markedOnScreen() map[string]bool {
	marked := map[string]bool{}
	for _, line := range strings.Split(c.queue.View(), "\n") {
		if m := actionPattern.FindStringSubmatch(line); m != nil && strings.Contains(line, c.queue.Look.Marked) {
			marked["r-"+m[1]] = true
		}
	}
	return marked
}

// formOpened checks what the form is about.
func (c *chaos) formOpened(highlighted int, marked map[string]bool) {
	if quiet := time.Since(c.jumped); quiet < restTime {
		c.Errorf("the form opened %s after the highlight moved by itself", quiet)
	}
	items := c.queue.form.items
	if c.queue.form.marked {
		names := map[string]bool{}
		for _, item := range items {
			names[item.Name] = true
		}
		for name := range marked {
			if !names[name] {
				c.Errorf("%s is marked and the form is not about it", name)
			}
		}
		return
	}
	if !strings.Contains(c.prompt(), fmt.Sprintf("x%05d", c.about)) {
		c.Errorf("the form does not name request %d", c.about)
	}
	if highlighted >= 0 && highlighted != c.about {
		c.Errorf("the form is about request %d, highlighted was %d", c.about, highlighted)
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
