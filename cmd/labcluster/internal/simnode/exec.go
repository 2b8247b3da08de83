package simnode

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	utilexec "k8s.io/utils/exec"
)

// cannotExecute is the exit code of a shell for a command that it can't run (POSIX, 2.8.2).
const cannotExecute = 126

// answer is what a command in a simulated container says. Nothing is ever executed.
type answer struct {
	out, err string
	code     int
}

// answer makes up what the few harmless commands would say, and tells of all others that they
// were not run.
func (s simulation) answer(command []string) answer {
	if len(command) == 0 {
		return answer{err: "no command", code: cannotExecute}
	}
	args := strings.Join(command[1:], " ")
	switch command[0] {
	case "true":
		return answer{}
	case "false":
		return answer{code: 1}
	case "echo":
		return answer{out: args}
	case "hostname":
		return answer{out: s.hostname()}
	case "date":
		return answer{out: time.Now().UTC().Format(time.UnixDate)}
	case "env", "printenv":
		return answer{out: strings.Join(s.environment(), "\n")}
	case "cat":
		if args == "/etc/hostname" {
			return answer{out: s.hostname()}
		}
	}
	return answer{
		err: fmt.Sprintf("%s: the pod is simulated, so this was not run: %s",
			s.pod.Name, strings.Join(command, " ")),
		code: cannotExecute,
	}
}

func (s simulation) hostname() string {
	switch {
	case s.pod.Spec.HostNetwork:
		return s.pod.Spec.NodeName
	case s.pod.Spec.Hostname != "":
		return s.pod.Spec.Hostname
	default:
		return s.pod.Name
	}
}

// environment returns what is known without reading anything else: plain values, no Secrets.
func (s simulation) environment() []string {
	env := []string{
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
		"HOSTNAME=" + s.hostname(),
	}
	for _, variable := range s.container.Env {
		if variable.ValueFrom == nil {
			env = append(env, variable.Name+"="+variable.Value)
		}
	}
	return append(env, "KUBERNETES_SERVICE_HOST=10.233.0.1", "KUBERNETES_SERVICE_PORT=443", "HOME=/root")
}

func (a answer) write(out, errOut io.Writer) error {
	for _, stream := range []struct {
		to   io.Writer
		text string
	}{{out, a.out}, {errOut, a.err}} {
		if stream.text == "" || stream.to == nil {
			continue
		}
		if _, err := fmt.Fprintln(stream.to, stream.text); err != nil {
			return err
		}
	}
	if a.code != 0 {
		return utilexec.CodeExitError{Err: errors.New("exit status " + fmt.Sprint(a.code)), Code: a.code}
	}
	return nil
}
