package kindcluster

import (
	"fmt"
	"strings"

	"sigs.k8s.io/kind/pkg/apis/config/defaults"
	"sigs.k8s.io/kind/pkg/log"
)

const defaultImage = defaults.Image

// logger passes kind's chatter on, a line a call, without the signs that it decorates lines with.
type logger struct{ note func(line string) }

func (l logger) say(text string) {
	for line := range strings.SplitSeq(text, "\n") {
		if strings.HasPrefix(strings.TrimSpace(line), "✓") {
			continue // it was told when it began
		}
		words := strings.Fields(strings.Map(plain, line))
		if n := len(words); n > 0 && words[n-1] == "..." {
			words = words[:n-1]
		}
		if len(words) > 0 {
			l.note(strings.ToLower(words[0][:1]) + strings.Join(words, " ")[1:])
		}
	}
}

// plain drops bullets, ticks and pictures.
func plain(r rune) rune {
	if r > 0x2000 {
		return -1
	}
	return r
}

// Warn, Warnf, Error, Errorf, Info and Infof pass a line on; kind's errors come back as errors as well.
func (l logger) Warn(message string)            { l.say(message) }
func (l logger) Warnf(format string, a ...any)  { l.say(fmt.Sprintf(format, a...)) }
func (l logger) Error(message string)           { l.say(message) }
func (l logger) Errorf(format string, a ...any) { l.say(fmt.Sprintf(format, a...)) }
func (l logger) Info(message string)            { l.say(message) }
func (l logger) Infof(format string, a ...any)  { l.say(fmt.Sprintf(format, a...)) }

// V switches off what is meant for those who debug kind.
func (l logger) V(level log.Level) log.InfoLogger {
	if level > 0 {
		return log.NoopInfoLogger{}
	}
	return l
}

// Enabled says that lines of this level are wanted.
func (l logger) Enabled() bool { return true }
