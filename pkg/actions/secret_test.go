package actions

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

func TestSecretHides(t *testing.T) {
	const value = "s3cr3t-value"
	holder := struct {
		Shown  Secret
		hidden Secret
		At     *Secret
	}{NewSecret(value), NewSecret(value), &Secret{}}

	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d", "%t"} {
		if text := fmt.Sprintf(verb, holder); strings.Contains(text, value) || strings.Contains(text, fmt.Sprintf("%x", value)) {
			t.Errorf("%s prints the secret: %s", verb, text)
		}
	}
	if got := NewSecret(value).Reveal(); got != value {
		t.Errorf("Reveal() = %q", got)
	}
	if !(Secret{}).IsZero() || !NewSecret("").IsZero() || NewSecret(value).IsZero() {
		t.Error("IsZero is wrong")
	}

	asJSON, err := json.Marshal(holder)
	if err != nil {
		t.Fatal(err)
	}
	asYAML, err := yaml.Marshal(holder)
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "holder", holder, "secret", holder.Shown)
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "holder", holder, "secret", holder.hidden)
	for name, text := range map[string]string{"JSON": string(asJSON), "YAML": string(asYAML), "slog": log.String()} {
		if strings.Contains(text, value) {
			t.Errorf("%s shows the secret: %s", name, text)
		}
		if !strings.Contains(text, redacted) {
			t.Errorf("%s does not say that there is one: %s", name, text)
		}
	}
}
