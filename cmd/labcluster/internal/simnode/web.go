package simnode

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"
)

// webHandler is what listens on every port of a pod: it names the pod, as the manual's pods do.
func (s *Server) webHandler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		target, ok := r.Context().Value(targetKey{}).(*targetConn)
		if !ok {
			http.Error(w, "no pod was asked for", http.StatusBadGateway)
			return
		}
		pod, err := s.pods.byIP(r.Context(), target.host)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		w.Header().Set("Server", "simulated")
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		// A pod's name is a DNS name, and the answer is plain text.
		_, _ = io.WriteString(w, pod.Name+"\n") //nolint:gosec // see above; a client that left needs no answer
	})
}

// answerHTTP answers one HTTP request on a forwarded port. Anything else than HTTP gets no answer.
func answerHTTP(stream io.ReadWriteCloser, podName string) error {
	reader := bufio.NewReader(stream)
	for {
		request, ok := readRequest(reader)
		if !ok {
			return nil
		}
		body := podName + "\n"
		_, err := fmt.Fprintf(stream, "HTTP/1.1 200 OK\r\nServer: simulated\r\nDate: %s\r\n"+
			"Content-Type: text/plain; charset=utf-8\r\nContent-Length: %s\r\n\r\n%s",
			time.Now().UTC().Format(http.TimeFormat), strconv.Itoa(len(body)), body)
		if err != nil || request.Close {
			return err
		}
	}
}

// readRequest reads a request with its body; not ok is the end, or not HTTP.
func readRequest(reader *bufio.Reader) (*http.Request, bool) {
	request, err := http.ReadRequest(reader)
	if err != nil {
		return nil, false
	}
	_, err = io.Copy(io.Discard, request.Body)
	return request, err == nil
}

// sniffer is a listener that speaks TLS to those who start with it, and plain HTTP to others.
type sniffer struct {
	net.Listener
	tls *tls.Config
}

func newSniffer(listener net.Listener, config *tls.Config) *sniffer {
	return &sniffer{Listener: listener, tls: config}
}

// Accept implements net.Listener.
func (s *sniffer) Accept() (net.Conn, error) {
	conn, err := s.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &sniffedConn{Conn: conn, tls: s.tls}, nil
}

// sniffedConn decides at its first read, so that a silent client holds up nobody else.
type sniffedConn struct {
	net.Conn
	tls     *tls.Config
	decided net.Conn
}

// NetConn returns the connection below.
func (c *sniffedConn) NetConn() net.Conn { return c.Conn }

func (c *sniffedConn) Read(p []byte) (int, error) {
	conn, err := c.decide()
	if err != nil {
		return 0, err
	}
	return conn.Read(p)
}

func (c *sniffedConn) Write(p []byte) (int, error) {
	conn, err := c.decide()
	if err != nil {
		return 0, err
	}
	return conn.Write(p)
}

func (c *sniffedConn) decide() (net.Conn, error) {
	if c.decided != nil {
		return c.decided, nil
	}
	const tlsHandshake = 22 // RFC 8446, section 5.1
	reader := bufio.NewReader(c.Conn)
	first, err := reader.Peek(1)
	if err != nil {
		return nil, err
	}
	c.decided = &bufferedConn{Conn: c.Conn, reader: reader}
	if first[0] == tlsHandshake {
		c.decided = tls.Server(c.decided, c.tls)
	}
	return c.decided, nil
}

type bufferedConn struct {
	net.Conn
	reader *bufio.Reader
}

func (c *bufferedConn) Read(p []byte) (int, error) { return c.reader.Read(p) }
