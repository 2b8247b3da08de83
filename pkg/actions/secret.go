package actions

import "log/slog"

const redacted = "[redacted]"

// Secret is a credential. Printing, formatting, logging or marshaling it shows a placeholder; only
// Reveal returns the value, and only a front end that answers in private calls it.
//
// The value is behind a pointer because fmt does not ask the methods of an unexported field, nor for
// verbs such as %d: it then prints an address rather than the credential.
type Secret struct{ value *string }

// NewSecret wraps a credential.
func NewSecret(value string) Secret { return Secret{value: &value} }

// Reveal returns the credential itself.
func (s Secret) Reveal() string {
	if s.value == nil {
		return ""
	}
	return *s.value
}

// IsZero reports whether there is no credential.
func (s Secret) IsZero() bool { return s.Reveal() == "" }

// String implements fmt.Stringer.
func (Secret) String() string { return redacted }

// GoString implements fmt.GoStringer, for %#v.
func (Secret) GoString() string { return redacted }

// MarshalText implements encoding.TextMarshaler, and so JSON and YAML.
func (Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// LogValue implements slog.LogValuer.
func (Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// Revealed is implemented by results with a secret: a copy whose JSON holds the secret in clear. A
// front end asks for it only to print to the requester alone.
type Revealed interface{ Revealed() any }

// Kubeconfiger is implemented by results that can be written as a kubeconfig.
type Kubeconfiger interface {
	// Kubeconfig is a complete kubeconfig file with the secret in it.
	Kubeconfig() (Secret, error)
}
