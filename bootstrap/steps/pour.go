package steps

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/aip-dev/aip-dev/bootstrap"
)

// pour streams an image's archive from where it is to what reads archives, and tells how much has gone. When ctx ends, so
// does the archive.
func pour(ctx context.Context, now func() time.Time, s source, report bootstrap.Reporter, into func(archive io.Reader) error) error {
	report.Note("%s", s.reference)
	read, write := io.Pipe()
	stop := context.AfterFunc(ctx, func() { _ = write.CloseWithError(ctx.Err()) }) // it returns no error
	defer stop()
	ended := make(chan error, 1)
	go func() {
		out := &counted{Writer: write, total: s.size, told: now(), now: now, tell: func(done, total int64) {
			report.Note("%s: %s", s.reference, amount(done, total))
		}}
		err := s.write(ctx, out)
		_ = write.CloseWithError(err) // it returns no error
		ended <- err
	}()
	err := into(read)
	_ = read.CloseWithError(errEnded) // it returns no error; it ends the writer when nobody reads on
	wrote := <-ended
	switch {
	case ctx.Err() != nil && (err != nil || wrote != nil):
		return fmt.Errorf("bring %s: %w", s.reference, ctx.Err())
	case wrote != nil && !errors.Is(wrote, errEnded):
		return wrote
	default:
		return err
	}
}

// errEnded ends a writer whose reader is gone.
var errEnded = errors.New("nobody reads on")

// amount says how much of an image is on its way, in MiB.
func amount(done, total int64) string {
	if total == 0 {
		return fmt.Sprintf("%d MiB", done/mebibyte)
	}
	return fmt.Sprintf("%d of %d MiB", done/mebibyte, total/mebibyte)
}

// counted tells every so often how much was written through it.
type counted struct {
	io.Writer
	total, done int64
	told        time.Time
	now         func() time.Time
	tell        func(done, total int64)
}

// Write passes p on and counts it.
func (c *counted) Write(p []byte) (int, error) {
	n, err := c.Writer.Write(p)
	c.done += int64(n)
	if at := c.now(); at.Sub(c.told) > tellEvery {
		c.told = at
		c.tell(c.done, c.total)
	}
	return n, err
}

// mebibyte is the unit in which people read sizes of images.
const mebibyte = 1 << 20

// tellEvery is how often the progress of an image is told.
const tellEvery = time.Second
