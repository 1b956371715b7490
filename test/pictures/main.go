// Command pictures draws screens of the review queue for the README: files with terminal colours in, PNG files out.
// `make pictures` runs it with what the queue's test writes.
package main

import (
	"flag"
	"fmt"
	"image"
	"image/png"
	"os"
	"path/filepath"
	"strings"

	"github.com/aip-dev/aip-dev/test/picture"
)

// pixels is the height of letters.
const pixels = 20

func main() {
	fonts := flag.String("fonts", picture.Fonts, "folder with DejaVuSansMono.ttf and DejaVuSansMono-Bold.ttf")
	out := flag.String("out", "docs/pictures", "folder for the pictures")
	flag.Parse()
	if err := run(*fonts, *out, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func run(fonts, out string, files []string) error {
	painter, err := picture.New(fonts, pixels)
	if err != nil {
		return err
	}
	for _, path := range files {
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		name := strings.TrimSuffix(filepath.Base(path), filepath.Ext(path)) + ".png"
		if err := write(filepath.Join(out, name), painter.Paint(string(text))); err != nil {
			return err
		}
	}
	return nil
}

func write(path string, picture image.Image) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil { //nolint:gosec // pictures of the documentation
		return err
	}
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }() // Encode's error tells
	return png.Encode(file, picture)
}
