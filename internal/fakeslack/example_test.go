package fakeslack_test

import (
	"context"
	"fmt"
	"time"

	"github.com/slack-go/slack"

	"github.com/kubectl-lab/kubectl-lab/internal/fakeslack"
)

// A bot posts a message; a person reads it and does not see what is for somebody else.
func Example() {
	srv, err := fakeslack.New(fakeslack.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer srv.Close()
	ann, ben := srv.Team().AddUser("ann"), srv.Team().AddUser("ben")
	room := srv.Team().AddChannel("lab", fakeslack.PublicChannel, ann, ben)

	bot := slack.New(srv.Team().BotToken(), slack.OptionAPIURL(srv.APIURL()))
	_, _, _ = bot.PostMessage(room.ID, slack.MsgOptionText("3 pods run", false))
	_, _ = bot.PostEphemeral(room.ID, ann.ID, slack.MsgOptionText("your token, <!channel>", false))

	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	private, err := ann.WaitEphemeral(ctx, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("pings:", private.Pings())
	for _, m := range room.History(ben) {
		fmt.Println("ben reads:", m.Visible())
	}
	fmt.Println("sightings:", len(srv.Find("your token")))
	// Output:
	// pings: [broadcast channel at text]
	// ben reads: 3 pods run
	// sightings: 1
}
