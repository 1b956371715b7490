//go:build unix

package kept

import (
	"io/fs"
	"os"
	"syscall"
)

// ownedByUser says whether a file belongs to the user this process runs as.
func ownedByUser(info fs.FileInfo) bool {
	st, ok := info.Sys().(*syscall.Stat_t)
	return ok && int64(st.Uid) == int64(os.Geteuid())
}
