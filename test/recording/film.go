package main

import (
	"fmt"
	"image"
	"image/color"
	"image/gif"
	"os"
	"slices"
	"time"

	"github.com/aip-dev/aip-dev/test/picture"
)

const (
	// pixels is the height of letters.
	pixels = 15
	// together is how long what the program writes counts as one frame.
	together = 60 * time.Millisecond
	// tick is the unit of time of GIF, ending how long the last frame stays.
	tick   = 10 * time.Millisecond
	ending = 5 * time.Second
)

// frame is a screen and how long it is shown.
type frame struct {
	text  string
	shown time.Duration
}

// frames plays a recording.
func frames(events []event) []frame {
	s := &screen{lines: make([]string, rows)}
	var all []frame
	for i, e := range events {
		s.write(e.data)
		shown := ending
		if i+1 < len(events) {
			shown = events[i+1].at - e.at
		}
		text := s.text()
		switch {
		case len(all) > 0 && (all[len(all)-1].text == text || all[len(all)-1].shown < together):
			all[len(all)-1].text = text
			all[len(all)-1].shown += shown
		default:
			all = append(all, frame{text, shown})
		}
	}
	return all
}

// writeFilm draws a recording as an animated GIF. Of each frame but the first only what changed is in it.
func writeFilm(path, fonts string, events []event) error {
	painter, err := picture.New(fonts, pixels)
	if err != nil {
		return err
	}
	var pictures []*image.RGBA
	film := &gif.GIF{}
	for _, f := range frames(events) {
		pictures = append(pictures, painter.Paint(f.text))
		film.Delay = append(film.Delay, int(f.shown/tick))
	}
	colours := palette(pictures)
	index := map[color.RGBA]uint8{}
	for i, p := range pictures {
		area := p.Bounds()
		if i > 0 {
			area = changed(pictures[i-1], p)
		}
		small := image.NewPaletted(area, colours)
		for y := area.Min.Y; y < area.Max.Y; y++ {
			for x := area.Min.X; x < area.Max.X; x++ {
				c := p.RGBAAt(x, y)
				n, known := index[c]
				if !known {
					n = uint8(colours.Index(c)) //nolint:gosec // of 256
					index[c] = n
				}
				small.SetColorIndex(x, y, n)
			}
		}
		film.Image = append(film.Image, small)
		film.Disposal = append(film.Disposal, gif.DisposalNone)
	}
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	if err := gif.EncodeAll(file, film); err != nil {
		return fmt.Errorf("encode the film: %w", err)
	}
	return file.Close()
}

// palette are the 256 colours that are there most.
func palette(pictures []*image.RGBA) color.Palette {
	count := map[color.RGBA]int{}
	for _, p := range pictures {
		for i := 0; i < len(p.Pix); i += 4 {
			count[color.RGBA{p.Pix[i], p.Pix[i+1], p.Pix[i+2], p.Pix[i+3]}]++
		}
	}
	all := make([]color.RGBA, 0, len(count))
	for c := range count {
		all = append(all, c)
	}
	slices.SortFunc(all, func(a, b color.RGBA) int {
		if n := count[b] - count[a]; n != 0 {
			return n
		}
		return slices.Compare([]uint8{a.R, a.G, a.B}, []uint8{b.R, b.G, b.B})
	})
	colours := make(color.Palette, 0, 256)
	for _, c := range all[:min(len(all), 256)] {
		colours = append(colours, c)
	}
	return colours
}

// changed is the smallest rectangle with everything that differs; one dot when nothing does.
func changed(before, after *image.RGBA) image.Rectangle {
	var area image.Rectangle
	bounds := after.Bounds()
	for y := bounds.Min.Y; y < bounds.Max.Y; y++ {
		for x := bounds.Min.X; x < bounds.Max.X; x++ {
			if before.RGBAAt(x, y) != after.RGBAAt(x, y) {
				area = area.Union(image.Rect(x, y, x+1, y+1))
			}
		}
	}
	if area.Empty() {
		return image.Rect(0, 0, 1, 1)
	}
	return area
}
