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

	"github.com/kubectl-lab/kubectl-lab/internal/fakeslack"
)

// maxBody bounds what the page sends.
const maxBody = 1 << 20

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
	Names    map[string]string   `json:"names"`
	Room     string              `json:"room"`
	Direct   string              `json:"direct"`
	Messages []fakeslack.Message `json:"messages"`
	Home     *fakeslack.View     `json:"home,omitempty"`
	Modal    *fakeslack.View     `json:"modal,omitempty"`
}

func (s *site) state(_ context.Context, w http.ResponseWriter, u *fakeslack.User, _ deed) error {
	dm := u.DirectMessages()
	v := view{Names: map[string]string{}, Room: s.room.ID, Direct: dm.ID}
	for _, other := range s.slack.Users() {
		v.Names[other.ID] = other.Name
	}
	v.Messages = append(s.room.History(u), dm.History(u)...)
	if home, ok := u.Home(); ok {
		v.Home = &home
	}
	if modal, ok := u.Modal(); ok {
		v.Modal = &modal
	}
	w.Header().Set("Content-Type", "application/json")
	return json.NewEncoder(w).Encode(v)
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
	command, rest, _ := strings.Cut(strings.TrimSpace(d.Text), " ")
	var err error
	switch {
	case command == "/lab":
		_, err = u.Slash(in, command, rest)
	case command == "@labbot" && !d.Direct:
		_, err = u.Mention(in, rest)
	case d.Direct:
		_, err = u.DM(d.Text)
	default:
		_, err = u.Write(in, d.Text)
	}
	return done(w, err)
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
