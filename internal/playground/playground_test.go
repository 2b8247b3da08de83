package playground

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/kubectl-lab/kubectl-lab/internal/testcluster"
	"github.com/kubectl-lab/kubectl-lab/pkg/actions"
)

// TestPage plays in a browser: a read, a write with its confirmation, and somebody who may not. With
// PLAYGROUND_SCREENSHOTS set to a folder, it leaves pictures there.
func TestPage(t *testing.T) {
	cluster := testcluster.New(t, testcluster.Options{})
	url, stop := start(t, cluster)
	browser := newBrowser(t)

	act(t, browser, "open", chromedp.Navigate(url), chromedp.WaitVisible("#text"))
	say(t, browser, "/lab version")
	shown(t, browser, "Server Version: v1.")

	say(t, browser, "/lab label nodes k8s02 playground=yes")
	shown(t, browser, "Confirm: /lab label nodes")
	picture(t, browser, "confirm.png")
	act(t, browser, "confirm", chromedp.Click(`button[data-action="confirm"]`, chromedp.NodeVisible))
	shown(t, browser, "node/k8s02 labeled")

	become(t, browser, "viewer")
	say(t, browser, "/lab label nodes k8s02 playground=no --overwrite")
	shown(t, browser, `may not get nodes`)
	picture(t, browser, "denied.png")

	become(t, browser, "nobody")
	say(t, browser, "/lab version")
	shown(t, browser, "you are not allowed to use labbot")

	become(t, browser, "admin")
	act(t, browser, "home", chromedp.Click("#tab-home"))
	shown(t, browser, "Who you are here")
	shown(t, browser, "/lab version")
	picture(t, browser, "home.png")

	stop()
	leftNothing(t, cluster)
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

func newBrowser(t *testing.T) context.Context {
	t.Helper()
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.NoSandbox, chromedp.WindowSize(1100, 800))
	allocated, cancel := chromedp.NewExecAllocator(t.Context(), options...)
	t.Cleanup(cancel)
	browser, cancel := chromedp.NewContext(allocated)
	t.Cleanup(cancel)
	if err := chromedp.Do(browser); err != nil {
		t.Fatalf("starting Chromium (hack/install-deps.sh installs it): %v", err)
	}
	return browser
}

func act(t *testing.T, browser context.Context, what string, steps ...chromedp.Action[chromedp.Void]) {
	t.Helper()
	ctx, cancel := context.WithTimeout(browser, time.Minute)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}

// get looks at the page.
func get[T any](t *testing.T, browser context.Context, look chromedp.Action[T]) T {
	t.Helper()
	ctx, cancel := context.WithTimeout(browser, time.Minute)
	defer cancel()
	seen, err := chromedp.Run(ctx, look)
	if err != nil {
		t.Fatal(err)
	}
	return seen
}

// become switches the person who sits at the page.
func become(t *testing.T, browser context.Context, user string) {
	t.Helper()
	act(t, browser, user, chromedp.SetValue("#user", user))
	get(t, browser, chromedp.Evaluate[any](`document.getElementById("user").onchange(), null`))
}

func say(t *testing.T, browser context.Context, text string) {
	t.Helper()
	act(t, browser, text, chromedp.SendKeys("#text", text+"\n"))
}

// shown waits for text on the page.
func shown(t *testing.T, browser context.Context, text string) {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	var page string
	for time.Now().Before(deadline) {
		page = get(t, browser, chromedp.Text("main"))
		if strings.Contains(strings.Join(strings.Fields(page), " "), text) {
			return
		}
		time.Sleep(50 * time.Millisecond) // nothing announces what a browser has drawn
	}
	t.Fatalf("the page does not show %q but:\n%s", text, page)
}

func picture(t *testing.T, browser context.Context, name string) {
	t.Helper()
	folder := os.Getenv("PLAYGROUND_SCREENSHOTS")
	if folder == "" {
		return
	}
	png := get(t, browser, chromedp.CaptureScreenshot())
	if err := os.WriteFile(filepath.Join(folder, name), png, 0o600); err != nil {
		t.Fatal(err)
	}
}
