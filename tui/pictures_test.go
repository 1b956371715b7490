package tui

import (
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/muesli/termenv"

	"github.com/aip-dev/aip-dev/tui/internal/fakegateway"
	"github.com/aip-dev/aip-dev/tui/theme"
)

// pictures is where TestPictures writes; `make pictures` gives it and draws what is there.
var pictures = flag.String("pictures", "", "folder in which the main screens are written, with their colours")

// TestPictures writes the main screens as the terminal gets them.
func TestPictures(t *testing.T) {
	t.Parallel()
	if *pictures == "" {
		t.Skip("no -pictures")
	}
	colours := theme.Options{Profile: termenv.ANSI256, Background: theme.Dark}
	for name, do := range map[string]func(*screen){
		"queue": func(s *screen) {
			for i, agent := range []string{"deployer", "cost-bot"} {
				s.gateway.Put(fakegateway.Pending("new-"+agent, agent, "rollback", "k8s://prod/web/deployment/checkout", "error rate doubled", time.Now().Add(time.Duration(i)*time.Second)))
			}
			s.Wait(3 * time.Second)
			s.Press("home", "j", "j", "j", "j", "j", "j")
		},
		"deny":  func(s *screen) { s.Press("G", "d", "1") },
		"group": func(s *screen) { s.Press("j", "g", "d") },
		"audit": func(s *screen) {
			s.Press("d", "1", "enter")
			s.Wait(2 * time.Second)
			s.Press("A")
			s.Wait(time.Second)
		},
	} {
		t.Run(name, func(t *testing.T) {
			onScreen(t, 120, 34, 14, colours, nil, func(s *screen) {
				do(s)
				s.Wait(2 * time.Second)
				if err := os.WriteFile(filepath.Join(*pictures, name+".ansi"), []byte(s.root.View()+"\n"), 0o644); err != nil {
					t.Fatal(err)
				}
			})
		})
	}
}
