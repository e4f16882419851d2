package notify

import "strings"

// longestSlack bounds a message for Slack, which splits texts beyond 4,000
// characters.
const longestSlack = 3900

// slackMessage is the payload of an incoming webhook
// (https://api.slack.com/messaging/webhooks). It has text only, which receivers
// that speak Slack's form understand too, and no markup, so that no name can
// be formatted, linked or mention anyone.
type slackMessage struct {
	Text        string `json:"text"`
	Markdown    bool   `json:"mrkdwn"`
	UnfurlLinks bool   `json:"unfurl_links"`
	UnfurlMedia bool   `json:"unfurl_media"`
}

func slackOf(title, text string) slackMessage {
	// Slack reads these three as control characters whether or not there is
	// markup, and asks to escape just these.
	escape := strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")
	out := title + "\n\n" + strings.TrimRight(text, "\n")
	// Cut before escaping, so that no escape is cut in two.
	return slackMessage{Text: escape.Replace(clip(out, longestSlack))}
}
