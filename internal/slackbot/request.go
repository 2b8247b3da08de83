package slackbot

import (
	"crypto/sha256"
	"encoding/hex"
	"time"
)

// kind is how somebody addressed the bot.
type kind string

const (
	kindSlash   kind = "slash"   // /lab …
	kindMention kind = "mention" // @labbot … in a channel
	kindMessage kind = "message" // a direct message
	kindClick   kind = "click"   // a button
	kindSubmit  kind = "submit"  // a modal, submitted
	kindHome    kind = "home"    // the App Home was opened
)

// request is something that a person did in Slack, freed of how it was delivered.
type request struct {
	// id is the same for every delivery of the same deed, and for no other.
	id      string
	kind    kind
	team    string // of the person
	user    string
	channel string
	direct  bool // the channel is a direct message
	text    string
	// files came with the message.
	files []attachment
	// thread is the timestamp of the message under which to answer.
	thread      string
	responseURL string
	trigger     string
	// action and value are those of the button or modal.
	action, value string
	// message is the timestamp of the message that the button stands in, if that is no ephemeral one.
	message  string
	received time.Time
}

// person names who asks: TEAM:USER, as the configuration does.
func (r *request) person() string { return r.team + ":" + r.user }

// recordName is the name of the Lease that records the command. It is made of the command's own id,
// so that whoever receives the command again, here or in another replica, finds the record.
func (r *request) recordName() string {
	sum := sha256.Sum256([]byte(r.team + "/" + r.id))
	return "lab-" + hex.EncodeToString(sum[:12])
}
