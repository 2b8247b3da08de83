package playground

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/kubectl-lab/kubectl-lab/internal/testcluster"
	"github.com/kubectl-lab/kubectl-lab/pkg/actions"
)

// TestPage plays in a browser, at the sizes of a desk and of a phone, in light and dark: reads, writes
// with their confirmations, pages, a dialog, files, somebody who may not. With PLAYGROUND_SCREENSHOTS set
// to a folder, it leaves pictures there.
func TestPage(t *testing.T) {
	cluster := testcluster.New(t, testcluster.Options{})
	url, stop := start(t, cluster)
	p := openPage(t, url)

	p.read()
	p.write()
	p.pages()
	p.dialog()
	p.attach()
	p.others()
	p.home()
	p.keyboard()
	p.phone()
	if problems := p.problems.all(); len(problems) > 0 {
		t.Errorf("the browser's console has errors: %q", problems)
	}

	stop()
	leftNothing(t, cluster)
	p.shown("#problem", "labbot playground has ended")
}

func (p *tab) read() {
	p.shown("#messages", "Try one of these:")
	p.picture("empty")
	p.say("/lab version")
	p.holds("#text", "e.value", "")
	p.shown("#messages", "You typed /lab version")
	p.shown(".message.only .mark", "Only visible to you")
	p.shown(".message.only", "Server Version: v1.")
	p.say("/lab status --short --category nodes,dns")
	p.shown("#messages", " ok, 1 skipped")
	p.say("/lab statsu")
	p.shown("#messages", "did you mean: /lab status")
}

func (p *tab) write() {
	p.say("/lab create namespace playground-made")
	p.shown("#messages", "Confirm: /lab create namespace playground-made")
	p.shown("#messages pre", "+kind: Namespace")
	p.picture("confirm")
	p.click("Confirm")
	p.shown("#messages", "namespace/playground-made created")
	p.say("/lab create namespace playground-not")
	p.click("Cancel")
	p.shown("#messages", "Cancelled. Nothing was changed.")
}

func (p *tab) pages() {
	p.say("/lab get pods -A -o yaml")
	p.shown("#messages", "Page 1 of 3")
	p.click("More ▶")
	p.shown("#messages", "Page 2 of 3")
	p.gone("#messages", "Page 1 of 3")
	p.picture("pages")
	p.click("◀ Back")
	p.shown("#messages", "Page 1 of 3")

	p.say("/lab get nodes,pods,events -A -o json")
	p.shown("#messages", "The whole output is in the attached file.")
	p.shown("#tab-direct .unread", "1")
	p.press("#tab-direct")
	p.shown("#messages", "The whole output")
	p.press("#messages .content button")
	p.shown("#file", "\"kind\": \"Node\"")
	p.picture("file")
	p.press("#file button")
	p.press("#tab-room")
	p.gone("#tab-direct", "1")
}

func (p *tab) dialog() {
	p.say("/lab label nodes --all playground=yes")
	p.click("Confirm…")
	p.shown("#modal", "Type the verb to confirm: label nodes")
	p.picture("dialog")
	p.do("escape", chromedp.KeyEvent(kb.Escape))
	p.gone("#modal", "Type the verb")
	p.do("type without a click", chromedp.KeyEvent("back"))
	p.holds("#text", "e.value.trim()", "back")
	p.evaluate("#text", "e.value = ''")
	p.click("Confirm…")
	p.shown("#modal", "Type the verb to confirm: label nodes")
	p.do("type nothing", chromedp.SendKeys("#modal input", "\n"))
	p.shown("#modal", "must be filled")
	p.do("type the verb", chromedp.SendKeys("#modal input", "label nodes\n"))
	p.gone("#modal", "Type the verb")
	p.shown("#messages", "node/k8s03 labeled: playground=yes")
}

func (p *tab) attach() {
	path := filepath.Join(p.t.TempDir(), "pod.yaml")
	manifest := "apiVersion: v1\nkind: Pod\nmetadata: {name: attached}\nspec: {containers: [{name: c, image: example.com/c}]}\n"
	if err := os.WriteFile(path, []byte(manifest), 0o600); err != nil {
		p.t.Fatal(err)
	}
	p.do("attach", chromedp.SetUploadFiles("#files", []string{path}))
	p.shown("#attached", "pod.yaml")
	p.say("/lab create -f pod.yaml")
	p.shown("#problem", "Slack sends no files with slash commands")
	p.holds("#text", "e.value", "/lab create -f pod.yaml") // refused, not lost
	p.shown("#attached", "pod.yaml")
	p.evaluate("#text", "e.value = ''")
	p.say("@labbot create -f pod.yaml")
	p.shown(".message.reply", "pod/attached to be created")
	p.click("Confirm")
	p.shown(".message.reply", "pod/attached created")
	p.picture("thread")
}

func (p *tab) others() {
	p.become("viewer")
	p.gone("#messages", "namespace/playground-made created") // it was for admin's eyes only
	p.shown("#messages", "pod/attached created")
	p.say("/lab label nodes k8s02 playground=no --overwrite")
	p.shown("#messages", "may not get nodes")
	p.picture("denied")
	p.become("nobody")
	p.say("/lab version")
	p.shown("#messages", "you are not allowed to use labbot")
	p.say("/deploy now")
	p.shown("#problem", "/deploy is not a valid command")
	p.evaluate("#text", "e.value = ''")
	p.become("admin")
	p.gone("#problem", "/deploy")
}

func (p *tab) home() {
	p.press("#tab-home")
	p.shown("#home", "Who you are here")
	p.shown("#home", "labbot-playground:admins")
	p.shown("#home", "/lab label nodes --all playground=yes")
	p.gone("main", "Message")
	p.picture("home")
	p.press("#tab-direct")
	p.say("version")
	p.shown("#messages", "Server Version: v1.")
}

// keyboard does without a mouse, and looks at what a screen reader is told.
func (p *tab) keyboard() {
	p.press("#tab-room")
	p.do("recall", chromedp.SendKeys("#text", kb.ArrowUp))
	p.holds("#text", "e.value", "version") // the newest, typed in the direct messages
	p.do("a line more", chromedp.KeyEvent(kb.Enter, chromedp.KeyModifiers(chromedp.ModifierShift)))
	p.holds("#text", "e.value", "version\n")
	p.evaluate("#text", "e.value = ''")
	p.say("/lab create namespace by-keyboard")
	p.shown("#messages", "Confirm: /lab create namespace by-keyboard")
	p.do("focus", chromedp.Focus(`li:last-child button[data-action="confirm"]`))
	p.do("press", chromedp.KeyEvent(" "))
	p.shown("#messages", "namespace/by-keyboard created")
	p.holds("body", "document.activeElement.id", "text") // not lost with the button
	for selector, want := range map[string]string{
		`#messages`: "log", `#problem`: "alert", `#text`: "textbox", `#user`: "combobox", `#tab-room`: "button",
	} {
		p.holds(selector, "e.computedRole", want)
	}
	for selector, want := range map[string]string{
		"#text": "Message", "#user": "You are", "#files": "Attach files: No file chosen", "#messages": "Messages", "#tab-direct": "Direct messages with labbot",
	} {
		p.holds(selector, "e.computedName", want)
	}
}

// phone looks at the page on a small screen: nothing may stick out.
func (p *tab) phone() {
	p.do("phone", chromedp.EmulateViewport(375, 720))
	p.become("admin")
	for _, dark := range []bool{false, true} {
		p.dark(dark)
		p.picture(fmt.Sprintf("phone-dark-%t", dark))
	}
	p.holds("html", "e.scrollWidth <= e.clientWidth", "true")
	p.press("#tab-home")
	p.shown("#home", "Who you are here")
	p.holds("html", "e.scrollWidth <= e.clientWidth", "true")
	p.picture("phone-home")
	p.do("desk", chromedp.EmulateViewport(1100, 800))
	p.press("#tab-room")
	p.picture("dark")
}

// start runs the playground until stop is called.
func start(t *testing.T, cluster *testcluster.Cluster) (url string, stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ready, ended := make(chan string, 1), make(chan error, 1)
	go func() {
		ended <- Run(ctx, Options{
			Kubeconfig: cluster.Kubeconfig,
			Actions:    actions.All(),
			Log:        slog.New(slog.NewTextHandler(t.Output(), nil)),
			Audit:      io.Discard,
			Ready:      func(url string) { ready <- url },
			Say:        func(text string) { t.Log(text) },
		})
	}()
	select {
	case url = <-ready:
	case err := <-ended:
		t.Fatal(err)
	}
	return url, func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
}

// leftNothing checks that the playground took its rights out of the cluster again.
func leftNothing(t *testing.T, cluster *testcluster.Cluster) {
	t.Helper()
	config, err := cluster.RESTConfig()
	if err != nil {
		t.Fatal(err)
	}
	bindings := kubernetes.NewForConfigOrDie(config).RbacV1().ClusterRoleBindings()
	for _, group := range []string{adminGroup, viewerGroup} {
		if _, err := bindings.Get(t.Context(), bindingName(group), metav1.GetOptions{}); !apierrors.IsNotFound(err) {
			t.Errorf("ClusterRoleBinding %s was left behind (%v)", bindingName(group), err)
		}
	}
}

func TestPageNeedsKey(t *testing.T) {
	t.Parallel()
	s := newSite(&world{}, "127.0.0.1:1")
	for name, edit := range map[string]func(*http.Request){
		"no key":       func(*http.Request) {},
		"a wrong key":  func(r *http.Request) { r.Header.Set("X-Playground-Key", "x") },
		"another name": func(r *http.Request) { r.Host = "evil.example"; r.Header.Set("X-Playground-Key", s.key) },
	} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://127.0.0.1:1/api/state?user=admin", nil)
		if err != nil {
			t.Fatal(err)
		}
		edit(r)
		answer := &recorder{header: http.Header{}}
		s.ServeHTTP(answer, r)
		if answer.status < 400 {
			t.Errorf("%s: answered %d", name, answer.status)
		}
	}
}

func TestListensOnLoopbackOnly(t *testing.T) {
	t.Parallel()
	for _, addr := range []string{":8080", "0.0.0.0:0", "192.0.2.1:80", "example.com:80", "x"} {
		if _, err := listen(t.Context(), addr); err == nil {
			t.Errorf("%q was taken", addr)
		}
	}
}

type recorder struct {
	header http.Header
	status int
}

func (r *recorder) Header() http.Header { return r.header }
func (r *recorder) WriteHeader(s int)   { r.status = s }
func (r *recorder) Write(p []byte) (int, error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	return len(p), nil
}
