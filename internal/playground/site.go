package playground

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
	"unicode"

	"github.com/kubectl-lab/kubectl-lab/internal/fakeslack"
)

// maxBody bounds what the page sends.
const maxBody = 4 << 20

// site serves the page. Every request to its data needs the key that is in the page's address: other
// pages in the same browser could otherwise act through it with the user's kubeconfig.
type site struct {
	*world
	addr, key string
	mux       *http.ServeMux
}

func newSite(w *world, addr string) *site {
	s := &site{world: w, addr: addr, key: rand.Text(), mux: http.NewServeMux()}
	if files, err := pages(); err == nil { // the files are embedded
		s.mux.Handle("GET /", http.FileServerFS(files))
	}
	s.mux.HandleFunc("GET /api/state", s.keyed(s.state))
	s.mux.HandleFunc("GET /api/wait", s.keyed(s.wait))
	s.mux.HandleFunc("POST /api/say", s.keyed(s.say))
	s.mux.HandleFunc("POST /api/click", s.keyed(s.click))
	s.mux.HandleFunc("POST /api/submit", s.keyed(s.submit))
	s.mux.HandleFunc("POST /api/close", s.keyed(s.closeModal))
	s.mux.HandleFunc("POST /api/file", s.keyed(s.file))
	s.mux.HandleFunc("POST /api/home", s.keyed(s.home))
	return s
}

func (s *site) url() string { return "http://" + s.addr + "/#" + s.key }

// ServeHTTP refuses names other than the address itself, which a hostile name server could point here.
func (s *site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Host != s.addr {
		http.Error(w, "open "+s.addr, http.StatusMisdirectedRequest)
		return
	}
	w.Header().Set("Content-Security-Policy", "default-src 'self'; frame-ancestors 'none'")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	s.mux.ServeHTTP(w, r)
}

// deed is what somebody does on the page.
type deed struct {
	User    string            `json:"user"`
	Direct  bool              `json:"direct"` // in the direct messages, not in the channel
	Text    string            `json:"text"`
	Message string            `json:"ts"`
	Channel string            `json:"channel"`
	Action  string            `json:"action"`
	Block   string            `json:"block"`
	Inputs  map[string]string `json:"inputs"`
	File    string            `json:"file"` // the id of one to look at
	Files   []attached        `json:"files"`
}

// attached is a text file that comes with a message.
type attached struct {
	Name    string `json:"name"`
	Content string `json:"content"`
}

func (s *site) keyed(next func(context.Context, http.ResponseWriter, *fakeslack.User, deed) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if subtle.ConstantTimeCompare([]byte(r.Header.Get("X-Playground-Key")), []byte(s.key)) != 1 {
			http.Error(w, "open the address that labbot playground printed", http.StatusForbidden)
			return
		}
		d := deed{User: r.URL.Query().Get("user")}
		if r.Method == http.MethodPost {
			if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody)).Decode(&d); err != nil {
				http.Error(w, "the request cannot be read", http.StatusBadRequest)
				return
			}
		}
		user, ok := s.user(d.User)
		if !ok {
			http.Error(w, fmt.Sprintf("there is no %q here", d.User), http.StatusBadRequest)
			return
		}
		if err := next(r.Context(), w, user, d); err != nil {
			http.Error(w, err.Error(), http.StatusConflict)
		}
	}
}

// view is what a person sees.
type view struct {
	Names    map[string]string `json:"names"`
	Room     string            `json:"room"`
	Direct   string            `json:"direct"`
	Messages []shownMessage    `json:"messages"`
	Home     *fakeslack.View   `json:"home,omitempty"`
	Modal    *fakeslack.View   `json:"modal,omitempty"`
}

// shownMessage is a message as it is now: without what it was before, and without its files' contents.
type shownMessage struct {
	fakeslack.Message
	Files []shownFile `json:"files,omitempty"`
}

type shownFile struct {
	ID    string `json:"id"`
	Name  string `json:"name"`
	Title string `json:"title"`
	Size  int    `json:"size"` // in bytes
}

// visible is the messages that a person sees, of the channel and of their direct messages.
func (s *site) visible(u *fakeslack.User) []fakeslack.Message {
	return append(s.room.History(u), u.DirectMessages().History(u)...)
}

func (s *site) state(_ context.Context, w http.ResponseWriter, u *fakeslack.User, _ deed) error {
	v := view{Names: map[string]string{}, Room: s.room.ID, Direct: u.DirectMessages().ID, Messages: []shownMessage{}}
	for _, other := range s.slack.Users() {
		v.Names[other.ID] = other.Name
	}
	for _, m := range s.visible(u) {
		shown := shownMessage{Message: m}
		shown.Revisions = nil
		for _, f := range m.Files {
			shown.Files = append(shown.Files, shownFile{ID: f.ID, Name: f.Name, Title: f.Title, Size: len(f.Content)})
		}
		v.Messages = append(v.Messages, shown)
	}
	if home, ok := u.Home(); ok {
		v.Home = &home
	}
	if modal, ok := u.Modal(); ok {
		v.Modal = &modal
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v) // a reader who has left needs no error
	return nil
}

// file answers with the content of a file that the person sees.
func (s *site) file(_ context.Context, w http.ResponseWriter, u *fakeslack.User, d deed) error {
	for _, m := range s.visible(u) {
		for _, f := range m.Files {
			if f.ID == d.File {
				w.Header().Set("Content-Type", "text/plain; charset=utf-8")
				_, _ = w.Write(f.Content) // a reader who has left needs no error
				return nil
			}
		}
	}
	return errors.New("the file is gone")
}

// waitTime is how long the page waits for a change before it looks again by itself.
const waitTime = time.Second

// wait answers at the next change of anything, or after a while: a change may have come between the
// page's last look and this call.
func (s *site) wait(ctx context.Context, w http.ResponseWriter, _ *fakeslack.User, _ deed) error {
	timer := time.NewTimer(waitTime)
	defer timer.Stop()
	select {
	case <-s.slack.Changed():
	case <-timer.C:
	case <-ctx.Done():
	}
	return done(w, nil)
}

// say types a line: a command, a mention, or a message.
func (s *site) say(_ context.Context, w http.ResponseWriter, u *fakeslack.User, d deed) error {
	in := s.room
	if d.Direct {
		in = u.DirectMessages()
	}
	var files []fakeslack.Upload
	for _, f := range d.Files {
		files = append(files, fakeslack.Upload{Name: f.Name, Content: []byte(f.Content)})
	}
	command, rest := cutWord(d.Text)
	var err error
	switch {
	case strings.HasPrefix(command, "/") && len(files) > 0:
		err = errors.New("Slack sends no files with slash commands: write @labbot, or a direct message")
	case strings.HasPrefix(command, "/"):
		_, err = u.Slash(in, command, rest)
	case d.Direct:
		_, err = u.DM(d.Text, files...)
	case command == "@labbot":
		_, err = u.Mention(in, rest, files...)
	case len(files) > 0:
		err = errors.New("labbot reads files only where it is addressed: begin the message with @labbot")
	default:
		_, err = u.Write(in, d.Text)
	}
	return done(w, err)
}

// cutWord splits a text behind its first word.
func cutWord(text string) (word, rest string) {
	text = strings.TrimSpace(text)
	i := strings.IndexFunc(text, unicode.IsSpace)
	if i < 0 {
		return text, ""
	}
	return text[:i], strings.TrimSpace(text[i:])
}

// click presses a button of a message or of the App Home.
func (s *site) click(_ context.Context, w http.ResponseWriter, u *fakeslack.User, d deed) error {
	if d.Message == "" {
		return s.clickHome(w, u, d)
	}
	m, ok := s.slack.Message(d.Channel, d.Message)
	if !ok {
		return errors.New("the message is gone")
	}
	element, ok := find(m.Elements(), d)
	if !ok {
		return errors.New("the button is gone")
	}
	_, err := u.Act(m, element, "")
	return done(w, err)
}

func (s *site) clickHome(w http.ResponseWriter, u *fakeslack.User, d deed) error {
	home, ok := u.Home()
	if !ok {
		return errors.New("the App Home was not opened")
	}
	element, ok := find(home.Elements(), d)
	if !ok {
		return errors.New("the button is gone")
	}
	_, err := u.ActView(home, element, "")
	return done(w, err)
}

func find(elements []fakeslack.Element, d deed) (fakeslack.Element, bool) {
	for _, e := range elements {
		if e.ActionID == d.Action && (d.Block == "" || e.BlockID == d.Block) {
			return e, true
		}
	}
	return fakeslack.Element{}, false
}

func (s *site) submit(_ context.Context, w http.ResponseWriter, u *fakeslack.User, d deed) error {
	modal, ok := u.Modal()
	if !ok {
		return errors.New("the dialog is closed")
	}
	_, err := u.Submit(modal, d.Inputs)
	return done(w, err)
}

// closeModal closes the dialog without submitting it.
func (s *site) closeModal(_ context.Context, w http.ResponseWriter, u *fakeslack.User, _ deed) error {
	modal, ok := u.Modal()
	if !ok {
		return done(w, nil)
	}
	_, err := u.CloseView(modal)
	return done(w, err)
}

// done answers without content, unless there is an error to tell.
func done(w http.ResponseWriter, err error) error {
	if err == nil {
		w.WriteHeader(http.StatusNoContent)
	}
	return err
}

func (s *site) home(_ context.Context, w http.ResponseWriter, u *fakeslack.User, _ deed) error {
	u.OpenHome()
	w.WriteHeader(http.StatusNoContent)
	return nil
}
