package lifecycle

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/kubectl-lab/kubectl-lab/cmd/labcluster/internal/cluster"
)

const logPollInterval = 200 * time.Millisecond

// Logs returns the names of the logs of the cluster in dir.
func Logs(dir cluster.Dir) ([]string, error) {
	if _, err := cluster.Load(dir); err != nil {
		return nil, err
	}
	files, err := os.ReadDir(dir.LogDir())
	if err != nil {
		return nil, fmt.Errorf("look for logs: %w", err)
	}
	var names []string
	for _, file := range files {
		if name, ok := strings.CutSuffix(file.Name(), ".log"); ok {
			names = append(names, name)
		}
	}
	return names, nil
}

// WriteLog writes the last tail lines (all if negative) of a component's log to out, and goes on
// with what is added if follow, until ctx ends.
func WriteLog(ctx context.Context, dir cluster.Dir, component string, tail int, follow bool, out io.Writer) error {
	names, err := Logs(dir)
	if err != nil {
		return err
	}
	if !slices.Contains(names, component) {
		return fmt.Errorf("no log of %q; there are: %s", component, strings.Join(names, ", "))
	}
	file, err := os.Open(dir.LogFile(filepath.Base(component)))
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	if err := seekTail(file, tail); err != nil {
		return err
	}
	for {
		if _, err := io.Copy(out, file); err != nil {
			return err
		}
		if !follow {
			return nil
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(logPollInterval):
		}
		if file, err = reopenIfReplaced(file); err != nil {
			return err
		}
	}
}

// seekTail goes to where the last n lines start.
func seekTail(file *os.File, n int) error {
	if n < 0 {
		return nil
	}
	end, err := file.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	const block = 8 << 10
	newlines := 0
	for position := end; position > 0; {
		size := min(position, block)
		position -= size
		data := make([]byte, size)
		if _, err := file.ReadAt(data, position); err != nil {
			return err
		}
		for i := bytes.LastIndexByte(data, '\n'); i >= 0; i = bytes.LastIndexByte(data[:i], '\n') {
			if newlines++; newlines > n {
				_, err := file.Seek(position+int64(i)+1, io.SeekStart)
				return err
			}
		}
	}
	_, err = file.Seek(0, io.SeekStart)
	return err
}

// reopenIfReplaced returns the file that is at file's path now.
func reopenIfReplaced(file *os.File) (*os.File, error) {
	if stillThere(file, file.Name()) {
		return file, nil
	}
	next, err := os.Open(file.Name())
	if errors.Is(err, fs.ErrNotExist) {
		return file, nil // not there yet, or the cluster is gone
	}
	if err != nil {
		return file, err
	}
	_ = file.Close()
	return next, nil
}
