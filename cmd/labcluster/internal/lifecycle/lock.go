package lifecycle

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"github.com/kubectl-lab/kubectl-lab/cmd/labcluster/internal/supervisor"
)

// lock is a lock on a file that its holder's end releases, however it ends.
type lock struct{ file *os.File }

const lockInterval = 100 * time.Millisecond

// errLocked tells that somebody else holds a lock.
var errLocked = errors.New("locked")

// acquire waits for the lock at path.
func acquire(ctx context.Context, path string) (*lock, error) {
	for {
		held, err := tryAcquire(path)
		if !errors.Is(err, errLocked) {
			return held, err
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("wait for another labcluster command on this cluster: %w", ctx.Err())
		case <-time.After(lockInterval):
		}
	}
}

// tryAcquire takes the lock at path, or returns errLocked.
func tryAcquire(path string) (*lock, error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = file.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, errLocked
		}
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	if !stillThere(file, path) { // the one before removed the cluster
		_ = file.Close()
		return nil, errLocked
	}
	return &lock{file}, nil
}

func stillThere(file *os.File, path string) bool {
	held, err := file.Stat()
	if err != nil {
		return false
	}
	found, err := os.Stat(path)
	return err == nil && os.SameFile(held, found)
}

// sign writes into the file who holds the lock.
func (l *lock) sign() error {
	self, err := supervisor.FindProcess(os.Getpid())
	if err != nil {
		return err
	}
	data, err := json.Marshal(self)
	if err != nil {
		return err
	}
	if err := l.file.Truncate(0); err != nil {
		return err
	}
	_, err = l.file.WriteAt(data, 0)
	return err
}

// readHolder returns who signed the lock at path last.
func readHolder(path string) (supervisor.Process, error) {
	var holder supervisor.Process
	data, err := os.ReadFile(path)
	if err != nil {
		return holder, err
	}
	return holder, json.Unmarshal(data, &holder)
}

// release gives the lock back.
func (l *lock) release() { _ = l.file.Close() }
