//go:build race

package slackbot

const raceEnabled = true
