package actions

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubectl-lab/kubectl-lab/pkg/document"
)

const deploymentManifest = `apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: nginx}, {name: side, image: nginx}]}
`

func TestLogs(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.must(t, "create pod p --serve-hostname --wait --image "+nginx)

	result := l.must(t, "logs p").(*LogsResult)
	if len(result.Containers) != 1 || result.Containers[0].Name != "p" || !strings.Contains(result.Containers[0].Text, "image "+nginx) {
		t.Errorf("got %+v", result)
	}
	block, ok := result.Document().Blocks[0].(document.Preformatted)
	if !ok || block.Text != result.Containers[0].Text {
		t.Errorf("document %+v", result.Document())
	}
	if result := l.must(t, "logs pod/p --tail 1").(*LogsResult); strings.Count(result.Containers[0].Text, "\n") != 1 {
		t.Errorf("--tail 1: %q", result.Containers[0].Text)
	}
	if result := l.must(t, "logs p -c init").(*LogsResult); result.Containers[0].Name != "init" {
		t.Errorf("-c init: %+v", result)
	}
	if result := l.must(t, "logs p --all-containers").(*LogsResult); len(result.Containers) != 2 {
		t.Errorf("--all-containers: %+v", result)
	}
	if result := l.must(t, "logs p --timestamps --since 1h").(*LogsResult); !strings.HasPrefix(result.Containers[0].Text, "20") {
		t.Errorf("--timestamps: %q", result.Containers[0].Text)
	}
	_, err := l.run(t.Context(), "logs p -c nope")
	wantError(t, err, ExitFailed, "pod \"p\" has no container \"nope\"\n→ it has: init, p")
	_, err = l.run(t.Context(), "logs p --previous")
	wantError(t, err, ExitFailed, "container \"p\" of pod \"p\" has no previous run\n→ leave out --previous")
	_, err = l.run(t.Context(), "logs nope")
	wantError(t, err, ExitFailed, "pod \"nope\" not found\n→ see what there is: kubectl lab get pods")
}

func TestLogsStreamed(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.must(t, "create pod p --serve-hostname --wait --image "+nginx)
	options, err := parse("logs p --all-containers --tail 1")
	if err != nil {
		t.Fatal(err)
	}
	options.(Streamer).SetStreaming(true)
	result, err := options.Run(t.Context(), l.Env)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSuffix(l.events.output(), "\n"), "\n")
	if len(lines) != 2 || !strings.HasPrefix(lines[0], "[p/init] ") || !strings.HasPrefix(lines[1], "[p/p] ") {
		t.Errorf("output %q", lines)
	}
	if blocks := result.Document().Blocks; len(blocks) != 0 {
		t.Errorf("the streamed text is repeated: %+v", blocks)
	}
}

func TestLogsFollow(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.must(t, "create pod p --wait --image "+nginx)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	var said strings.Builder // a line may come in a piece of its own
	l.events.tell = func(e Event) {
		if output, ok := e.(Output); ok {
			said.WriteString(output.Text)
		}
		if strings.Contains(said.String(), "image "+nginx) {
			cancel()
		}
	}
	_, err := l.run(ctx, "logs p -f")
	if Explain(err) == nil || Explain(err).Code != ExitInterrupted {
		t.Errorf("got %v", err)
	}
	if !strings.Contains(l.events.output(), "image "+nginx) {
		t.Errorf("output %q", l.events.output())
	}
}

func TestLogsOfWorkloads(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.write("m.yml", deploymentManifest)
	l.must(t, "create -f m.yml")
	l.must(t, "create service web --port 80 --selector app=web")
	eventually(t, "the pods run", func() bool {
		pods, err := l.client.CoreV1().Pods(l.namespace).List(t.Context(), metav1.ListOptions{LabelSelector: "app=web"})
		return err == nil && len(pods.Items) == 2 && !slices.ContainsFunc(pods.Items, func(p corev1.Pod) bool { return p.Status.Phase != corev1.PodRunning })
	})
	for object, name := range map[string]string{"deploy/web": "deployment.apps/web", "svc/web": "service/web"} {
		result := l.must(t, "logs "+object).(*LogsResult)
		want := []string{name + " has 2 pods; this is pod/" + result.Pod, `container "web" of: web, side`}
		if diff := cmp.Diff(want, result.Notes); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
	}
	l.must(t, "create service empty --port 80 --selector app=nobody")
	_, err := l.run(t.Context(), "logs svc/empty")
	wantError(t, err, ExitFailed, "service/empty has no pods now\n→ look at it: kubectl describe service/empty -n "+l.namespace)
	_, err = l.run(t.Context(), "logs node/k8s01")
	wantError(t, err, ExitFailed, "node/k8s01 has no pods of its own\n→ name a pod: kubectl lab get pods -n "+l.namespace)
	_, err = l.run(t.Context(), "logs configmap/kube-root-ca.crt")
	wantError(t, err, ExitFailed, "configmap/kube-root-ca.crt has no pods of its own\n→ name a pod: kubectl lab get pods -n "+l.namespace)
	_, err = l.run(t.Context(), "logs deploy/nope")
	wantError(t, err, ExitFailed, "deployment \"nope\" not found\n→ see what there is: kubectl lab get deployments")
}

func TestLogsOfAPodThatCannotStart(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.must(t, "create pod p --node-selector nobody=has --image "+nginx)
	eventually(t, "the scheduler gives up", func() bool { return len(l.pod(t, "p").Status.Conditions) > 0 })
	_, err := l.run(t.Context(), "logs p")
	if err == nil || !strings.HasPrefix(Explain(err).Message, `container "p" of pod "p" has written nothing yet: no node can take it: `) {
		t.Errorf("got %s", explained(err))
	}
}

func TestLogsForbidden(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	_, err := l.as(t, "nobody").run(t.Context(), "logs p")
	wantError(t, err, ExitFailed, `forbidden: "nobody" may not get pods in namespace "`+l.namespace+`"`+
		"\n→ ask an administrator for this permission; check with: kubectl auth can-i get pods -n "+l.namespace)
}

func TestLogsUsage(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		"logs":                         "no pod named: logs POD, such as: logs nginx-test01",
		"logs a b":                     `unexpected argument "b": name one pod, and its container with -c`,
		"logs pod/":                    `"pod/" is not of the form KIND/NAME`,
		"logs /a":                      `"/a" is not of the form KIND/NAME`,
		"logs a -c b --all-containers": "--container and --all-containers exclude each other",
		"logs a -f --previous":         "--follow and --previous exclude each other: the previous run has ended",
		"logs a --tail=-2":             "--tail must be -1 or more, not -2",
		"logs a --since=-1s":           "--since must not be negative: -1s",
	} {
		wantUsageError(t, []string{line}, want)
	}
	options := &LogsOptions{}
	flags := flagsOf(options)
	if !IsTerminalOnly(flags.Lookup("follow")) {
		t.Error("--follow is offered away from the terminal")
	}
}

func TestLogsSuggest(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.must(t, "create pod p --serve-hostname --image "+nginx)
	o := &LogsOptions{}
	eventually(t, "the cache knows the pod", func() bool {
		return slices.Equal(o.Suggest(t.Context(), l.Env, "", nil, ""), []string{"p"})
	})
	if got := o.Suggest(t.Context(), l.Env, "container", []string{"pod/p"}, ""); !slices.Equal(got, []string{"init", "p"}) {
		t.Errorf("containers: %v", got)
	}
}

func TestEachPiece(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", maxLogPiece+10)
	for input, want := range map[string]string{
		"":               "",
		"a\nb\n":         "> a\n> b\n",
		"a\nno end":      "> a\n> no end\n",
		"\n\n":           "> \n> \n",
		long + "\nshort": "> " + long + "\n> short\n",
	} {
		var pieces []string
		err := eachPiece(iotest.HalfReader(strings.NewReader(input)), "> ", func(text string) { pieces = append(pieces, text) })
		if err != nil || strings.Join(pieces, "") != want {
			t.Errorf("%.20q: %v, %.40q", input, err, strings.Join(pieces, ""))
		}
		for _, piece := range pieces {
			if len(piece) > 2*maxLogPiece+10 {
				t.Errorf("a piece of %d bytes", len(piece))
			}
		}
	}
	broken := errors.New("broken")
	var got string
	err := eachPiece(io.MultiReader(strings.NewReader("a\nb"), iotest.ErrReader(broken)), "", func(text string) { got += text })
	if !errors.Is(err, broken) || got != "a\nb\n" {
		t.Errorf("%v, %q", err, got)
	}
}

func TestReadEnd(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		input, want string
		cut         bool
	}{
		{"", "", false},
		{"short\n", "short\n", false},
		{"0123456789", "0123456789", false},
		{"first line\nlast\n", "last\n", true},
		{"0123456789a", "123456789a", true},
		{strings.Repeat("line\n", 100), "line\n", true},
	} {
		text, cut, err := readEnd(iotest.OneByteReader(strings.NewReader(test.input)), 10)
		if err != nil || string(text) != test.want || cut != test.cut {
			t.Errorf("%.20q: %q, cut %t, %v", test.input, text, cut, err)
		}
	}
	text, _, err := readEnd(io.MultiReader(strings.NewReader("a"), iotest.ErrReader(io.ErrUnexpectedEOF)), 10)
	if !errors.Is(err, io.ErrUnexpectedEOF) || string(text) != "a" {
		t.Errorf("%q, %v", text, err)
	}
}

func TestPlainText(t *testing.T) {
	t.Parallel()
	in := []byte("\x1b[31;1mred\x1b[0m \x1b]0;title\x07\x1b]8;;http://x\x1b\\link \xff end\x1b[2K")
	if got, want := plainText(in), "red link � end"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := plainText(bytes.Repeat([]byte("a\n"), 3)); got != "a\na\na\n" {
		t.Errorf("got %q", got)
	}
}
