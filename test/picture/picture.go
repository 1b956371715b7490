// Package picture draws what a terminal shows: lines with colours in, an image out.
package picture

import (
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/charmbracelet/x/ansi"
	"golang.org/x/image/font"
	"golang.org/x/image/font/opentype"
	"golang.org/x/image/math/fixed"
)

// Fonts is where Debian has the letters.
const Fonts = "/usr/share/fonts/truetype/dejavu"

// Painter draws screens with letters of one size.
type Painter struct {
	pixels        int
	regular, bold font.Face
}

// New returns a painter with letters of this height from a folder with DejaVuSansMono.ttf and DejaVuSansMono-Bold.ttf.
func New(fonts string, pixels int) (*Painter, error) {
	p := &Painter{pixels: pixels}
	var err error
	if p.regular, err = p.face(filepath.Join(fonts, "DejaVuSansMono.ttf")); err != nil {
		return nil, err
	}
	p.bold, err = p.face(filepath.Join(fonts, "DejaVuSansMono-Bold.ttf"))
	return p, err
}

func (p *Painter) face(path string) (font.Face, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("%w: on Debian, apt-get install fonts-dejavu-core", err)
	}
	parsed, err := opentype.Parse(data)
	if err != nil {
		return nil, fmt.Errorf("font %s: %w", path, err)
	}
	return opentype.NewFace(parsed, &opentype.FaceOptions{Size: float64(p.pixels), DPI: 72, Hinting: font.HintingFull})
}

// style is how the next characters are drawn.
type style struct {
	fg                   int // of the 16 colours; -1 is the terminal's own
	bold, faint, reverse bool
}

//nolint:gochecknoglobals // constants in all but syntax
var (
	paper = color.RGBA{0x11, 0x13, 0x18, 0xff}
	ink   = color.RGBA{0xd6, 0xda, 0xe0, 0xff}
)

// palette are the 16 colours of a dark terminal.
func palette(n int) color.RGBA {
	return []color.RGBA{
		{0x2a, 0x2d, 0x34, 0xff}, {0xd0, 0x5c, 0x5c, 0xff}, {0x7d, 0xb0, 0x6a, 0xff}, {0xd0, 0xa8, 0x50, 0xff},
		{0x5c, 0x8f, 0xd0, 0xff}, {0xb0, 0x78, 0xc0, 0xff}, {0x4c, 0xb0, 0xb8, 0xff}, {0xc0, 0xc4, 0xcc, 0xff},
		{0x60, 0x64, 0x70, 0xff}, {0xf0, 0x70, 0x70, 0xff}, {0x8c, 0xd8, 0x7c, 0xff}, {0xf0, 0xc8, 0x60, 0xff},
		{0x78, 0xac, 0xf0, 0xff}, {0xd0, 0x98, 0xe0, 0xff}, {0x68, 0xd4, 0xe0, 0xff}, {0xff, 0xff, 0xff, 0xff},
	}[n&15]
}

// Paint draws the lines of a screen.
func (p *Painter) Paint(text string) *image.RGBA {
	advance, _ := p.regular.GlyphAdvance('M')
	cell, line, margin := advance.Ceil(), p.pixels*13/10, p.pixels
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	columns := 0
	for _, l := range lines {
		columns = max(columns, ansi.StringWidth(l))
	}
	picture := image.NewRGBA(image.Rect(0, 0, columns*cell+2*margin, len(lines)*line+2*margin))
	draw.Draw(picture, picture.Bounds(), image.NewUniform(paper), image.Point{}, draw.Src)
	for y, l := range lines {
		s := style{fg: -1}
		x := margin
		for l != "" {
			if strings.HasPrefix(l, "\x1b[") {
				end := strings.IndexByte(l, 'm')
				if end < 0 {
					break
				}
				s.apply(l[2:end])
				l = l[end+1:]
				continue
			}
			cluster, width := ansi.FirstGraphemeCluster(l, ansi.GraphemeWidth)
			l = l[len(cluster):]
			s.draw(picture, cluster, image.Rect(x, margin+y*line, x+width*cell, margin+(y+1)*line), p)
			x += width * cell
		}
	}
	return picture
}

// apply takes in the parameters of one SGR sequence.
// Source: https://invisible-island.net/xterm/ctlseqs/ctlseqs.html#h3-Functions-using-CSI-_-ordered-by-the-final-character_s_
func (s *style) apply(parameters string) {
	all := strings.Split(parameters, ";")
	for i := 0; i < len(all); i++ {
		n, _ := strconv.Atoi(all[i]) // an empty parameter is 0
		switch {
		case n == 0:
			*s = style{fg: -1}
		case n == 1:
			s.bold = true
		case n == 2:
			s.faint = true
		case n == 7:
			s.reverse = true
		case n >= 30 && n <= 37:
			s.fg = n - 30
		case n >= 90 && n <= 97:
			s.fg = n - 90 + 8
		case n == 38 && i+2 < len(all):
			s.fg, _ = strconv.Atoi(all[i+2])
			i += 2
		}
	}
}

// draw puts one character into its cell.
func (s *style) draw(picture draw.Image, cluster string, cell image.Rectangle, p *Painter) {
	front, back := ink, paper
	if s.fg >= 0 {
		front = palette(s.fg)
	}
	if s.faint {
		front.R, front.G, front.B = mix(ink.R, paper.R), mix(ink.G, paper.G), mix(ink.B, paper.B)
	}
	if s.reverse {
		front, back = back, front
	}
	draw.Draw(picture, cell, image.NewUniform(back), image.Point{}, draw.Src)
	in := p.regular
	if s.bold {
		in = p.bold
	}
	d := font.Drawer{Dst: picture, Src: image.NewUniform(front), Face: in, Dot: fixed.P(cell.Min.X, cell.Max.Y-p.pixels*35/100)}
	d.DrawString(cluster)
}

// mix returns what lies between two values, nearer to the first.
func mix(a, b uint8) uint8 { return uint8((int(a)*11 + int(b)*9) / 20) } //nolint:gosec // between two bytes
