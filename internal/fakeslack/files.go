package fakeslack

import (
	"bytes"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
)

// File is a file that the app or a person uploaded.
type File struct {
	ID      string `json:"id"`
	Name    string `json:"name"`
	Title   string `json:"title"`
	Snippet string `json:"snippet_type,omitempty"`
	Content []byte `json:"content"`

	user   string // who uploaded it
	ticket string // of the upload URL
	length int    // as announced
	loaded bool
	done   bool
}

// filesGetUploadURL implements https://docs.slack.dev/reference/methods/files.getUploadURLExternal.
func filesGetUploadURL(c *call) (answer, *apiError) {
	name := c.args.str("filename")
	length, err := strconv.Atoi(c.args.str("length"))
	if name == "" || err != nil || length <= 0 {
		return nil, fail("missing_argument")
	}
	snippet := c.args.str("snippet_type")
	if snippet != "" && length > MaxSnippetBytes {
		return nil, fail("snippet_too_large")
	}
	f := &File{ID: c.newID("F"), Name: name, Title: name, Snippet: snippet, user: c.team.bot.ID, ticket: randomHex(16), length: length}
	c.files[f.ID] = f
	return answer{"upload_url": c.base + "/upload/v1/" + f.ticket, "file_id": f.ID}, nil
}

// serveUpload takes the content of a file, as the body itself or as a form's file.
func (s *Server) serveUpload(w http.ResponseWriter, r *http.Request) {
	f := s.takeFault(UploadTarget)
	ex, ok := s.record(w, r, UploadTarget)
	if !ok {
		return
	}
	if f != nil {
		f.apply(s, w, r)
		return
	}
	content, err := uploadContent(r, ex.Body)
	if err != nil {
		http.Error(w, "bad upload", http.StatusBadRequest)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	file := s.fileByTicket(r.PathValue("ticket"))
	if file == nil || file.loaded || len(content) != file.length {
		http.Error(w, "bad upload", http.StatusBadRequest)
		return
	}
	file.Content, file.loaded = content, true
	_, _ = io.WriteString(w, "OK - "+strconv.Itoa(len(content)))
}

func uploadContent(r *http.Request, body []byte) ([]byte, error) {
	if kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); kind != "multipart/form-data" {
		return body, nil
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	reader, err := r.MultipartReader()
	if err != nil {
		return nil, err
	}
	for {
		part, err := reader.NextPart()
		if err != nil {
			return nil, err
		}
		if part.FileName() != "" {
			return io.ReadAll(part)
		}
	}
}

func (s *Server) fileByTicket(ticket string) *File {
	for _, f := range s.files {
		if f.ticket == ticket {
			return f
		}
	}
	return nil
}

// filesCompleteUpload implements
// https://docs.slack.dev/reference/methods/files.completeUploadExternal.
func filesCompleteUpload(c *call) (answer, *apiError) {
	wanted, err := c.args.objects("files", "invalid_arguments")
	if err != nil {
		return nil, err
	}
	if len(wanted) == 0 {
		return nil, fail("invalid_arguments")
	}
	channels := c.args.list("channels")
	if id := c.args.str("channel_id"); id != "" {
		channels = append(channels, id)
	}
	var targets []*Channel
	for _, id := range channels {
		channel, err := c.channel(id)
		if err != nil {
			return nil, err
		}
		if !channel.members[c.team.bot.ID] {
			return nil, fail("not_in_channel")
		}
		targets = append(targets, channel)
	}
	var files []File
	for _, w := range wanted {
		id, _ := w["id"].(string)
		f := c.files[id]
		if f == nil || !f.loaded || f.done {
			return nil, fail("file_not_found")
		}
		if title, _ := w["title"].(string); title != "" {
			f.Title = title
		}
		files = append(files, *f)
	}
	return c.shareFiles(files, targets)
}

// shareFiles posts the files to the channels and answers with them.
func (c *call) shareFiles(files []File, targets []*Channel) (answer, *apiError) {
	body := content{text: c.args.str("initial_comment")}
	var err *apiError
	if body.blocks, err = c.args.objects("blocks", "invalid_blocks"); err != nil {
		return nil, err
	}
	if err := checkMessageBlocks(body.blocks); err != nil {
		return nil, err
	}
	for _, channel := range targets {
		m := c.appMessage(channel, body, "files.completeUploadExternal")
		m.Files = files
		m = c.post(m)
		c.ex.Message = &MessageRef{Channel: m.Channel, TS: m.TS}
	}
	out := []any{}
	for _, f := range files {
		c.files[f.ID].done = true
		out = append(out, c.filePayload(f))
	}
	return answer{"files": out}, nil
}

func (s *Server) filePayload(f File) map[string]any {
	private := s.base + "/files-pri/" + f.ID + "/"
	name := url.PathEscape(f.Name)
	return map[string]any{
		"id": f.ID, "name": f.Name, "title": f.Title, "mimetype": "text/plain", "filetype": "text", "size": len(f.Content),
		"user": f.user, "mode": "hosted", "is_external": false,
		"url_private": private + name, "url_private_download": private + "download/" + name,
	}
}

// Upload is a file that a person attaches to a message.
type Upload struct {
	Name    string
	Content []byte
}

// addFiles keeps the files that a person uploads. The caller holds s.mu.
func (s *Server) addFiles(u *User, attached []Upload) []File {
	var files []File
	for _, a := range attached {
		f := &File{ID: s.newID("F"), Name: a.Name, Title: a.Name, Content: a.Content, user: u.ID, loaded: true, done: true}
		s.files[f.ID] = f
		files = append(files, *f)
	}
	return files
}

// addFilesTo puts a message's files into its event. Direct messages with files have a subtype, and then
// lack the team (https://github.com/slackapi/slack-api-specs/issues/62); mentions do not.
func (s *Server) addFilesTo(event map[string]any, m *Message) {
	files := []any{}
	for _, f := range m.Files {
		files = append(files, s.filePayload(f))
	}
	event["files"], event["upload"], event["display_as_bot"] = files, false, false
	if event["type"] == "message" {
		event["subtype"] = "file_share"
		delete(event, "team")
	}
}

// filesInfo implements https://docs.slack.dev/reference/methods/files.info.
func filesInfo(c *call) (answer, *apiError) {
	f := c.files[c.args.str("file")]
	if f == nil || !f.done {
		return nil, fail("file_not_found")
	}
	return answer{"file": c.filePayload(*f), "comments": []any{}}, nil
}

// serveDownload serves a file to who shows a bot token with the scope files:read. Others are sent to the
// login page, as Slack does.
func (s *Server) serveDownload(w http.ResponseWriter, r *http.Request) {
	if _, ok := s.record(w, r, DownloadTarget); !ok {
		return
	}
	if f := s.takeFault(DownloadTarget); f != nil {
		f.apply(s, w, r)
		return
	}
	s.mu.Lock()
	team := s.teamOfToken(bearer(r, args{}))
	f := s.files[r.PathValue("file")]
	allowed := team != nil && slices.Contains(team.scopes, "files:read")
	s.mu.Unlock()
	switch {
	case !allowed:
		http.Redirect(w, r, s.base+"/?redir="+url.QueryEscape(r.URL.Path), http.StatusFound)
	case f == nil || !f.done:
		http.NotFound(w, r)
	default:
		s.serveFile(w, r)
	}
}

// serveFile serves a file's content, for the page that shows a channel.
func (s *Server) serveFile(w http.ResponseWriter, r *http.Request) {
	var f File
	s.mu.Lock()
	if found := s.files[r.PathValue("file")]; found != nil {
		f = *found
	}
	s.mu.Unlock()
	if !f.done {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	_, _ = w.Write(f.Content)
}
