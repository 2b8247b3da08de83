package fakeslack

import (
	"fmt"
	"maps"
	"strings"
)

// blockKinds is the table of blocks and what each may hold, by surface.
// Source: https://docs.slack.dev/reference/block-kit/blocks.
func blockKinds(on surface) map[string]rule {
	kinds := layoutKinds()
	kinds["container"] = container(on)
	if on == onMessage {
		maps.Copy(kinds, messageKinds())
	}
	return kinds
}

// layoutKinds are the blocks of every surface.
func layoutKinds() map[string]rule {
	return map[string]rule{
		"section": object(blockSchema(schema{
			"text":      optional(anyText(MaxText)),
			"fields":    optional(list(1, MaxFields, anyText(MaxFieldText))),
			"accessory": optional(oneOf(accessoryKinds())),
			"expand":    optional(boolean),
		}), textOrFields),
		"header": object(blockSchema(schema{
			"text":  required(plainText(MaxHeaderText)),
			"level": optional(integer(1, 4)),
		})),
		"divider": object(blockSchema(nil)),
		"context": object(blockSchema(schema{
			"elements": required(list(1, MaxContextItems, contextElement)),
		})),
		"actions": object(blockSchema(schema{
			"elements": required(list(1, MaxActionsItems, actionsElement)),
		})),
		"image": object(blockSchema(schema{
			"image_url":  optional(str(1, MaxURL)),
			"slack_file": optional(anything),
			"alt_text":   required(str(1, MaxAltText)),
			"title":      optional(plainText(MaxAltText)),
		}), imageSource),
		"input": object(blockSchema(schema{
			"label":           required(plainText(MaxLabel)),
			"element":         required(oneOf(inputKinds())),
			"hint":            optional(plainText(MaxLabel)),
			"optional":        optional(boolean),
			"dispatch_action": optional(boolean),
		})),
		"rich_text": richText(),
		"card":      card(),
		"carousel": object(blockSchema(schema{
			"elements": required(list(1, 10, card())),
		})),
		"alert": object(blockSchema(schema{
			"text":  required(anyText(MaxText)),
			"level": optional(oneWord("default", "info", "warning", "error", "success")),
		})),
	}
}

// messageKinds are the blocks of messages alone.
func messageKinds() map[string]rule {
	return map[string]rule{
		"markdown": object(blockSchema(schema{"text": required(str(1, MaxMarkdownTotal))})),
		"table": object(blockSchema(schema{
			"rows": required(list(1, MaxTableRows,
				list(1, MaxTableColumns, tableCell("raw_text", "raw_number", "rich_text")))),
			"column_settings": optional(list(0, MaxTableColumns, columnSetting)),
		}), tableShape(false)),
		"data_table": object(blockSchema(schema{
			"rows": required(list(2, MaxDataTableRows,
				list(1, MaxTableColumns, tableCell("raw_text", "raw_number", "rich_text", "action_cell")))),
			"caption":                 required(str(1, 0)),
			"page_size":               optional(integer(1, 100)),
			"row_header_column_index": optional(integer(0, MaxTableColumns-1)),
		}), tableShape(true)),
		"context_actions": object(blockSchema(schema{
			"elements": required(list(1, 5, oneOf(contextActionKinds()))),
		})),
		"task_card": taskCard(),
		"plan": object(blockSchema(schema{
			"title": required(str(1, 0)),
			"tasks": optional(list(0, MaxMessageBlocks, taskCard())),
		})),
	}
}

// container is a block that holds up to ten others under a title.
func container(on surface) rule {
	children := layoutKinds()
	if on == onMessage {
		children["table"] = messageKinds()["table"]
	}
	return object(blockSchema(schema{
		"title":              optional(plainText(MaxHeaderText)),
		"rich_text_title":    optional(richText()),
		"subtitle":           optional(anyText(MaxHeaderText)),
		"icon":               optional(imageElement()),
		"width":              optional(oneWord("narrow", "standard", "wide", "full")),
		"is_collapsible":     optional(boolean),
		"default_collapsed":  optional(boolean),
		"has_header_divider": optional(boolean),
		"child_blocks":       required(list(1, MaxContainerBlocks, oneOf(children))),
	}), func(c *checker, at string, o map[string]any) {
		_, plain := o["title"]
		_, rich := o["rich_text_title"]
		if !plain && !rich {
			c.fail(at, "missing required field: title")
		}
	})
}

// blockSchema adds the keys that every block has.
func blockSchema(s schema) schema {
	return schema{"type": required(anything), "block_id": optional(str(0, MaxBlockID))}.with(s)
}

func textOrFields(c *checker, at string, o map[string]any) {
	_, text := o["text"]
	_, fields := o["fields"]
	if !text && !fields {
		c.fail(at, "missing required field: text")
	}
}

func imageSource(c *checker, at string, o map[string]any) {
	_, url := o["image_url"]
	_, file := o["slack_file"]
	if url == file {
		c.fail(at, "must provide either image_url or slack_file")
	}
}

func contextElement(c *checker, at string, v any) {
	if o, ok := v.(map[string]any); ok && o["type"] == "image" {
		imageElement()(c, at, v)
		return
	}
	anyText(MaxText)(c, at, v)
}

// actionsElement tells elements that do not exist from those that are not allowed in an actions
// block, as Slack does.
func actionsElement(c *checker, at string, v any) {
	o, _ := v.(map[string]any)
	kind, _ := o["type"].(string)
	allowed := actionsKinds()
	if _, here := allowed[kind]; !here {
		if _, somewhere := accessoryKinds()[kind]; somewhere {
			c.fail(at, "unsupported element: %s", kind)
			return
		}
	}
	oneOf(allowed)(c, at, v)
}

// actionsKinds are the elements of an actions block.
func actionsKinds() map[string]rule {
	kinds := commonKinds()
	kinds["datetimepicker"] = object(element(schema{
		"initial_date_time": optional(number), "confirm": optional(confirmDialog), "focus_on_load": optional(boolean),
	}))
	kinds["rich_text_input"] = object(element(schema{
		"initial_value": optional(anything), "dispatch_action_config": optional(anything),
		"focus_on_load": optional(boolean), "placeholder": optional(plainText(MaxPlaceholder)),
		"min_lines": optional(integer(1, 100)), "max_lines": optional(integer(1, 100)),
	}))
	return kinds
}

// accessoryKinds are the elements beside a section's text.
func accessoryKinds() map[string]rule {
	kinds := commonKinds()
	kinds["image"] = imageElement()
	for _, source := range selectSources() {
		kinds["multi_"+source] = menu(source, schema{"max_selected_items": optional(integer(1, MaxSelectOptions))})
	}
	return kinds
}

// inputKinds are the elements of an input block.
func inputKinds() map[string]rule {
	kinds := accessoryKinds()
	for _, no := range []string{"button", "workflow_button", "overflow", "image"} {
		delete(kinds, no)
	}
	entry := schema{
		"placeholder":            optional(plainText(MaxPlaceholder)),
		"dispatch_action_config": optional(anything),
		"focus_on_load":          optional(boolean),
		"initial_value":          optional(str(0, MaxText)),
	}
	kinds["plain_text_input"] = object(element(entry.with(schema{
		"multiline": optional(boolean), "min_length": optional(integer(0, MaxText)), "max_length": optional(integer(1, MaxText)),
	})))
	kinds["email_text_input"] = object(element(entry))
	kinds["url_text_input"] = object(element(entry))
	kinds["number_input"] = object(element(entry.with(schema{
		"is_decimal_allowed": required(boolean), "min_value": optional(anything), "max_value": optional(anything),
	})))
	kinds["file_input"] = object(element(schema{
		"filetypes": optional(list(1, 100, str(1, 0))), "max_files": optional(integer(1, 10)),
	}))
	for kind, check := range actionsKinds() {
		if kind == "datetimepicker" || kind == "rich_text_input" {
			kinds[kind] = check
		}
	}
	return kinds
}

// commonKinds are the elements that actions and sections share.
func commonKinds() map[string]rule {
	confirm := schema{"confirm": optional(confirmDialog)}
	picker := confirm.with(schema{"focus_on_load": optional(boolean), "placeholder": optional(plainText(MaxPlaceholder))})
	choice := confirm.with(schema{
		"options": required(list(1, MaxChoiceOptions, choiceOption)), "focus_on_load": optional(boolean),
	})
	kinds := map[string]rule{
		"button": object(element(confirm.with(schema{
			"text":                required(plainText(MaxButtonText)),
			"value":               optional(str(0, MaxButtonValue)),
			"url":                 optional(str(0, MaxURL)),
			"style":               optional(oneWord("primary", "danger")),
			"accessibility_label": optional(str(0, MaxButtonText)),
			"agent_prompt":        optional(str(0, MaxText)),
		}))),
		"workflow_button": object(element(schema{
			"text":                required(plainText(MaxButtonText)),
			"workflow":            required(anything),
			"style":               optional(oneWord("primary", "danger")),
			"accessibility_label": optional(str(0, MaxButtonText)),
		})),
		"overflow": object(element(confirm.with(schema{"options": required(list(1, MaxOverflow, menuOption))}))),
		"checkboxes": object(element(choice.with(schema{
			"initial_options": optional(list(1, MaxChoiceOptions, choiceOption)),
		}))),
		"radio_buttons": object(element(choice.with(schema{"initial_option": optional(choiceOption)}))),
		"datepicker":    object(element(picker.with(schema{"initial_date": optional(str(1, 0))}))),
		"timepicker": object(element(picker.with(schema{
			"initial_time": optional(str(1, 0)), "timezone": optional(str(1, 0)),
		}))),
	}
	for _, source := range selectSources() {
		kinds[source] = menu(source, nil)
	}
	return kinds
}

func selectSources() []string {
	return []string{"static_select", "external_select", "users_select", "conversations_select", "channels_select"}
}

// menu is a select menu with one kind of source.
func menu(source string, more schema) rule {
	s := element(schema{
		"confirm": optional(confirmDialog), "focus_on_load": optional(boolean),
		"placeholder": optional(plainText(MaxPlaceholder)),
	})
	switch source {
	case "static_select":
		s = s.with(schema{
			"options":         optional(list(1, MaxSelectOptions, menuOption)),
			"option_groups":   optional(list(1, MaxSelectOptions, optionGroup)),
			"initial_option":  optional(menuOption),
			"initial_options": optional(list(1, MaxSelectOptions, menuOption)),
		})
		return object(s.with(more), optionsOrGroups)
	case "external_select":
		s = s.with(schema{
			"min_query_length": optional(integer(0, MaxText)),
			"initial_option":   optional(menuOption),
			"initial_options":  optional(list(1, MaxSelectOptions, menuOption)),
		})
	default:
		noun := strings.TrimSuffix(source, "s_select")
		s = s.with(schema{
			"initial_" + noun:                 optional(str(1, 0)),
			"initial_" + noun + "s":           optional(list(1, MaxSelectOptions, str(1, 0))),
			"default_to_current_conversation": optional(boolean),
			"response_url_enabled":            optional(boolean),
			"filter":                          optional(anything),
		})
	}
	return object(s.with(more))
}

func optionsOrGroups(c *checker, at string, o map[string]any) {
	_, options := o["options"]
	_, groups := o["option_groups"]
	if options == groups {
		c.fail(at, "must provide either options or option_groups")
	}
}

// element adds the keys that every element has.
func element(s schema) schema {
	return schema{"type": required(anything), "action_id": optional(str(0, MaxActionID))}.with(s)
}

func imageElement() rule {
	return object(schema{
		"type": required(anything), "image_url": optional(str(1, MaxURL)), "slack_file": optional(anything),
		"alt_text": required(str(1, MaxAltText)),
	}, imageSource)
}

// menuOption is an option of a menu: plain text only.
func menuOption(c *checker, at string, v any) {
	object(schema{
		"text":        required(plainText(MaxOptionText)),
		"value":       required(str(1, MaxOptionValue)),
		"description": optional(plainText(MaxOptionText)),
		"url":         optional(str(0, MaxURL)),
	})(c, at, v)
}

// choiceOption is an option of radio buttons or checkboxes.
func choiceOption(c *checker, at string, v any) {
	object(schema{
		"text":        required(anyText(MaxOptionText)),
		"value":       required(str(1, MaxOptionValue)),
		"description": optional(anyText(MaxOptionText)),
	})(c, at, v)
}

func optionGroup(c *checker, at string, v any) {
	object(schema{
		"label":   required(plainText(MaxOptionText)),
		"options": required(list(1, MaxSelectOptions, menuOption)),
	})(c, at, v)
}

func confirmDialog(c *checker, at string, v any) {
	object(schema{
		"title":   required(plainText(MaxConfirmTitle)),
		"text":    required(anyText(MaxConfirmText)),
		"confirm": required(plainText(MaxConfirmButton)),
		"deny":    required(plainText(MaxConfirmButton)),
		"style":   optional(oneWord("primary", "danger")),
	})(c, at, v)
}

func card() rule {
	return object(blockSchema(schema{
		"hero_image": optional(imageElement()),
		"icon":       optional(imageElement()),
		"slack_icon": optional(object(schema{"type": optional(anything), "name": required(str(1, 0))})),
		"title":      optional(anyText(150)),
		"subtitle":   optional(anyText(150)),
		"body":       optional(anyText(200)),
		"subtext":    optional(anyText(200)),
		"actions":    optional(list(1, MaxActionsItems, oneOf(actionsKinds()))),
	}))
}

func contextActionKinds() map[string]rule {
	feedback := object(schema{
		"text": required(plainText(MaxButtonText)), "value": required(str(1, MaxButtonValue)),
		"accessibility_label": optional(str(0, MaxButtonText)),
	})
	return map[string]rule{
		"feedback_buttons": object(element(schema{
			"positive_button": required(feedback), "negative_button": required(feedback),
		})),
		"icon_button": object(element(schema{
			"icon": required(str(1, 0)), "text": required(plainText(MaxButtonText)),
			"value": optional(str(0, MaxButtonValue)), "confirm": optional(confirmDialog),
			"accessibility_label": optional(str(0, MaxButtonText)), "visible_to_user_ids": optional(anything),
		})),
	}
}

func taskCard() rule {
	return object(blockSchema(schema{
		"task_id":    required(str(1, 0)),
		"title":      required(str(1, 0)),
		"details":    optional(richText()),
		"output":     optional(richText()),
		"sources":    optional(anything),
		"hide_title": optional(boolean),
		"status":     required(oneWord("pending", "in_progress", "complete", "error")),
	}))
}

// tableCell is a cell of one of these kinds.
func tableCell(kinds ...string) rule {
	all := map[string]rule{
		"raw_text":   object(schema{"type": required(anything), "text": required(str(1, 0))}),
		"raw_number": object(schema{"type": required(anything), "value": required(number), "text": optional(str(0, 0))}),
		"rich_text":  richText(),
	}
	all["action_cell"] = object(schema{
		"type":     required(anything),
		"element":  required(oneOf(map[string]rule{"button": commonKinds()["button"]})),
		"fallback": optional(oneOf(map[string]rule{"raw_text": all["raw_text"], "raw_number": all["raw_number"]})),
	})
	allowed := map[string]rule{}
	for _, k := range kinds {
		allowed[k] = all[k]
	}
	return oneOf(allowed)
}

func columnSetting(c *checker, at string, v any) {
	if v == nil { // a column without settings
		return
	}
	object(schema{
		"align":      optional(oneWord("left", "center", "right")),
		"is_wrapped": optional(boolean),
	})(c, at, v)
}

// tableShape checks what spans the cells of a table: widths, the header row and the total text.
func tableShape(dataTable bool) func(c *checker, at string, o map[string]any) {
	return func(c *checker, at string, o map[string]any) {
		rows, _ := o["rows"].([]any)
		total, width := 0, -1
		for i, r := range rows {
			cells, _ := r.([]any)
			if width < 0 {
				width = len(cells)
			}
			if dataTable && len(cells) != width {
				c.fail(fmt.Sprintf("%s/rows/%d", at, i), "must have the same number of cells as the header")
			}
			for j, cell := range cells {
				total += runes(strings.Join(blockTexts(cell), ""))
				if head, _ := cell.(map[string]any); dataTable && i == 0 && head["type"] != "raw_text" {
					c.fail(fmt.Sprintf("%s/rows/0/%d/type", at, j), "unsupported type: %v", head["type"])
				}
			}
		}
		if total > MaxTableText {
			c.fail(at+"/rows", "must be less than %d characters", MaxTableText+1)
		}
	}
}

// richText is a rich_text block.
// Source: https://docs.slack.dev/reference/block-kit/blocks/rich-text-block.
func richText() rule {
	inline := oneOf(inlineKinds())
	section := object(schema{"type": required(anything), "elements": required(list(0, 1000, inline))})
	bordered := object(schema{
		"type": required(anything), "elements": required(list(0, 1000, inline)), "border": optional(integer(0, 1)),
		"language": optional(str(0, 0)),
	})
	kinds := map[string]rule{
		"rich_text_section":      section,
		"rich_text_quote":        bordered,
		"rich_text_preformatted": bordered,
		"rich_text_list": object(schema{
			"type": required(anything), "style": required(oneWord("bullet", "ordered")),
			"elements": required(list(0, 1000, section)), "indent": optional(integer(0, 8)),
			"offset": optional(integer(0, 1<<31)), "border": optional(integer(0, 1)),
		}),
	}
	return object(blockSchema(schema{"elements": required(list(0, 1000, oneOf(kinds)))}))
}

// inlineKinds are the elements of a line of rich text.
func inlineKinds() map[string]rule {
	inline := func(s schema) rule {
		return object(schema{"type": required(anything), "style": optional(anything)}.with(s))
	}
	return map[string]rule{
		"text":      inline(schema{"text": required(str(1, 0))}),
		"link":      inline(schema{"url": required(str(1, MaxURL)), "text": optional(str(0, 0)), "unsafe": optional(boolean)}),
		"emoji":     inline(schema{"name": required(str(1, 0)), "unicode": optional(str(0, 0)), "skin_tone": optional(number), "url": optional(str(0, 0)), "display_team_id": optional(str(0, 0))}),
		"user":      inline(schema{"user_id": required(str(1, 0))}),
		"usergroup": inline(schema{"usergroup_id": required(str(1, 0))}),
		"channel":   inline(schema{"channel_id": required(str(1, 0))}),
		"team":      inline(schema{"team_id": required(str(1, 0))}),
		"broadcast": inline(schema{"range": required(oneWord("here", "channel", "everyone"))}),
		"color":     inline(schema{"value": required(str(1, 0))}),
		"date": inline(schema{
			"timestamp": required(number), "format": required(str(1, 0)), "url": optional(str(0, 0)), "fallback": optional(str(0, 0)),
		}),
	}
}
