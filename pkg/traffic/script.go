package traffic

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// script sends requests one after another and prints a line for each:
//
//	NUMBER EXIT-CODE START END FIRST-LINE-OF-BODY-OR-ERROR
//
// It runs in the shell and with the wget of busybox, so that any small image will do; GNU's wget, which
// would try twenty times, is told not to. wget is called by its path: some shells of busybox would
// otherwise use the one inside of them, and that of Debian's static busybox crashes. START and END
// are seconds since some moment, as exact as the shell can tell: microseconds where it knows
// EPOCHREALTIME, else hundredths from /proc/uptime. COUNT 0 means until the pod is ended.
const script = `
now() {
  if [ -n "${EPOCHREALTIME:-}" ]; then t=$EPOCHREALTIME; else read -r t _ </proc/uptime; fi
}
wget=$(which wget) || wget=wget
options="-q -T $TIMEOUT -O -"
if "$wget" --version 2>/dev/null | grep -q GNU; then options="$options -t 1"; fi
i=0
while [ "$COUNT" -eq 0 ] || [ "$i" -lt "$COUNT" ]; do
  for url in $URLS; do
    [ "$COUNT" -ne 0 ] && [ "$i" -ge "$COUNT" ] && break
    i=$((i + 1))
    now; start=$t
    body=$("$wget" $options "$url" 2>&1); code=$?
    now
    line=$(printf '%s\n' "$body" | head -n 1)
    printf '%s %s %s %s %s\n' "$i" "$code" "$start" "$t" "$line"
    [ "$PAUSE" = 0 ] || sleep "$PAUSE"
  done
done
`

// parser reads the script's lines.
type parser struct {
	first float64 // when the first request started
}

// parse reads one line. Lines that are none of the script's are errors: the image may lack a tool.
func (p *parser) parse(line string) (Answer, error) {
	fields := strings.SplitN(strings.TrimRight(line, "\r\n"), " ", 5)
	if len(fields) < 4 {
		return Answer{}, fmt.Errorf("the sending pod says: %q", line)
	}
	number, err1 := strconv.Atoi(fields[0])
	code, err2 := strconv.Atoi(fields[1])
	start, err3 := strconv.ParseFloat(fields[2], 64)
	end, err4 := strconv.ParseFloat(fields[3], 64)
	if err1 != nil || err2 != nil || err3 != nil || err4 != nil || number < 1 {
		return Answer{}, fmt.Errorf("the sending pod says: %q", line)
	}
	if p.first == 0 {
		p.first = start
	}
	text := ""
	if len(fields) == 5 {
		text = strings.TrimSpace(fields[4])
	}
	answer := Answer{Number: number, At: seconds(end - p.first), Latency: seconds(end - start)}
	if code != 0 {
		answer.Failure = failure(code, text)
		return answer, nil
	}
	answer.From = clip(text)
	return answer, nil
}

func seconds(s float64) time.Duration {
	if s < 0 || s > float64(24*time.Hour/time.Second) { // a clock that was set meanwhile
		return 0
	}
	return time.Duration(s * float64(time.Second))
}

// GNU wget's exit codes; with -q it says nothing else.
// See https://www.gnu.org/software/wget/manual/html_node/Exit-Status.html.
const (
	wgetNetwork = 4
	wgetServer  = 8
)

// failure shortens wget's complaint to its reason, so that like failures count together.
func failure(code int, text string) string {
	text = strings.TrimPrefix(text, "wget: ")
	switch {
	case text == "" && code == wgetNetwork:
		return "no connection"
	case text == "" && code == wgetServer, strings.Contains(text, "server returned error"):
		return "the server answered with an error"
	case text == "":
		return "no answer"
	case strings.Contains(text, "timed out"):
		return "timed out"
	case strings.Contains(text, "refused"):
		return "connection refused"
	case strings.Contains(text, "bad address"), strings.Contains(text, "resolve"):
		return "the name does not resolve"
	case strings.Contains(text, "unreachable"):
		return "unreachable"
	}
	return clip(text)
}

// clip bounds what an answer may put on the screen.
func clip(text string) string {
	const most = 63 // the length of a pod's host name
	if runes := []rune(text); len(runes) > most {
		return string(runes[:most])
	}
	return text
}
