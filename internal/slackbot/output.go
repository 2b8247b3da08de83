package slackbot

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/spf13/pflag"
	"k8s.io/cli-runtime/pkg/printers"

	"github.com/kubectl-lab/kubectl-lab/pkg/actions"
	"github.com/kubectl-lab/kubectl-lab/pkg/document"
)

// The values of -o in Slack. Those of the terminal that read files or run templates are left out.
const (
	outputDocument = ""
	outputWide     = "wide"
	outputName     = "name"
	outputJSON     = "json"
	outputYAML     = "yaml"
	outputJSONPath = "jsonpath="
)

// output is how a result is shown.
type output struct{ format string }

func (o *output) bind(fs *pflag.FlagSet) {
	fs.StringVarP(&o.format, "output", "o", outputDocument, "how to show the result: json, yaml, name, wide, jsonpath=TEMPLATE")
}

func (o *output) validate() error {
	switch o.format {
	case outputDocument, outputWide, outputName, outputJSON, outputYAML:
		return nil
	}
	if template, found := strings.CutPrefix(o.format, outputJSONPath); found {
		if _, err := newJSONPath(template); err != nil {
			return actions.UsageErrorf("-o jsonpath: %s", err)
		}
		return nil
	}
	return actions.UsageErrorf("-o %q is not a format here: choose one of json, yaml, name, wide, jsonpath=TEMPLATE", o.format)
}

func newJSONPath(template string) (*printers.JSONPathPrinter, error) {
	printer, err := printers.NewJSONPathPrinter(template)
	if err != nil {
		return nil, err
	}
	printer.AllowMissingKeys(true)
	return printer, nil
}

// wide reports whether tables show all their columns.
func (o *output) wide() bool { return o.format == outputWide }

// objects reports whether the objects themselves are shown, not the document about them.
func (o *output) objects() bool { return o.format != outputDocument && o.format != outputWide }

// document is the result in the form that was asked for. A secret stays redacted in all of them but
// the document itself, whose renderer decides.
func (o *output) document(result actions.Result) (*document.Document, error) {
	switch o.format {
	case outputDocument, outputWide:
		return result.Document(), nil
	case outputName:
		return o.names(result)
	}
	text, err := o.object(result)
	if err != nil {
		return nil, err
	}
	return new(document.Document).Add(document.Preformatted{Text: text}), nil
}

func (o *output) object(result actions.Result) (string, error) {
	object, err := actions.ObjectOf(result, false)
	if err != nil {
		return "", err
	}
	printer, err := o.printer()
	if err != nil {
		return "", err
	}
	var text bytes.Buffer
	if err := printer.PrintObj(object, &text); err != nil {
		return "", &actions.Error{Message: fmt.Sprintf("printing with -o %s: %s", o.format, err), Code: actions.ExitFailed, Err: err}
	}
	return text.String(), nil
}

func (o *output) printer() (printers.ResourcePrinter, error) {
	switch o.format {
	case outputJSON:
		return &printers.OmitManagedFieldsPrinter{Delegate: &printers.JSONPrinter{}}, nil
	case outputYAML:
		return &printers.OmitManagedFieldsPrinter{Delegate: &printers.YAMLPrinter{}}, nil
	default:
		return newJSONPath(strings.TrimPrefix(o.format, outputJSONPath))
	}
}

func (o *output) names(result actions.Result) (*document.Document, error) {
	var text bytes.Buffer
	objects, isObjects := result.(actions.Objects)
	changer, isChanger := result.(actions.Changer)
	switch {
	case isObjects:
		object, err := actions.WithKinds(objects.Objects())
		if err != nil {
			return nil, err
		}
		if err := (&printers.NamePrinter{}).PrintObj(object, &text); err != nil {
			return nil, fmt.Errorf("printing names: %w", err)
		}
	case isChanger:
		for _, change := range changer.Changes() {
			if change.Err == nil {
				fmt.Fprintln(&text, change.Object)
			}
		}
	default:
		return nil, actions.UsageErrorf("-o name: this result is no list of objects; use another format")
	}
	return new(document.Document).Add(document.Preformatted{Text: text.String()}), nil
}
