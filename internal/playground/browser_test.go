package playground

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// patience bounds every step in the browser.
const patience = time.Minute

// tab is the playground in a browser, and somebody who uses it.
type tab struct {
	t        *testing.T
	browser  context.Context
	problems *complaints
}

// complaints are the errors and warnings of the browser's console.
type complaints struct {
	mu    sync.Mutex
	texts []string
}

func (c *complaints) all() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.texts
}

// listen collects until ctx ends. What the playground refuses, it refuses with 409, which the console
// notes too.
func (c *complaints) listen(ctx context.Context) {
	for message, err := range chromedp.Console(ctx) {
		if err != nil {
			return
		}
		quiet := message.Type == chromedp.ConsoleLog || message.Type == chromedp.ConsoleInfo || message.Type == chromedp.ConsoleDebug
		if quiet || strings.Contains(message.Text, "409 (Conflict)") {
			continue
		}
		c.mu.Lock()
		c.texts = append(c.texts, message.String())
		c.mu.Unlock()
	}
}

// openPage starts a browser with the playground in it.
func openPage(t *testing.T, url string) *tab {
	t.Helper()
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.NoSandbox, // tests may run as root
		chromedp.WindowSize(1100, 800),
		chromedp.UserDataDir(t.TempDir()),
		chromedp.Flag("disable-gpu", true),
		chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-component-update", true),
		chromedp.Flag("enable-blink-features", "ComputedAccessibilityInfo"),
	)
	allocated, cancel := chromedp.NewExecAllocator(t.Context(), options...)
	t.Cleanup(cancel)
	browser, cancel := chromedp.NewContext(allocated)
	t.Cleanup(cancel)
	if err := chromedp.Do(browser); err != nil {
		t.Fatalf("starting Chromium (hack/install-deps.sh installs it): %v", err)
	}
	p := &tab{t: t, browser: browser, problems: &complaints{}}
	go p.problems.listen(browser)
	p.do("open", chromedp.EmulateViewport(1100, 800), chromedp.Navigate(url), chromedp.WaitVisible("#text"))
	return p
}

func (p *tab) do(what string, steps ...chromedp.Action[chromedp.Void]) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.browser, patience)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		p.picture("failed")
		p.t.Fatalf("%s: %v", what, err)
	}
}

// evaluate runs JavaScript with the first element of a selector as e, null if there is none.
func (p *tab) evaluate(selector, expression string) string {
	p.t.Helper()
	quoted, err := json.Marshal(selector)
	if err != nil {
		p.t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(p.browser, patience)
	defer cancel()
	script := fmt.Sprintf("((e) => String(%s))(document.querySelector(%s))", expression, quoted)
	value, err := chromedp.Run(ctx, chromedp.Evaluate[string](script))
	if err != nil {
		p.t.Fatalf("%s of %s: %v", expression, selector, err)
	}
	return value
}

// until waits for a look at the page to be good. Nothing announces what a browser has drawn.
func (p *tab) until(what string, look func() (string, bool)) {
	p.t.Helper()
	const again = 30 * time.Millisecond
	var seen string
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(again) {
		var good bool
		if seen, good = look(); good {
			return
		}
	}
	p.picture("failed")
	p.t.Fatalf("%s; there is:\n%s", what, seen)
}

// text is what elements show, all of those that the selector finds.
func (p *tab) text(selector string) string {
	p.t.Helper()
	quoted, err := json.Marshal(selector)
	if err != nil {
		p.t.Fatal(err)
	}
	text := p.evaluate("html", fmt.Sprintf("[...document.querySelectorAll(%s)].map((n) => n.innerText).join(' ')", quoted))
	return strings.Join(strings.Fields(text), " ")
}

// shown waits for text in elements.
func (p *tab) shown(selector, want string) {
	p.t.Helper()
	p.until(fmt.Sprintf("%s does not show %q", selector, want), func() (string, bool) {
		text := p.text(selector)
		return text, strings.Contains(text, strings.Join(strings.Fields(want), " "))
	})
}

// gone waits for text to disappear.
func (p *tab) gone(selector, unwanted string) {
	p.t.Helper()
	p.until(fmt.Sprintf("%s still shows %q", selector, unwanted), func() (string, bool) {
		text := p.text(selector)
		return text, !strings.Contains(text, unwanted)
	})
}

// holds waits for what JavaScript says of an element, e.
func (p *tab) holds(selector, expression, want string) {
	p.t.Helper()
	p.until(fmt.Sprintf("%s of %s is not %q", expression, selector, want), func() (string, bool) {
		got := p.evaluate(selector, expression)
		return got, got == want
	})
}

// say types a line and sends it.
func (p *tab) say(text string) {
	p.t.Helper()
	p.do(text, chromedp.SendKeys("#text", text), chromedp.KeyEvent(kb.Enter, asKeyboard))
}

// asKeyboard makes a key's event what a keyboard's is: one that enters no character once the page took it.
func asKeyboard(event *input.DispatchKeyEventParams) {
	if event.Type == kb.KeyDown {
		event.Type = kb.KeyRawDown
	}
}

// press clicks an element.
func (p *tab) press(selector string) {
	p.t.Helper()
	p.do("press "+selector, chromedp.Click(selector, chromedp.NodeVisible))
}

// click waits for a button with that label, and presses the newest.
func (p *tab) click(label string) {
	p.t.Helper()
	quoted, err := json.Marshal(label)
	if err != nil {
		p.t.Fatal(err)
	}
	find := fmt.Sprintf("[...document.querySelectorAll('#messages button')].filter((b) => b.innerText === %s).pop()", quoted)
	p.until("there is no button "+label, func() (string, bool) {
		return p.text("#messages"), p.evaluate("html", fmt.Sprintf("(() => { const b = %s; if (b) b.click(); return !!b; })()", find)) == "true"
	})
}

// become switches the person who sits at the page.
func (p *tab) become(user string) {
	p.t.Helper()
	p.evaluate("#user", fmt.Sprintf("(e.value = %q, e.dispatchEvent(new Event('change')))", user))
}

// dark chooses between the dark and the light scheme.
func (p *tab) dark(dark bool) {
	p.t.Helper()
	scheme := map[bool]string{false: "light", true: "dark"}[dark]
	p.do(scheme, chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		_, err := cdp.Call(ctx, target, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
		})
		return err
	}))
	p.holds("html", fmt.Sprintf("matchMedia('(prefers-color-scheme: %s)').matches", scheme), "true")
}

// picture leaves a screenshot in the folder of PLAYGROUND_SCREENSHOTS, if that is set.
func (p *tab) picture(name string) {
	p.t.Helper()
	folder := os.Getenv("PLAYGROUND_SCREENSHOTS")
	if folder == "" {
		return
	}
	ctx, cancel := context.WithTimeout(p.browser, patience)
	defer cancel()
	png, err := chromedp.Run(ctx, chromedp.CaptureScreenshot())
	if err != nil {
		p.t.Fatalf("picture %s: %v", name, err)
	}
	if err := os.WriteFile(filepath.Join(folder, name+".png"), png, 0o600); err != nil {
		p.t.Fatal(err)
	}
}
