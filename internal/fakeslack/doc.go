// Package fakeslack is a Slack for tests and for trying a bot out without Slack.
//
// A [Server] listens on a loopback address and speaks what an app needs of Slack: the Web API,
// Socket Mode, the HTTP request URLs with signatures, response URLs, views and file uploads. It
// refuses what Slack refuses, with Slack's own error strings, and it keeps every message, view
// and byte that it received, so that a test can ask what a person saw, what would have pinged,
// and whether a secret was ever sent.
//
// People are played by the test. See [User]: Slash, Mention, DM, Click, Submit, OpenHome.
// Everything that happens asynchronously has a Wait method that takes a context.
//
//	srv, err := fakeslack.New(fakeslack.Options{})
//	alice := srv.Team().AddUser("alice")
//	room := srv.Team().AddChannel("lab", fakeslack.PublicChannel, alice)
//	// start the bot with srv.APIURL(), srv.AppToken() and srv.Team().BotToken()
//	cmd, err := alice.Slash(room, "/lab", "status")
//	reply, err := cmd.WaitMessage(ctx, nil)
//
// The server side is written from Slack's documentation and shares no types with slack-go, so that
// it is an independent check of a bot that uses slack-go. The sources:
//
//   - Web API methods and their errors: https://docs.slack.dev/reference/methods
//   - Block Kit limits: https://docs.slack.dev/reference/block-kit
//   - Socket Mode: https://docs.slack.dev/apis/events-api/using-socket-mode
//   - Events over HTTP and their retries: https://docs.slack.dev/apis/events-api
//   - Slash commands: https://docs.slack.dev/interactivity/implementing-slash-commands
//   - Interactions and response URLs: https://docs.slack.dev/interactivity/handling-user-interaction
//   - Request signatures: https://docs.slack.dev/authentication/verifying-requests-from-slack
//   - Rate limits: https://docs.slack.dev/apis/web-api/rate-limits
//   - mrkdwn: https://docs.slack.dev/messaging/formatting-message-text
//
// Where the documentation is silent, the server does what has been reported of Slack by those who
// measured it, and the code says so.
//
// Not covered: OAuth installation, Enterprise Grid, remote files, video blocks, shortcuts,
// canvases, lists, workflow steps, streaming messages and the legacy APIs.
package fakeslack
