package state

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// holdVariable makes this test program a process that locks the folder it names until its standard input ends.
const holdVariable = "AIP_TEST_HOLD"

func TestMain(m *testing.M) {
	if path := os.Getenv(holdVariable); path != "" {
		os.Exit(hold(path))
	}
	os.Exit(m.Run())
}

func hold(path string) int {
	unlock, err := Folder{Path: path, Name: "aip"}.Lock()
	if err != nil {
		fmt.Println(err)
		return 1
	}
	defer unlock()
	fmt.Println("held")
	bufio.NewScanner(os.Stdin).Scan()
	return 0
}

// holder starts another process that holds the lock of f.
func holder(t *testing.T, f Folder) *exec.Cmd {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := exec.CommandContext(t.Context(), program)
	c.Env = append(os.Environ(), holdVariable+"="+f.Path)
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.StdinPipe(); err != nil { // held open until the process ends
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	if lines.Scan(); lines.Text() != "held" {
		t.Fatalf("the other process said %q", lines.Text())
	}
	return c
}

// While another process holds the lock, the error names it; kill -9 frees the lock at once.
func TestLockOfAnotherProcess(t *testing.T) {
	t.Parallel()
	f := folder(t)
	other := holder(t, f)
	_, err := f.Lock()
	if !errors.Is(err, ErrBusy) || !strings.Contains(err.Error(), fmt.Sprintf("(process %d)", other.Process.Pid)) {
		t.Errorf("got %v, expected that process %d is busy", err, other.Process.Pid)
	}
	if err := other.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = other.Wait() // it was killed
	unlock, err := f.Lock()
	if err != nil {
		t.Fatalf("after the other process was killed: %v", err)
	}
	if data, err := os.ReadFile(f.Path + "/command.lock"); err != nil || string(data) != fmt.Sprintln(os.Getpid()) {
		t.Errorf("the lock says %q, expected this process (%v)", data, err)
	}
	unlock()
	again, err := f.Lock()
	if err != nil {
		t.Fatalf("after it was freed: %v", err)
	}
	again()
}

func TestLockNamesNobodyItDoesNotKnow(t *testing.T) {
	t.Parallel()
	f := folder(t)
	unlock, err := f.Lock()
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	write(t, f.Path+"/command.lock", "")
	if _, err := f.Lock(); !errors.Is(err, ErrBusy) || !strings.HasSuffix(err.Error(), "(another process)") {
		t.Errorf("got %v", err)
	}
}

func TestLockWithoutAFolder(t *testing.T) {
	t.Parallel()
	if _, err := In(t.TempDir(), "absent").Lock(); !errors.Is(err, ErrUnusable) {
		t.Errorf("got %v", err)
	}
}
