package daemon

import (
	"context"
	"errors"
	"fmt"
	"os"
	ossignal "os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// roleVariable makes this test program one of the processes below, which serve the folder they are started in.
const roleVariable = "AIP_TEST_ROLE"

// Roles of the other process.
const (
	roleServes   = "serves"   // says that it is usable and ends when asked to
	roleStubborn = "stubborn" // is usable and does not end when asked to
	roleSilent   = "silent"   // holds the lease and says nothing
	roleFails    = "fails"    // says why it cannot serve, and ends
	roleEnds     = "ends"     // ends without a word
	rolePrints   = "prints"   // says where it runs, on both outputs, and ends
)

func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == roleVariable {
		os.Exit(play(os.Args[2]))
	}
	os.Exit(m.Run())
}

// play is the other process.
func play(role string) int {
	ended := make(chan os.Signal, 1)
	ossignal.Notify(ended, syscall.SIGTERM)
	switch role {
	case roleEnds:
		return 1
	case rolePrints:
		dir, err := os.Getwd()
		if err != nil {
			return 1
		}
		fmt.Println("out", dir)
		fmt.Fprintln(os.Stderr, "err", syscall.Getpgrp() == os.Getpid())
		return 0
	}
	lease, err := Hold(".")
	if err != nil {
		fmt.Println(err)
		return 1
	}
	s := Status{PID: os.Getpid(), State: Usable, APIPort: 1, GatewayPort: 2, IssuerPort: 3, Since: time.Unix(9, 0).UTC()}
	switch role {
	case roleFails:
		s.State, s.Failure = Failed, "port 8080 is taken"
	case roleSilent:
		<-ended
		return 0
	}
	if err := lease.Say(s); err != nil {
		fmt.Println(err)
		return 1
	}
	for role != roleFails {
		<-ended
		if role != roleStubborn {
			break
		}
	}
	if err := lease.Release(); err != nil {
		fmt.Println(err)
		return 1
	}
	return 0
}

// start starts the other process in dir and sees to it that it ends with the test.
func start(t *testing.T, dir, role string) *Process {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	p, err := Start(program, []string{roleVariable, role}, filepath.Join(dir, "serve.log"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if s, alive, err := Look(dir); err == nil && alive && s.PID > 0 {
			if err := syscall.Kill(s.PID, syscall.SIGKILL); err != nil {
				t.Errorf("end process %d: %v", s.PID, err)
			}
		}
		<-p.ended
	})
	return p
}

// usable starts a process in dir and waits for it.
func usable(t *testing.T, dir, role string) (*Process, Status) {
	t.Helper()
	p := start(t, dir, role)
	s, err := WaitUsable(t.Context(), dir, p)
	if err != nil {
		t.Fatal(err)
	}
	return p, s
}

func deadline(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

func TestServeAndStop(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if _, alive, err := Look(dir); err != nil || alive {
		t.Fatalf("before: alive %t, %v", alive, err)
	}
	p, s := usable(t, dir, roleServes)
	if s.PID == os.Getpid() || s.APIPort != 1 || s.GatewayPort != 2 || s.IssuerPort != 3 || !s.Since.Equal(time.Unix(9, 0)) {
		t.Errorf("status: %+v", s)
	}
	looked, alive, err := Look(dir)
	if err != nil || !alive || looked != s {
		t.Errorf("Look: %+v, alive %t, %v", looked, alive, err)
	}
	if again, err := WaitUsable(t.Context(), dir, nil); err != nil || again != s {
		t.Errorf("a command that did not start it: %+v, %v", again, err)
	}
	for _, name := range []string{statusFile, lockFile, "serve.log"} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: mode %v, expected 0600 (%v)", name, info.Mode(), err)
		}
	}
	if served, err := Stop(deadline(t, 10*time.Second), dir, time.Minute); err != nil || !served {
		t.Errorf("Stop: %t, %v", served, err)
	}
	<-p.ended
	if _, alive, err := Look(dir); err != nil || alive {
		t.Errorf("after: alive %t, %v", alive, err)
	}
	if _, err := os.Stat(filepath.Join(dir, statusFile)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("what it said is still there (%v)", err)
	}
	if served, err := Stop(t.Context(), dir, time.Minute); err != nil || served {
		t.Errorf("Stop when nothing serves: %t, %v", served, err)
	}
}

func TestSecondServerIsRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	_, s := usable(t, dir, roleServes)
	if _, err := Hold(dir); !errors.Is(err, ErrAlreadyServed) {
		t.Errorf("got %v", err)
	}
	if again, alive, err := Look(dir); err != nil || !alive || again != s {
		t.Errorf("the first one was disturbed: %+v, alive %t, %v", again, alive, err)
	}
}

// A process that was killed does not live, whatever its last words were, and they are no news of the next one.
func TestKilledServer(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	p, s := usable(t, dir, roleServes)
	if err := syscall.Kill(s.PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	<-p.ended
	if _, alive, err := Look(dir); err != nil || alive {
		t.Errorf("alive %t, %v", alive, err)
	}
	if _, err := os.Stat(filepath.Join(dir, statusFile)); err != nil {
		t.Fatalf("its last words are gone, so this test shows nothing: %v", err)
	}
	if served, err := Stop(t.Context(), dir, time.Minute); err != nil || served {
		t.Errorf("Stop: %t, %v", served, err)
	}
	lease, err := Hold(dir)
	if err != nil {
		t.Fatal(err)
	}
	if now, alive, err := Look(dir); err != nil || !alive || now.State != Starting || now.PID != os.Getpid() {
		t.Errorf("the next one has said nothing yet: %+v, alive %t, %v", now, alive, err)
	}
	if err := lease.Release(); err != nil {
		t.Error(err)
	}
}

func TestStopKillsAfterTheGrace(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	p, _ := usable(t, dir, roleStubborn)
	began := time.Now()
	if served, err := Stop(deadline(t, 10*time.Second), dir, 50*time.Millisecond); err != nil || !served {
		t.Errorf("Stop: %t, %v", served, err)
	}
	if took := time.Since(began); took < 50*time.Millisecond {
		t.Errorf("it ended after %s, before it was killed", took)
	}
	<-p.ended
	if _, alive, err := Look(dir); err != nil || alive {
		t.Errorf("alive %t, %v", alive, err)
	}
}

func TestStopIsInterrupted(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	usable(t, dir, roleStubborn)
	if served, err := Stop(deadline(t, 50*time.Millisecond), dir, time.Minute); !errors.Is(err, context.DeadlineExceeded) || !served {
		t.Errorf("Stop: %t, %v", served, err)
	}
	if _, alive, err := Look(dir); err != nil || !alive {
		t.Errorf("alive %t, %v", alive, err)
	}
}

// A process that starts can be stopped before it has said a word: the lease names it.
func TestServerThatSaysNothing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	p := start(t, dir, roleSilent)
	if _, err := WaitUsable(deadline(t, 300*time.Millisecond), dir, p); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("WaitUsable: %v", err)
	}
	s, alive, err := Look(dir)
	if err != nil || !alive || s.State != Starting || s.PID <= 0 {
		t.Fatalf("Look: %+v, alive %t, %v", s, alive, err)
	}
	if served, err := Stop(deadline(t, 10*time.Second), dir, time.Minute); err != nil || !served {
		t.Errorf("Stop: %t, %v", served, err)
	}
	<-p.ended
}

func TestEndedWhileItStarted(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if _, err := WaitUsable(t.Context(), dir, start(t, dir, roleEnds)); !errors.Is(err, ErrEnded) {
		t.Errorf("without a word: %v", err)
	}
	if _, err := WaitUsable(t.Context(), dir, nil); !errors.Is(err, ErrEnded) {
		t.Errorf("started by nobody: %v", err)
	}
	p := start(t, dir, roleFails)
	s, err := WaitUsable(t.Context(), dir, p)
	if !errors.Is(err, ErrEnded) || !strings.Contains(err.Error(), "port 8080 is taken") || s.State != Failed {
		t.Errorf("with a reason: %+v, %v", s, err)
	}
	<-p.ended
	// Its reason stays for a while, but not as a reason of the next one.
	if _, err := WaitUsable(t.Context(), dir, start(t, dir, roleEnds)); !errors.Is(err, ErrEnded) || strings.Contains(err.Error(), "8080") {
		t.Errorf("the next one: %v", err)
	}
}

// A server started by hand says nothing of its predecessor's failure while it starts.
func TestHoldForgetsAnOldFailure(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	p := start(t, dir, roleFails)
	<-p.ended
	if s, known := lastWords(dir); !known || s.State != Failed {
		t.Fatalf("no last words, so this test shows nothing: %+v", s)
	}
	lease, err := Hold(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := lease.Release(); err != nil {
			t.Error(err)
		}
	}()
	if s, alive, err := Look(dir); err != nil || !alive || s.State != Starting {
		t.Errorf("%+v, alive %t, %v", s, alive, err)
	}
}

// Those who look at the same time do not take one another for a server. Old files of a server that was killed lie there.
func TestLookersSeeNoServerInOneAnother(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, text := range map[string]string{lockFile: "1", statusFile: `{"pid":1,"state":"usable"}`} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for range 300 {
				if s, alive, err := Look(dir); err != nil || alive {
					t.Errorf("alive %t, %+v, %v", alive, s, err)
					return
				}
			}
		})
	}
	group.Wait()
}

// Looking never keeps a server from starting.
func TestHoldWhileOthersLook(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	done := make(chan struct{})
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			for {
				select {
				case <-done:
					return
				case <-time.After(time.Millisecond):
				}
				if _, _, err := Look(dir); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for range 20 {
		lease, err := Hold(dir)
		if err != nil {
			t.Error(err)
			break
		}
		if err := lease.Release(); err != nil {
			t.Error(err)
		}
	}
	close(done)
	group.Wait()
}

func TestStartDetaches(t *testing.T) {
	t.Parallel()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	<-start(t, dir, rolePrints).ended
	log, err := os.ReadFile(filepath.Join(dir, "serve.log"))
	if want := "out " + dir + "\nerr true\n"; err != nil || string(log) != want {
		t.Errorf("the log says %q, expected %q (%v)", log, want, err)
	}
	<-start(t, dir, rolePrints).ended
	if again, err := os.ReadFile(filepath.Join(dir, "serve.log")); err != nil || len(again) != 2*len(log) {
		t.Errorf("the second run did not append: %q (%v)", again, err)
	}
}

func TestErrors(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	absent := filepath.Join(dir, "absent")
	if _, alive, err := Look(absent); err != nil || alive {
		t.Errorf("no folder: alive %t, %v", alive, err)
	}
	if _, err := Hold(absent); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no folder: %v", err)
	}
	if _, err := Start("/absent/program", nil, filepath.Join(dir, "serve.log")); !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), "/absent/program") {
		t.Errorf("no program: %v", err)
	}
	if _, err := Start(os.Args[0], nil, filepath.Join(absent, "serve.log")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no folder for the log: %v", err)
	}
	lease, err := Hold(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, statusFile), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, alive, err := Look(dir); err == nil || !alive {
		t.Errorf("a damaged status: alive %t, %v", alive, err)
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if err := lease.Release(); err != nil {
		t.Errorf("Release after the folder was removed: %v", err)
	}
}

// Who was told to end is not usable any more, even when the rest of it comes about that moment.
func TestToldToEnd(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	lease, err := Hold(dir)
	if err != nil {
		t.Fatal(err)
	}
	s := Status{PID: os.Getpid(), State: Usable, APIPort: 1}
	if err := errors.Join(lease.Say(s), lease.Stopping(s), lease.Say(s)); err != nil {
		t.Fatal(err)
	}
	if found, alive, err := Look(dir); err != nil || !alive || found.State != Stopping || found.PID != s.PID {
		t.Errorf("found %+v, alive %t, %v; expected a process that is %s", found, alive, err, Stopping)
	}
	if err := errors.Join(lease.Release(), lease.Stopping(s)); err != nil {
		t.Fatal(err)
	}
	if found, alive, err := Look(dir); err != nil || alive || found != (Status{}) {
		t.Errorf("after its end: found %+v, alive %t, %v; expected nothing", found, alive, err)
	}
}
