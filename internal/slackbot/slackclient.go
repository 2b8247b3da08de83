package slackbot

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/slack-go/slack"
)

// slackTimeout bounds each request to Slack.
const slackTimeout = 10 * time.Second

// slackClient is the Web API as the bot uses it. Requests have a timeout, and those that Slack asks
// to repeat (429, 5xx) or that failed on the way are repeated.
type slackClient struct {
	*slack.Client
	http  *http.Client
	api   *url.URL // of the Web API
	token string   // the bot's
}

func newSlackClient(apiURL, botToken, appToken string, metrics *metrics) (*slackClient, error) {
	client := &http.Client{Timeout: slackTimeout, Transport: &countingTransport{next: http.DefaultTransport, metrics: metrics}}
	config := slack.DefaultRetryConfig()
	config.RetryAfterDuration = 2 * time.Second
	config.Handlers = slack.AllBuiltinRetryHandlers(config)
	config.Handlers = append(config.Handlers, slack.NewServerErrorRetryHandler(config))
	options := []slack.Option{
		slack.OptionHTTPClient(client),
		slack.OptionAppLevelToken(appToken),
		slack.OptionRetryConfig(config),
	}
	api, err := url.Parse(firstOf(apiURL, slack.APIURL))
	if err != nil {
		return nil, fmt.Errorf("the address of Slack's Web API: %w", err)
	}
	options = append(options, slack.OptionAPIURL(api.String()))
	return &slackClient{Client: slack.New(botToken, options...), http: client, api: api, token: botToken}, nil
}

// countingTransport counts Slack's answers by their status.
type countingTransport struct {
	next    http.RoundTripper
	metrics *metrics
}

func (t *countingTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := t.next.RoundTrip(r)
	status := "error"
	if err == nil {
		status = strconv.Itoa(response.StatusCode)
	}
	t.metrics.slackResponses.WithLabelValues(status).Inc()
	return response, err
}

// isInvalidAuth reports whether Slack refuses the tokens themselves, so that trying again is useless.
func isInvalidAuth(err error) bool {
	var answer slack.SlackErrorResponse
	if !errors.As(err, &answer) {
		return false
	}
	switch answer.Err {
	case "invalid_auth", "not_authed", "account_inactive", "token_revoked", "token_expired", "not_allowed_token_type":
		return true
	}
	return false
}

// respond posts to a response_url, again if Slack asks for it, a few times.
func (c *slackClient) respond(ctx context.Context, url string, m *slack.WebhookMessage) error {
	body, err := json.Marshal(m)
	if err != nil {
		return fmt.Errorf("encoding the answer: %w", err)
	}
	const attempts = 4
	wait := 200 * time.Millisecond
	for attempt := 1; ; attempt++ {
		again, after, err := c.respondOnce(ctx, url, body)
		if err == nil || !again || attempt == attempts {
			return err
		}
		wait = max(2*wait, after)
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", context.Cause(ctx), err)
		}
	}
}

// respondOnce posts once. Errors never contain the address, which lets anybody answer.
func (c *slackClient) respondOnce(ctx context.Context, url string, body []byte) (again bool, after time.Duration, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return false, 0, errors.New("the response_url is no address")
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := c.http.Do(request)
	if err != nil {
		return ctx.Err() == nil, 0, errors.New("Slack could not be reached at the response_url")
	}
	defer response.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(response.Body, 1<<16)) // so that the connection is used again
	switch {
	case response.StatusCode < 300:
		return false, 0, nil
	case response.StatusCode == http.StatusTooManyRequests:
		seconds, _ := strconv.Atoi(response.Header.Get("Retry-After")) // 0 if missing
		return true, time.Duration(seconds) * time.Second, errors.New("Slack answers 429 at the response_url")
	}
	return response.StatusCode >= 500, 0, fmt.Errorf("Slack answers %d at the response_url", response.StatusCode)
}
