//go:build !race

package slackbot

import "time"

// ackLimit is what the bot promises of its acknowledgements at p99.
const ackLimit = time.Second
