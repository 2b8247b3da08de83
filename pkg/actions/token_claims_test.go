package actions

import (
	"encoding/base64"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func jwtOf(payload string) Secret {
	return NewSecret("e30." + base64.RawURLEncoding.EncodeToString([]byte(payload)) + ".c2ln")
}

func TestParseTokenClaims(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		token Secret
		want  tokenClaims
	}{
		{"bound", jwtOf(`{"sub":"system:serviceaccount:ns:sa","aud":["a","b"],"iat":1800000000,"exp":1800003600,"kubernetes.io":{"serviceaccount":{"name":"sa","uid":"u"}}}`),
			tokenClaims{Subject: "system:serviceaccount:ns:sa", UID: "u", Audiences: []string{"a", "b"}, IssuedAt: time.Unix(1800000000, 0), Expires: time.Unix(1800003600, 0)}},
		{"legacy", jwtOf(`{"sub":"system:serviceaccount:ns:sa","kubernetes.io/serviceaccount/service-account.uid":"u"}`),
			tokenClaims{Subject: "system:serviceaccount:ns:sa", UID: "u"}},
		{"one audience", jwtOf(`{"aud":"a"}`), tokenClaims{Audiences: []string{"a"}}},
		{"dates out of range", jwtOf(`{"iat":-5,"exp":1e300}`), tokenClaims{}},
		{"no JWT", NewSecret("abcdef.0123456789abcdef"), tokenClaims{}},
		{"no base64", NewSecret("a.*.c"), tokenClaims{}},
		{"no JSON", jwtOf("hello"), tokenClaims{}},
		{"another type", jwtOf(`{"aud":{"x":1}}`), tokenClaims{}},
		{"nothing", Secret{}, tokenClaims{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(tt.want, parseTokenClaims(tt.token)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestClaimsUser(t *testing.T) {
	t.Parallel()
	tests := []struct {
		subject string
		want    TokenUser
	}{
		{"system:serviceaccount:ns:sa", TokenUser{Username: "system:serviceaccount:ns:sa", UID: "u", Groups: []string{"system:serviceaccounts", "system:serviceaccounts:ns", "system:authenticated"}}},
		{"somebody", TokenUser{Username: "somebody", UID: "u"}},
	}
	for _, tt := range tests {
		if diff := cmp.Diff(tt.want, tokenClaims{Subject: tt.subject, UID: "u"}.user()); diff != "" {
			t.Error(diff)
		}
	}
}

func FuzzParseTokenClaims(f *testing.F) {
	f.Add("e30.eyJhdWQiOiJhIn0.c2ln")
	f.Add("a.b.c")
	f.Fuzz(func(t *testing.T, token string) {
		claims := parseTokenClaims(NewSecret(token))
		if d, known := claims.lifetime(); known && d != claims.Expires.Sub(claims.IssuedAt) {
			t.Errorf("lifetime %s", d)
		}
		claims.user()
	})
}
