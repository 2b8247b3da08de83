package exercises

import (
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
	"testing"
)

// TestJudgeHTTPS holds that an answer over TLS counts only with the certificate that the step names.
func TestJudgeHTTPS(t *testing.T) {
	t.Parallel()
	untrusted := fmt.Errorf("https: %w", x509.UnknownAuthorityError{})
	for name, test := range map[string]struct {
		https HTTPS
		body  string
		err   error
		want  string // in the error; empty for success
	}{
		"trusted":               {HTTPS{Contains: "cart"}, "cart\n", nil, ""},
		"another page":          {HTTPS{Contains: "cart"}, "front\n", nil, `answered "front"`},
		"another certificate":   {HTTPS{Contains: "cart"}, "", untrusted, "unknown authority"},
		"no connection":         {HTTPS{Contains: "cart"}, "", errors.New("refused"), "refused"},
		"refused as it should":  {HTTPS{Refused: true}, "", untrusted, ""},
		"accepted, should not":  {HTTPS{Refused: true, Secret: "other"}, "front", nil, "accepted with the certificate of secret/other"},
		"refused for no answer": {HTTPS{Refused: true}, "", errors.New("no route"), "no route"},
	} {
		said, err := test.https.judge(test.body, test.err)
		switch {
		case test.want == "" && (err != nil || said == ""):
			t.Errorf("%s: %q, %v", name, said, err)
		case test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)):
			t.Errorf("%s: error %v, want one with %q", name, err, test.want)
		}
	}
}
