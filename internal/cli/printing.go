package cli

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/pflag"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/cli-runtime/pkg/printers"

	"github.com/kubectl-lab/kubectl-lab/internal/render"
	"github.com/kubectl-lab/kubectl-lab/pkg/actions"
)

// The formats of -o that are this program's own; all others are cli-runtime's.
const (
	formatTable      = ""
	formatWide       = "wide"
	formatKubeconfig = "kubeconfig"
)

// printing is the flags that say how a result is printed.
type printing struct {
	format    string
	noHeaders bool

	general *genericclioptions.PrintFlags
	own     []string
}

// newPrinting is the flags for an action. A kubeconfig can be made of a credential only.
func newPrinting(action actions.Action) *printing {
	p := &printing{
		general: genericclioptions.NewPrintFlags(""),
		own:     []string{formatWide, formatColumns, formatColumnsFile},
	}
	if action.Effect == actions.RevealsSecret {
		p.own = append(p.own, formatKubeconfig)
	}
	return p
}

func (p *printing) bind(fs *pflag.FlagSet) {
	p.general.OutputFormat = &p.format
	fs.StringVarP(&p.format, "output", "o", formatTable, "how to print the result: "+strings.Join(p.formats(), ", "))
	fs.BoolVar(&p.noHeaders, "no-headers", false, "leave out the header rows of tables")
	template := p.general.TemplatePrinterFlags
	fs.StringVar(template.TemplateArgument, "template", "", "the template, or the file that holds it, for -o go-template, go-template-file, jsonpath and jsonpath-file")
	fs.BoolVar(template.AllowMissingKeys, "allow-missing-template-keys", true, "let templates name fields that an object does not have")
	fs.BoolVar(&p.general.JSONYamlPrintFlags.ShowManagedFields, "show-managed-fields", false, "keep managedFields in -o json and yaml")
}

// formats lists the values of -o.
func (p *printing) formats() []string {
	formats := slices.Concat(p.own, p.general.AllowedFormats())
	slices.Sort(formats)
	return slices.Compact(formats)
}

// printer checks the flags and returns what prints by them. A bad template is found here, before
// anything is done.
func (p *printing) printer(t terminal) (*printer, error) {
	made := &printer{printing: p, terminal: t}
	delegate, err := p.delegate(t)
	if err != nil {
		return nil, p.explain(err)
	}
	made.delegate = delegate
	return made, nil
}

// delegate is the printer of a format that prints objects; nil for a format that prints documents.
func (p *printing) delegate(t terminal) (printers.ResourcePrinter, error) {
	kind, _, _ := strings.Cut(p.format, "=")
	switch {
	case kind == formatColumns, kind == formatColumnsFile:
		return newCustomColumns(p.format, p.textOptions(t))
	case p.format == formatTable, slices.Contains(p.own, p.format):
		return nil, nil
	}
	return p.general.ToPrinter()
}

func (p *printing) textOptions(t terminal) render.TextOptions {
	options := t.out.textOptions()
	options.Wide = p.format == formatWide
	options.NoHeaders = p.noHeaders
	return options
}

func (p *printing) explain(err error) error {
	if genericclioptions.IsNoCompatiblePrinterError(err) {
		return actions.UsageErrorf("-o %q is not a format: choose one of %s", p.format, strings.Join(p.formats(), ", "))
	}
	return actions.UsageErrorf("-o %q: %s", p.format, err)
}

// printer prints one result.
type printer struct {
	*printing
	terminal terminal
	delegate printers.ResourcePrinter // nil for this program's own formats
}

// printsObjects reports whether the format prints objects rather than documents.
func (p *printer) printsObjects() bool { return p.delegate != nil }

func (p *printer) print(result actions.Result) error {
	switch {
	case p.format == formatKubeconfig:
		return p.kubeconfig(result)
	case p.delegate == nil:
		return p.text(result)
	case p.format == "name":
		return p.names(result)
	}
	object, err := actions.ObjectOf(result, true)
	if err != nil {
		return err
	}
	return p.object(object)
}

// text prints the document. The reader of this process's stdout is the requester, so secrets are
// shown.
func (p *printer) text(result actions.Result) error {
	options := p.textOptions(p.terminal)
	options.Reveal = true
	return render.Text(p.terminal.out, result.Document(), options)
}

func (p *printer) object(object runtime.Object) error {
	if err := p.delegate.PrintObj(object, p.terminal.out); err != nil {
		return &actions.Error{Message: fmt.Sprintf("printing with -o %s: %s", p.format, err), Code: actions.ExitFailed, Err: err}
	}
	return nil
}

// names prints the objects concerned, as "kind/name".
func (p *printer) names(result actions.Result) error {
	if objects, ok := result.(actions.Objects); ok {
		return p.object(objects.Objects())
	}
	changer, ok := result.(actions.Changer)
	if !ok {
		return actions.UsageErrorf("-o name: this result is no list of objects; use another format")
	}
	for _, change := range changer.Changes() {
		if change.Err != nil {
			continue
		}
		if _, err := fmt.Fprintln(p.terminal.out, change.Object); err != nil {
			return err
		}
	}
	return nil
}

func (p *printer) kubeconfig(result actions.Result) error {
	source, ok := result.(actions.Kubeconfiger)
	if !ok {
		return actions.UsageErrorf("-o kubeconfig is for the verb token only")
	}
	config, err := source.Kubeconfig()
	if err != nil {
		return err
	}
	_, err = fmt.Fprint(p.terminal.out, config.Reveal())
	return err
}
