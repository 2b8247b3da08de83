package checks_test

import (
	"bytes"
	"io"
	"net/http"

	"k8s.io/client-go/transport"
)

// roundTripper is a function as an http.RoundTripper.
type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// answering answers the requests for a path by itself.
func answering(path string, code int, body string) transport.WrapperFunc {
	return func(next http.RoundTripper) http.RoundTripper {
		return roundTripper(func(r *http.Request) (*http.Response, error) {
			if r.URL.Path != path {
				return next.RoundTrip(r)
			}
			return &http.Response{
				StatusCode: code, Request: r, Header: http.Header{}, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
				Body: io.NopCloser(bytes.NewReader([]byte(body))), ContentLength: int64(len(body)),
			}, nil
		})
	}
}
