package slackbot

import (
	"errors"
	"fmt"
	"os"
	"strings"
)

// Secrets are the credentials of the Slack app. They are printed nowhere.
type Secrets struct {
	// BotToken (xoxb-…) is for the Web API.
	BotToken string
	// AppToken (xapp-…) opens sockets.
	AppToken string
	// SigningSecret proves that HTTP requests come from Slack.
	SigningSecret string
}

// String keeps the secrets out of logs.
func (Secrets) String() string { return "[redacted]" }

// GoString keeps the secrets out of logs.
func (Secrets) GoString() string { return "[redacted]" }

// The environment variables that hold the secrets. With _FILE appended, they name a file that holds it.
const (
	envBotToken      = "SLACK_BOT_TOKEN"
	envAppToken      = "SLACK_APP_TOKEN"
	envSigningSecret = "SLACK_SIGNING_SECRET"
)

// ReadSecrets takes the secrets from the environment or from the files that it names.
func ReadSecrets(getenv func(string) string) (Secrets, error) {
	var s Secrets
	var failed []error
	for name, field := range map[string]*string{
		envBotToken: &s.BotToken, envAppToken: &s.AppToken, envSigningSecret: &s.SigningSecret,
	} {
		value, err := readSecret(name, getenv)
		if err != nil {
			failed = append(failed, err)
		}
		*field = value
	}
	return s, errors.Join(failed...)
}

func readSecret(name string, getenv func(string) string) (string, error) {
	value, file := getenv(name), getenv(name+"_FILE")
	switch {
	case value != "" && file != "":
		return "", fmt.Errorf("both %s and %s_FILE are set: choose one", name, name)
	case file == "":
		return strings.TrimSpace(value), nil
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return "", fmt.Errorf("%s_FILE: %w", name, err)
	}
	return strings.TrimSpace(string(data)), nil
}

// check finds secrets that are missing or of the wrong kind. Its errors contain none.
func (s Secrets) check(http bool) error {
	var failed []error
	fail := func(format string, args ...any) { failed = append(failed, fmt.Errorf(format, args...)) }
	switch {
	case s.BotToken == "":
		fail("no bot token: set %s or %s_FILE", envBotToken, envBotToken)
	case !strings.HasPrefix(s.BotToken, "xoxb-"):
		fail("%s is no bot token: those begin with xoxb-", envBotToken)
	}
	switch {
	case http && s.SigningSecret == "":
		fail("no signing secret: set %s or %s_FILE", envSigningSecret, envSigningSecret)
	case !http && s.AppToken == "":
		fail("no app token: set %s or %s_FILE", envAppToken, envAppToken)
	case !http && !strings.HasPrefix(s.AppToken, "xapp-"):
		fail("%s is no app-level token: those begin with xapp-", envAppToken)
	}
	return errors.Join(failed...)
}
