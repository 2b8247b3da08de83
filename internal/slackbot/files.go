package slackbot

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/kubectl-lab/kubectl-lab/pkg/actions"
)

const (
	// maxFile bounds a file that came with a message. No manifest that people write is that large.
	maxFile = 1 << 20
	// maxBlock bounds a code block. It is kept in the command's record, whose annotations may take
	// 256 KiB together (TotalAnnotationSizeLimitB of k8s.io/apimachinery).
	maxBlock = 100 << 10
	// blockName is by what name the code block of a message is opened: standard input's.
	blockName = "-"
)

// attachment is a file that came with the message that holds the command, or a code block in it.
type attachment struct {
	Name string `json:"name"`
	// ID is Slack's; empty for a code block.
	ID string `json:"id,omitempty"`
	// Content is that of a code block.
	Content string `json:"content,omitempty"`
}

// fence begins and ends a code block.
const fence = "```"

// cutBlock takes the first code block out of a message. The rest of the message is the command.
func cutBlock(text string) (line string, block []attachment) {
	before, rest, found := strings.Cut(text, fence)
	if !found {
		return text, nil
	}
	content, after, _ := strings.Cut(rest, fence)
	return strings.TrimSpace(before + " " + after), []attachment{{Name: blockName, Content: blockText(content)}}
}

// blockText is what was typed into a code block: without Slack's escapes and links, and without the
// language that people write behind the fence as in Markdown.
func blockText(raw string) string {
	text := strings.ReplaceAll(unescape(unlink(raw)), "\u00a0", " ")
	first, rest, more := strings.Cut(text, "\n")
	if more && slices.Contains([]string{"yaml", "yml", "json", "ini"}, strings.TrimSpace(first)) {
		text = rest
	}
	return strings.TrimPrefix(text, "\n")
}

// attachmentName is the name by which people open a file: without folders, which Slack does not have
// but lets people write.
func attachmentName(name string) string {
	name = path.Base(strings.ReplaceAll(name, `\`, "/"))
	if !fs.ValidPath(name) || name == "." || name == blockName {
		return "file"
	}
	return name
}

// messageFiles are the files that a command may read: those that came with its message, never the
// bot's own.
type messageFiles struct {
	attached []attachment
	// fetch reads a file from Slack.
	fetch func(id string) ([]byte, error)

	mu      sync.Mutex
	fetched map[string][]byte // by id
}

var _ actions.Attachments = &messageFiles{}

// filesOf are the files of a request, read as long as ctx lasts.
func (b *Bot) filesOf(ctx context.Context, r *request) *messageFiles {
	return &messageFiles{
		attached: r.files,
		fetch:    func(id string) ([]byte, error) { return b.slack.download(ctx, id) },
		fetched:  map[string][]byte{},
	}
}

// Open implements actions.Files.
func (m *messageFiles) Open(name string) (io.ReadCloser, error) { return m.open(name) }

// Stat implements actions.Files.
func (m *messageFiles) Stat(name string) (fs.FileInfo, error) {
	a, err := m.find(name)
	if err != nil {
		return nil, err
	}
	return attachedInfo{name: a.Name}, nil
}

// FS implements actions.Attachments.
func (m *messageFiles) FS() fs.FS { return attachedFS{m} }

// find looks a file up by its name. "-" is the code block, or the only file there is.
func (m *messageFiles) find(name string) (attachment, error) {
	for _, a := range m.attached {
		if a.Name == name {
			return a, nil
		}
	}
	if name == blockName && len(m.attached) == 1 {
		return m.attached[0], nil
	}
	return attachment{}, m.missing(name)
}

func (m *messageFiles) missing(name string) error {
	e := &actions.Error{
		Message: fmt.Sprintf("%s did not come with the command", name),
		Hint:    "attach the file to a message to labbot, with @labbot and the command in it or in a direct message; or put its text into a code block behind the command and name it -. Folders are read in a terminal only",
		Code:    actions.ExitUsage,
		Err:     fs.ErrNotExist,
	}
	var names []string
	for _, a := range m.attached {
		names = append(names, a.Name)
	}
	if len(names) > 0 {
		e.Hint = "what came with it: " + strings.Join(names, ", ")
	}
	return e
}

func (m *messageFiles) open(name string) (*attachedFile, error) {
	a, err := m.find(name)
	if err != nil {
		return nil, err
	}
	content, err := m.read(a)
	if err != nil {
		return nil, err
	}
	return &attachedFile{Reader: bytes.NewReader(content), info: attachedInfo{name: a.Name, size: int64(len(content))}}, nil
}

func (m *messageFiles) read(a attachment) ([]byte, error) {
	if a.ID == "" {
		if len(a.Content) > maxBlock {
			return nil, actions.UsageErrorf("the code block is longer than %d KiB: attach it as a file", maxBlock>>10)
		}
		return []byte(a.Content), nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if content, ok := m.fetched[a.ID]; ok {
		return content, nil
	}
	content, err := m.fetch(a.ID)
	if err != nil {
		return nil, &actions.Error{
			Message: fmt.Sprintf("file %s: %s", a.Name, err),
			Hint:    "attach it again, or put its text into a code block behind the command and name it -",
			Code:    actions.ExitFailed,
			Err:     err,
		}
	}
	m.fetched[a.ID] = content
	return content, nil
}

// attachedFS shows the files as a folder.
type attachedFS struct{ files *messageFiles }

// Open implements fs.FS.
func (f attachedFS) Open(name string) (fs.File, error) {
	file, err := f.files.open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return file, err
}

// attachedFile is an open file.
type attachedFile struct {
	*bytes.Reader
	info attachedInfo
}

// Stat implements fs.File.
func (f *attachedFile) Stat() (fs.FileInfo, error) { return f.info, nil }

// Close implements fs.File.
func (f *attachedFile) Close() error { return nil }

// attachedInfo describes a file.
type attachedInfo struct {
	name string
	size int64
}

// Name implements fs.FileInfo.
func (i attachedInfo) Name() string { return i.name }

// Size implements fs.FileInfo.
func (i attachedInfo) Size() int64 { return i.size }

// Mode implements fs.FileInfo: nothing that came with a message is run.
func (i attachedInfo) Mode() fs.FileMode { return 0o444 }

// ModTime implements fs.FileInfo.
func (i attachedInfo) ModTime() time.Time { return time.Time{} }

// IsDir implements fs.FileInfo.
func (i attachedInfo) IsDir() bool { return false }

// Sys implements fs.FileInfo.
func (i attachedInfo) Sys() any { return nil }

// The reasons for which a file of a message is not read.
var (
	errFileTooLarge  = fmt.Errorf("it is larger than %d MiB", maxFile>>20)
	errFileElsewhere = errors.New("it is not kept by Slack")
)

// download reads a file that somebody uploaded to Slack. The bot token goes to Slack's own hosts only.
// See https://docs.slack.dev/messaging/working-with-files.
func (c *slackClient) download(ctx context.Context, id string) ([]byte, error) {
	file, _, _, err := c.GetFileInfoContext(ctx, id, 0, 0)
	if err != nil {
		return nil, fmt.Errorf("asking Slack for it: %w", err)
	}
	if file.Size > maxFile {
		return nil, errFileTooLarge
	}
	address, err := url.Parse(firstOf(file.URLPrivateDownload, file.URLPrivate))
	if err != nil || file.IsExternal || !c.isSlack(address) {
		return nil, errFileElsewhere
	}
	return c.get(ctx, address)
}

// isSlack reports whether an address belongs to the Slack whose Web API the bot uses: slack.com itself
// and files.slack.com.
func (c *slackClient) isSlack(address *url.URL) bool {
	return address.Scheme == c.api.Scheme && (address.Host == c.api.Host || address.Host == "files."+c.api.Host)
}

// get reads an address with the bot token. It follows no redirection, which could lead elsewhere, and
// by which Slack sends those to its login page who may not read a file.
func (c *slackClient) get(ctx context.Context, address *url.URL) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address.String(), nil)
	if err != nil {
		return nil, errFileElsewhere
	}
	request.Header.Set("Authorization", "Bearer "+c.token)
	client := *c.http
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	response, err := client.Do(request)
	if err != nil {
		return nil, errors.New("Slack could not be reached")
	}
	defer response.Body.Close()
	switch {
	case response.StatusCode >= 300 && response.StatusCode < 400:
		return nil, errors.New("Slack does not let labbot read it; the app needs the scope files:read")
	case response.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("Slack answers %d", response.StatusCode)
	}
	content, err := io.ReadAll(io.LimitReader(response.Body, maxFile+1))
	switch {
	case err != nil:
		return nil, errors.New("Slack could not be reached")
	case len(content) > maxFile:
		return nil, errFileTooLarge
	}
	return content, nil
}
