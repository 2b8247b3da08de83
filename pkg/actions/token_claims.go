package actions

import (
	"encoding/base64"
	"encoding/json"
	"math"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/types"
)

// serviceAccountPrefix begins the user names of ServiceAccounts; "NAMESPACE:NAME" follows.
const serviceAccountPrefix = "system:serviceaccount:"

// tokenClaims is what a ServiceAccount's token says about itself. Nothing here is verified: the
// token comes from the API server, which is also who checks it.
type tokenClaims struct {
	Subject   string
	UID       types.UID
	Audiences []string
	IssuedAt  time.Time
	Expires   time.Time
}

// rawClaims is the JSON of a bound token and, with the long keys, of a legacy one
// (k8s.io/kubernetes/pkg/serviceaccount: claims.go, legacy.go).
type rawClaims struct {
	Subject    string    `json:"sub"`
	Audiences  audiences `json:"aud"`
	IssuedAt   float64   `json:"iat"`
	Expires    float64   `json:"exp"`
	Kubernetes struct {
		ServiceAccount struct {
			UID types.UID `json:"uid"`
		} `json:"serviceaccount"`
	} `json:"kubernetes.io"`
	LegacyUID types.UID `json:"kubernetes.io/serviceaccount/service-account.uid"`
}

// audiences is the JWT claim "aud": one string or a list (RFC 7519, section 4.1.3).
type audiences []string

func (a *audiences) UnmarshalJSON(data []byte) error {
	var one string
	if json.Unmarshal(data, &one) == nil {
		*a = audiences{one}
		return nil
	}
	return json.Unmarshal(data, (*[]string)(a))
}

// parseTokenClaims reads the payload of a JWT. A token that is none yields no claims: it may be one
// of another kind, and its text must not end in an error.
func parseTokenClaims(token Secret) tokenClaims {
	parts := strings.Split(token.Reveal(), ".")
	if len(parts) != 3 {
		return tokenClaims{}
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return tokenClaims{}
	}
	var raw rawClaims
	if json.Unmarshal(payload, &raw) != nil {
		return tokenClaims{}
	}
	claims := tokenClaims{
		Subject:   raw.Subject,
		UID:       raw.Kubernetes.ServiceAccount.UID,
		Audiences: raw.Audiences,
		IssuedAt:  numericDate(raw.IssuedAt),
		Expires:   numericDate(raw.Expires),
	}
	if claims.UID == "" {
		claims.UID = raw.LegacyUID
	}
	return claims
}

// numericDate is a date in seconds since 1970 (RFC 7519, section 2); the zero time if absent or
// beyond what a time can say.
func numericDate(seconds float64) time.Time {
	if seconds <= 0 || seconds > math.MaxInt32*1000.0 {
		return time.Time{}
	}
	return time.Unix(int64(seconds), 0)
}

// lifetime is from issue to expiry; known is false if the token does not say.
func (c tokenClaims) lifetime() (d time.Duration, known bool) {
	if c.IssuedAt.IsZero() || c.Expires.IsZero() {
		return 0, false
	}
	return c.Expires.Sub(c.IssuedAt), true
}

// user is whom the API server takes the bearer for by its documented rules.
// See https://kubernetes.io/docs/reference/access-authn-authz/authentication/#service-account-tokens.
func (c tokenClaims) user() TokenUser {
	namespace, _, found := strings.Cut(strings.TrimPrefix(c.Subject, serviceAccountPrefix), ":")
	if !found {
		return TokenUser{Username: c.Subject, UID: c.UID}
	}
	return TokenUser{
		Username: c.Subject,
		UID:      c.UID,
		Groups:   []string{"system:serviceaccounts", "system:serviceaccounts:" + namespace, "system:authenticated"},
	}
}
