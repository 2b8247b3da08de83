package installlog

import (
	"bytes"
	"encoding/json"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Parser reads a log line by line. The zero value is ready for use.
type Parser struct {
	// Location is the time zone of the text log's times, which name none; nil stands for the local one.
	Location *time.Location

	tracker *tracker
	pid     string // of the text log's current run
	failing string // the host whose failure the next "...ignoring" is about
	inRecap bool
}

// Run returns how far the run has come after the lines so far.
func (p *Parser) Run() Run { return p.state().snapshot() }

func (p *Parser) state() *tracker {
	if p.tracker == nil {
		p.tracker = newTracker()
	}
	return p.tracker
}

// Line reads one line of either format. Lines that say nothing about the run are skipped.
func (p *Parser) Line(line []byte) {
	line = bytes.TrimRight(line, "\r\n")
	if start := bytes.TrimLeft(line, " \t"); len(start) > 0 && start[0] == '{' && p.event(start) {
		return
	}
	p.text(string(ansiColors.ReplaceAll(line, nil)))
}

// event is one line of ansible.posix.jsonl.
type event struct {
	Event     string `json:"_event"`
	Timestamp string `json:"_timestamp"`
	Play      struct {
		Name string `json:"name"`
	} `json:"play"`
	Task struct {
		Name string `json:"name"`
	} `json:"task"`
	Hosts map[string]result `json:"hosts"`
	Stats map[string]struct {
		OK          int `json:"ok"`
		Changed     int `json:"changed"`
		Skipped     int `json:"skipped"`
		Failures    int `json:"failures"`
		Unreachable int `json:"unreachable"`
		Ignored     int `json:"ignored"`
	} `json:"stats"`
}

// result is what a module returned. Other fields may hold anything and are left alone.
type result struct {
	Changed  any             `json:"changed"`
	Msg      any             `json:"msg"`
	Stderr   any             `json:"stderr"`
	Stdout   any             `json:"stdout"`
	Censored any             `json:"censored"`
	Failed   any             `json:"failed"`
	Results  json.RawMessage `json:"results"`
}

func (p *Parser) event(line []byte) bool {
	var e event
	if json.Unmarshal(line, &e) != nil || e.Event == "" {
		return false
	}
	t := p.state()
	at, err := time.Parse(time.RFC3339, e.Timestamp)
	if err != nil {
		at = time.Time{}
	}
	if e.Event == "v2_runner_on_start" && e.Task.Name == t.run.Task {
		t.saw(at)
		return true // another host of the same task, with the strategy free
	}
	switch e.Event {
	case "v2_playbook_on_play_start":
		t.play(e.Play.Name, at)
	case "v2_playbook_on_task_start", "v2_playbook_on_handler_task_start", "v2_runner_on_start":
		t.task(e.Task.Name, at)
	case "v2_playbook_on_stats":
		t.ended = true
		t.saw(at)
		for name, s := range e.Stats {
			t.recap(Host{Name: name, OK: s.OK, Changed: s.Changed, Skipped: s.Skipped, Failed: s.Failures, Unreachable: s.Unreachable, Ignored: s.Ignored}, at)
		}
	default:
		for name, r := range e.Hosts {
			p.result(e.Event, name, r, at)
		}
	}
	return true
}

func (p *Parser) result(event, host string, r result, at time.Time) {
	t := p.state()
	switch event {
	case "v2_runner_on_ok":
		changed, _ := r.Changed.(bool)
		t.ok(host, changed, at)
	case "v2_runner_on_skipped":
		t.skipped(host, at)
	case "v2_runner_on_failed":
		t.failed(host, Failed, r.message(), at)
	case "v2_runner_on_unreachable":
		t.failed(host, Unreachable, r.message(), at)
	}
}

// message is what a person needs of a failed result.
func (r result) message() string {
	if text(r.Censored) != "" {
		return "hidden by no_log"
	}
	var items []result
	if json.Unmarshal(r.Results, &items) == nil {
		for _, item := range items {
			if item.Failed == true {
				return item.message()
			}
		}
	}
	msg := text(r.Msg)
	if msg != "" && msg != "non-zero return code" && !strings.HasPrefix(msg, "MODULE FAILURE") {
		return msg
	}
	for _, more := range []string{text(r.Stderr), text(r.Stdout)} {
		if more != "" {
			return strings.TrimPrefix(msg+": "+more, ": ")
		}
	}
	return msg
}

func text(v any) string {
	switch x := v.(type) {
	case string:
		return strings.TrimSpace(x)
	case nil:
		return ""
	}
	out, err := json.Marshal(v)
	if err != nil {
		return ""
	}
	return string(out)
}

var (
	ansiColors = regexp.MustCompile("\x1b\\[[0-9;]*m")
	// logPrefix is that of ansible-core's utils/display.py; newer releases add the level.
	logPrefix  = regexp.MustCompile(`^(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}) p=(\d+) u=\S* n=\S+ (?:[A-Z]+)?\| ?(.*)$`)
	playLine   = regexp.MustCompile(`^PLAY (?:\[(.*)\] )?\*+$`)
	taskLine   = regexp.MustCompile(`^(?:TASK|RUNNING HANDLER) \[(.*)\] \*+$`)
	resultLine = regexp.MustCompile(`^(ok|changed|skipping|fatal|failed): \[([^\]]+)\](.*)$`)
	retryLine  = regexp.MustCompile(`^FAILED - RETRYING: .*\((\d+ retries left)\)\.?$`)
	recapLine  = regexp.MustCompile(`^(\S+) +: ok=(\d+) +changed=(\d+) +unreachable=(\d+) +failed=(\d+)(?: +skipped=(\d+))?(?: +rescued=\d+)?(?: +ignored=(\d+))?\s*$`)
)

func (p *Parser) text(line string) {
	at, pid := time.Time{}, ""
	if m := logPrefix.FindStringSubmatch(line); m != nil {
		at, pid, line = p.time(m[1]), m[2], m[3]
	}
	line = strings.TrimRight(line, " ")
	if strings.HasPrefix(line, "{") && p.event([]byte(line)) {
		return // the JSON callback, collected by ANSIBLE_LOG_PATH
	}
	switch {
	case strings.HasPrefix(line, "PLAY RECAP "):
		p.inRecap = true
		p.state().ended = true
		p.state().saw(at)
	case strings.HasPrefix(line, "PLAY "):
		p.play(line, pid, at)
	case p.inRecap:
		p.recap(line, at)
	case line == "...ignoring":
		p.state().ignored(p.failing)
	default:
		p.progress(line, at)
	}
}

func (p *Parser) time(s string) time.Time {
	location := p.Location
	if location == nil {
		location = time.Local
	}
	at, err := time.ParseInLocation("2006-01-02 15:04:05,000", s, location)
	if err != nil {
		return time.Time{}
	}
	return at
}

// play begins a play; another process than before is another run.
func (p *Parser) play(line, pid string, at time.Time) {
	m := playLine.FindStringSubmatch(line)
	if m == nil {
		return
	}
	if pid != p.pid && p.pid != "" {
		p.state().ended = true
	}
	p.pid, p.inRecap = pid, false
	p.state().play(m[1], at)
}

func (p *Parser) recap(line string, at time.Time) {
	m := recapLine.FindStringSubmatch(line)
	if m == nil {
		return
	}
	n := func(i int) int { v, _ := strconv.Atoi(m[i]); return v }
	p.state().recap(Host{Name: m[1], OK: n(2), Changed: n(3), Unreachable: n(4), Failed: n(5), Skipped: n(6), Ignored: n(7)}, at)
}

func (p *Parser) progress(line string, at time.Time) {
	if m := taskLine.FindStringSubmatch(line); m != nil {
		p.state().task(m[1], at)
		return
	}
	if m := retryLine.FindStringSubmatch(line); m != nil {
		p.state().saw(at)
		p.state().run.Retry = m[1]
		return
	}
	if m := resultLine.FindStringSubmatch(line); m != nil {
		host, _, _ := strings.Cut(m[2], " -> ") // the host that the task was delegated to follows
		p.outcome(m[1], host, m[3], at)
	}
}

func (p *Parser) outcome(word, host, rest string, at time.Time) {
	t := p.state()
	switch word {
	case "ok", "changed":
		t.ok(host, word == "changed", at)
	case "skipping":
		t.skipped(host, at)
	default:
		state := Failed
		if strings.HasPrefix(rest, ": UNREACHABLE!") {
			state = Unreachable
		}
		p.failing = host
		t.failed(host, state, textMessage(rest), at)
	}
}

// textMessage finds the message in ": FAILED! => {json}".
func textMessage(rest string) string {
	_, body, found := strings.Cut(rest, "=> ")
	if !found {
		return strings.TrimLeft(rest, ": ")
	}
	var r result
	if json.Unmarshal([]byte(body), &r) == nil {
		return r.message()
	}
	return body
}

// What a failing command likes to repeat: key=value pairs, and flags such as kubeadm's --token.
var (
	secretPairs = regexp.MustCompile(`(?i)((?:pass(?:word|wd|phrase)?|secret|token|api[-_]?key|certificate-key|authorization)["']?\s*[=:]\s*["']?(?:bearer\s+)?)[^\s"',}\]]+`)
	secretFlags = regexp.MustCompile(`(?i)(--[a-z-]*(?:pass(?:word)?|secret|token|key)["']?[\s,]+["']?)[^\s"',\]-][^\s"',\]]*`)
)

var urlUser = regexp.MustCompile(`(://)[^\s/@]+:[^\s/@]+@`)

// maxMessage is how many characters of a message are kept.
const maxMessage = 400

// shorten makes one line of a message, redacts secrets and cuts what is too long.
func shorten(message string) string {
	message = strings.Join(strings.Fields(strings.ToValidUTF8(message, "�")), " ")
	const enough = 8 * maxMessage
	if len(message) > enough {
		message = strings.ToValidUTF8(message[:enough], "")
	}
	for _, secret := range []*regexp.Regexp{secretPairs, secretFlags} {
		message = secret.ReplaceAllString(message, "${1}<redacted>")
	}
	message = urlUser.ReplaceAllString(message, "${1}<redacted>@")
	if runes := []rune(message); len(runes) > maxMessage {
		return string(runes[:maxMessage]) + "…"
	}
	return message
}
