package inventory

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// oracle is a running ansible that answers questions, see testdata/oracle.py.
type oracle struct {
	t  testing.TB
	mu sync.Mutex
	in io.Writer
	r  *bufio.Reader
}

// ansiblePython returns the interpreter that the ansible-inventory on PATH runs in. Without ansible
// the test is skipped, but not in CI: there hack/install-deps.sh has installed it.
func ansiblePython(t testing.TB) string {
	t.Helper()
	program, err := exec.LookPath("ansible-inventory")
	if err != nil {
		const reason = "ansible-inventory is not on PATH; install it with hack/install-deps.sh"
		if os.Getenv("CI") == "true" {
			t.Fatal(reason)
		}
		t.Skip(reason)
	}
	data, err := os.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	first, _, _ := strings.Cut(string(data), "\n")
	fields := strings.Fields(strings.TrimPrefix(first, "#!"))
	if len(fields) == 0 {
		t.Fatalf("%s has no #! line", program)
	}
	return fields[len(fields)-1]
}

// startOracle starts ansible with the given ansible.cfg.
func startOracle(t testing.TB, config string) *oracle {
	t.Helper()
	python := ansiblePython(t)
	dir := t.TempDir()
	cfg := filepath.Join(dir, "ansible.cfg")
	if err := os.WriteFile(cfg, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	script, err := filepath.Abs(filepath.Join("testdata", "oracle.py"))
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(python, script)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "ANSIBLE_CONFIG="+cfg, "HOME="+dir, "ANSIBLE_NOCOLOR=1", "PYTHONIOENCODING=utf-8", "PYTHONWARNINGS=ignore", "LC_ALL=C.UTF-8")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		if err := cmd.Wait(); err != nil {
			t.Errorf("the oracle ended badly: %v\n%s", err, stderr.String())
		}
	})
	return &oracle{t: t, in: in, r: bufio.NewReader(out)}
}

// ask returns the answer as JSON, or ok=false if ansible's code raised an error.
func (o *oracle) ask(op string, in any) (answer json.RawMessage, failure string) {
	o.t.Helper()
	o.mu.Lock()
	defer o.mu.Unlock()
	request, err := json.Marshal(map[string]any{"op": op, "in": in})
	if err != nil {
		o.t.Fatal(err)
	}
	if _, err := o.in.Write(append(request, '\n')); err != nil {
		o.t.Fatal(err)
	}
	line, err := o.r.ReadBytes('\n')
	if err != nil {
		o.t.Fatalf("ask ansible %s %q: %v", op, in, err)
	}
	var reply struct {
		OK    json.RawMessage `json:"ok"`
		Error string          `json:"error"`
	}
	if err := json.Unmarshal(line, &reply); err != nil {
		o.t.Fatalf("read ansible's answer: %v\n%s", err, line)
	}
	return reply.OK, reply.Error
}

// plain turns a value into what encoding/json makes of ansible's output, nothing redacted.
func plain(v Value) any {
	var out any
	switch x := v.v.(type) {
	case []Value:
		items := make([]any, 0, len(x))
		for _, item := range x {
			items = append(items, plain(item))
		}
		return items
	case *mapping:
		m := map[string]any{}
		for _, e := range x.entries {
			m[e.Key] = plain(e.Value)
		}
		return m
	case vaultText:
		return map[string]any{"__ansible_vault": string(x)}
	case float64:
		if math.IsInf(x, 0) || math.IsNaN(x) {
			return pythonFloat(x)
		}
		return json.Number(pythonFloat(x))
	case string:
		out = x
		if v.flags&flagUnsafe != 0 {
			out = map[string]any{"__ansible_unsafe": x}
		}
		return out
	case bool:
		return x
	case nil:
		return nil
	}
	return json.Number(jsonKey(v))
}

// decode reads JSON with its numbers as they are written.
func decode(t testing.TB, data []byte) any {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		t.Fatalf("decode ansible's JSON: %v\n%s", err, data)
	}
	return v
}
