package cli

import (
	"strings"

	"github.com/spf13/cobra"
)

// usageTemplate is cobra's, with the flags that every command takes moved to "options", as kubectl
// does: they would fill the screen otherwise.
const usageTemplate = `Usage:{{if .Runnable}}
  {{.UseLine}}{{end}}{{if .HasAvailableSubCommands}}
  {{.CommandPath}} [command]{{end}}{{if .HasExample}}

Examples:
{{.Example}}{{end}}{{if .HasAvailableSubCommands}}{{$cmds := .Commands}}{{if eq (len .Groups) 0}}

Commands:{{range $cmds}}{{if .IsAvailableCommand}}
  {{rpad .Name .NamePadding }} {{.Short}}{{end}}{{end}}{{else}}{{range $group := .Groups}}{{if hasCommands $cmds $group.ID}}

{{.Title}}{{range $cmds}}{{if (and (eq .GroupID $group.ID) .IsAvailableCommand)}}
  {{rpad .Name .NamePadding }} {{.Short}}{{end}}{{end}}{{end}}{{end}}{{end}}{{end}}{{if .HasAvailableLocalFlags}}{{if .HasParent}}

Flags:
{{.LocalNonPersistentFlags.FlagUsages | trimTrailingWhitespaces}}{{end}}{{end}}
{{if .HasAvailableSubCommands}}
"{{.CommandPath}} [command] --help" shows more about a command.{{end}}
"{{.Root.DisplayName}} options" shows the flags that every command takes (-n, --context, ...).
`

const optionsTemplate = `The following flags can be passed to any command:

{{.InheritedFlags.FlagUsages | trimTrailingWhitespaces}}
`

func setHelp(root *cobra.Command) {
	cobra.AddTemplateFunc("hasCommands", hasCommands)
	root.SetUsageTemplate(usageTemplate)
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
}

// hasCommands reports whether a group has anything to show.
func hasCommands(cmds []*cobra.Command, group string) bool {
	for _, cmd := range cmds {
		if cmd.GroupID == group && cmd.IsAvailableCommand() {
			return true
		}
	}
	return false
}

// optionsCommand lists the flags that every command takes.
func optionsCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:    "options",
		Short:  "Show the flags that every command takes",
		Hidden: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return cmd.Usage()
		},
	}
	cmd.SetUsageTemplate(optionsTemplate)
	cmd.SetHelpTemplate(strings.TrimSpace(optionsTemplate))
	return cmd
}
