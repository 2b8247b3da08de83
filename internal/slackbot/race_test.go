//go:build race

package slackbot

import "time"

// ackLimit is Slack's own limit: the race detector makes all work about ten times slower. Without it,
// norace_test.go holds the bot to its own.
const ackLimit = 3 * time.Second
