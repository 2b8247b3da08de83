package fakeslack

import "time"

// Limits of messages and views. Lengths are in characters (Unicode code points), as Slack counts
// them, not in bytes. Each is documented at the page of its block or method under
// https://docs.slack.dev/reference unless its comment says otherwise.
const (
	MaxMessageBlocks   = 50
	MaxViewBlocks      = 100
	MaxAttachments     = 100
	MaxTablesPerPost   = 1     // refused as invalid_attachments, only_one_table_allowed
	MaxBlocksTotal     = 13200 // of the blocks' compact JSON; observed, Slack publishes no number
	MaxMessageText     = 40000
	MaxUpdateText      = 4000 // chat.update
	MaxMarkdownTotal   = 12000
	MaxBlockID         = 255
	MaxActionID        = 255
	MaxText            = 3000 // a text object where nothing narrower is said
	MaxFieldText       = 2000
	MaxFields          = 10
	MaxHeaderText      = 150
	MaxContextItems    = 10
	MaxActionsItems    = 25
	MaxButtonText      = 75
	MaxButtonValue     = 2000
	MaxURL             = 3000
	MaxAltText         = 2000
	MaxOptionText      = 75
	MaxOptionValue     = 150
	MaxSelectOptions   = 100
	MaxChoiceOptions   = 10 // radio buttons, checkboxes
	MaxOverflow        = 5
	MaxConfirmTitle    = 100
	MaxConfirmText     = 300
	MaxConfirmButton   = 30
	MaxPlaceholder     = 150
	MaxLabel           = 2000
	MaxTableRows       = 100
	MaxTableColumns    = 20
	MaxTableText       = 10000
	MaxContainerBlocks = 10
	MaxDataTableRows   = 101 // the header row included
	MaxViewTitle       = 24
	MaxViewButton      = 24
	MaxPrivateMeta     = 3000
	MaxCallbackID      = 255
	MaxViewBytes       = 250 * 1024
	MaxSnippetBytes    = 1 << 20
	MaxAckBytes        = 20 * 1024 // a Socket Mode answer of this size or more is dropped silently
	MaxSocketsPerApp   = 10
	MaxResponseURLUse  = 5
)

// Deadlines, all from https://docs.slack.dev.
const (
	AckDeadline         = 3 * time.Second
	TriggerLifetime     = 3 * time.Second
	ResponseURLLifetime = 30 * time.Minute
)
