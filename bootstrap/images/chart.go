package images

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"io/fs"
	"path"
	"time"
)

// PackChart returns a chart as Helm packs it: its files below a folder of this name, compressed with gzip. The same
// files give the same archive.
func PackChart(chart fs.FS, name string) ([]byte, error) {
	var out bytes.Buffer
	zip := gzip.NewWriter(&out)
	files := tar.NewWriter(zip)
	err := fs.WalkDir(chart, ".", func(file string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		data, err := fs.ReadFile(chart, file)
		if err != nil {
			return err
		}
		err = files.WriteHeader(&tar.Header{
			Typeflag: tar.TypeReg, Name: path.Join(name, file), Size: int64(len(data)), Mode: 0o644, //nolint:mnd // read by all
			ModTime: time.Unix(0, 0), Format: tar.FormatUSTAR,
		})
		if err == nil {
			_, err = files.Write(data)
		}
		return err
	})
	if err == nil {
		err = files.Close()
	}
	if err == nil {
		err = zip.Close()
	}
	if err != nil {
		return nil, fmt.Errorf("pack chart %s: %w", name, err)
	}
	return out.Bytes(), nil
}

// SameChart reports whether two packed charts hold the same files; how well they are compressed makes no difference.
func SameChart(a, b []byte) bool {
	first, err := unzip(a)
	if err != nil {
		return false
	}
	second, err := unzip(b)
	return err == nil && bytes.Equal(first, second)
}

func unzip(data []byte) ([]byte, error) {
	zip, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(io.LimitReader(zip, maxFile))
}
