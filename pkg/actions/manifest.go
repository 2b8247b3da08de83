package actions

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	utiljson "k8s.io/apimachinery/pkg/util/json"
	"sigs.k8s.io/yaml"
)

// maxManifest bounds one file. The API server takes objects of a few MiB at most.
const maxManifest = 32 << 20

// manifestObject is one object of a manifest, and where it stands.
type manifestObject struct {
	object *unstructured.Unstructured
	// file and line are where its document begins, for messages.
	file string
	line int
}

func (m manifestObject) where() string { return fmt.Sprintf("%s:%d", m.file, m.line) }

// readManifests reads the objects of the files and folders named, in order. cli-runtime's
// resource.Builder would do this too, but opens files itself, and counts lines from the beginning of
// each document. Errors are UsageErrors that name file and line.
func readManifests(env *Env, names []string, recursive bool) ([]manifestObject, error) {
	var objects []manifestObject
	for _, name := range names {
		found, err := readManifestsIn(env, name, recursive)
		if err != nil {
			return nil, err
		}
		objects = append(objects, found...)
	}
	return objects, nil
}

func readManifestsIn(env *Env, name string, recursive bool) ([]manifestObject, error) {
	if strings.HasPrefix(name, "http://") || strings.HasPrefix(name, "https://") {
		return nil, &Error{Message: fmt.Sprintf("%s: addresses are not fetched", name), Hint: "download it, look at it, and name the file", Code: ExitUsage}
	}
	files, err := manifestFiles(env, name, recursive)
	if err != nil {
		return nil, err
	}
	var objects []manifestObject
	for _, file := range files {
		found, err := readManifest(env, file)
		if err != nil {
			return nil, err
		}
		objects = append(objects, found...)
	}
	if len(objects) == 0 {
		return nil, UsageErrorf("%s holds no object", displayName(name))
	}
	return objects, nil
}

func displayName(file string) string {
	if file == "-" {
		return "standard input"
	}
	return file
}

// manifestFiles is the file itself, or the manifests in the folder.
func manifestFiles(env *Env, name string, recursive bool) ([]string, error) {
	if name == "-" || env.Files == nil {
		return []string{name}, nil
	}
	info, err := env.Files.Stat(name)
	if err != nil {
		return nil, fileError(name, err)
	}
	if !info.IsDir() {
		return []string{name}, nil
	}
	return filesInFolder(env, name, recursive)
}

func filesInFolder(env *Env, folder string, recursive bool) ([]string, error) {
	f, err := env.OpenFile(folder)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	dir, ok := f.(fs.ReadDirFile)
	if !ok {
		return nil, UsageErrorf("%s is a folder, and folders cannot be read here: name the files", folder)
	}
	entries, err := dir.ReadDir(-1)
	if err != nil {
		return nil, &Error{Message: fileMessage(folder, err), Code: ExitUsage, Err: err}
	}
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	var files []string
	for _, entry := range entries {
		path := filepath.Join(folder, entry.Name())
		switch {
		case entry.IsDir() && recursive:
			inside, err := filesInFolder(env, path, recursive)
			if err != nil {
				return nil, err
			}
			files = append(files, inside...)
		case !entry.IsDir() && slices.Contains([]string{".yaml", ".yml", ".json"}, filepath.Ext(path)):
			files = append(files, path)
		}
	}
	return files, nil
}

func readManifest(env *Env, file string) ([]manifestObject, error) {
	f, err := env.OpenFile(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	content, err := io.ReadAll(io.LimitReader(f, maxManifest+1))
	switch {
	case err != nil:
		return nil, &Error{Message: fileMessage(displayName(file), err), Code: ExitUsage, Err: err}
	case len(content) > maxManifest:
		return nil, UsageErrorf("%s is larger than %d MiB: no manifest is", displayName(file), maxManifest>>20)
	}
	return parseManifest(displayName(file), content)
}

// parseManifest reads YAML documents or JSON values. Empty documents are skipped; Lists are replaced by
// their items.
func parseManifest(file string, content []byte) ([]manifestObject, error) {
	var objects []manifestObject
	for _, doc := range splitDocuments(content) {
		values, err := doc.values()
		if err != nil {
			return nil, UsageErrorf("%s: %s", file, err)
		}
		for _, value := range values {
			found, err := objectsOf(value)
			if err != nil {
				return nil, UsageErrorf("%s:%d: %s", file, doc.line, err)
			}
			for _, object := range found {
				objects = append(objects, manifestObject{object: object, file: file, line: doc.line})
			}
		}
	}
	return objects, nil
}

// textDocument is one document of a YAML stream, and the line where its content begins.
type textDocument struct {
	text []byte
	line int
}

// splitDocuments splits a YAML stream at its "---" lines.
func splitDocuments(content []byte) []textDocument {
	content = bytes.TrimPrefix(content, []byte("\xef\xbb\xbf"))
	var docs []textDocument
	current := textDocument{line: 1}
	for i, line := range bytes.SplitAfter(content, []byte("\n")) {
		if rest, isSeparator := cutSeparator(line); isSeparator {
			docs = append(docs, current)
			current = textDocument{line: i + 1}
			line = rest
		}
		current.text = append(current.text, line...)
	}
	docs = append(docs, current)
	for i := range docs {
		docs[i].skipBlank()
	}
	return docs
}

func cutSeparator(line []byte) (rest []byte, ok bool) {
	rest, ok = bytes.CutPrefix(line, []byte("---"))
	if !ok || len(rest) > 0 && !bytes.ContainsAny(rest[:1], " \t\r\n") {
		return line, false
	}
	return rest, true
}

// skipBlank moves the beginning to the first line that says something, so that messages point there.
func (d *textDocument) skipBlank() {
	for len(d.text) > 0 {
		line, rest, found := bytes.Cut(d.text, []byte("\n"))
		if text := bytes.TrimSpace(line); len(text) > 0 && text[0] != '#' || !found {
			return
		}
		d.text, d.line = rest, d.line+1
	}
}

// values are the document's values: one of YAML, any number of JSON.
func (d textDocument) values() ([]any, error) {
	text := bytes.TrimSpace(d.text)
	if len(text) == 0 {
		return nil, nil
	}
	if text[0] == '{' {
		if values, err := jsonValues(text); err == nil {
			return values, nil
		}
		// Flow mappings of YAML begin the same way; the YAML parser's message fits both.
	}
	converted, err := yaml.YAMLToJSONStrict(d.text)
	if err != nil {
		return nil, d.syntaxError(err)
	}
	return jsonValues(converted)
}

func jsonValues(text []byte) ([]any, error) {
	decoder := json.NewDecoder(bytes.NewReader(text))
	var values []any
	for {
		var raw json.RawMessage
		err := decoder.Decode(&raw)
		if errors.Is(err, io.EOF) {
			return values, nil
		}
		if err != nil {
			return nil, err
		}
		var value any
		if err := utiljson.Unmarshal(raw, &value); err != nil { // keeps integers, unlike encoding/json
			return nil, err
		}
		values = append(values, value)
	}
}

// lineNumber is where the YAML parser puts the line, counted from the beginning of its input.
var lineNumber = regexp.MustCompile(`line (\d+)`)

// quotedValue is how the YAML parser quotes what it read, which may be a secret.
var quotedValue = regexp.MustCompile("`[^`]*`|map key: .*")

// syntaxError is the parser's message with the line counted from the beginning of the file, and without
// the values that it quotes.
func (d textDocument) syntaxError(err error) error {
	message := strings.TrimPrefix(strings.TrimPrefix(err.Error(), "error converting YAML to JSON: "), "yaml: ")
	message = strings.TrimSpace(strings.TrimPrefix(message, "unmarshal errors:"))
	message = quotedValue.ReplaceAllStringFunc(message, func(found string) string {
		if strings.HasPrefix(found, "map key") {
			return "map key"
		}
		return "a value"
	})
	if !lineNumber.MatchString(message) {
		message = "line 1: " + message
	}
	message = lineNumber.ReplaceAllStringFunc(message, func(found string) string {
		n, err := strconv.Atoi(lineNumber.FindStringSubmatch(found)[1])
		if err != nil {
			return found
		}
		if strings.Contains(message, "did not find expected") {
			n++ // the parser, unlike its scanner, counts lines from 0 (go.yaml.in/yaml: parser.fail)
		}
		last := bytes.Count(bytes.TrimRight(d.text, "\n"), []byte("\n")) + 1
		return fmt.Sprintf("line %d", min(n, last)+d.line-1)
	})
	return errors.New(strings.Join(strings.Fields(message), " "))
}

// objectsOf is the object that a value describes, or a List's items.
func objectsOf(value any) ([]*unstructured.Unstructured, error) {
	if value == nil {
		return nil, nil
	}
	content, ok := value.(map[string]any)
	if !ok {
		return nil, errors.New("this is no object: an object has apiVersion, kind and metadata")
	}
	u := &unstructured.Unstructured{Object: content}
	switch {
	case len(content) == 0:
		return nil, nil
	case u.GetKind() == "":
		return nil, errors.New("kind is missing")
	case u.GetAPIVersion() == "":
		return nil, fmt.Errorf("apiVersion of the %s is missing", u.GetKind())
	}
	if items, isList := content["items"].([]any); isList && strings.HasSuffix(u.GetKind(), "List") {
		return objectsOfList(u, items)
	}
	return []*unstructured.Unstructured{u}, checkMetadata(u)
}

// checkMetadata finds what the API server could only report as a type mismatch, or what would get
// lost when our label is added.
func checkMetadata(u *unstructured.Unstructured) error {
	if u.GetName() == "" && u.GetGenerateName() == "" {
		return fmt.Errorf("metadata.name of the %s is missing", u.GetKind())
	}
	if _, _, err := unstructured.NestedStringMap(u.Object, "metadata", "labels"); err != nil {
		return fmt.Errorf("metadata.labels of %s/%s must be strings: put numbers and true or false in quotes", strings.ToLower(u.GetKind()), u.GetName())
	}
	return nil
}

func objectsOfList(list *unstructured.Unstructured, items []any) ([]*unstructured.Unstructured, error) {
	var objects []*unstructured.Unstructured
	for i, item := range items {
		found, err := objectsOf(item)
		if err != nil {
			return nil, fmt.Errorf("item %d of the %s: %w", i+1, list.GetKind(), err)
		}
		objects = append(objects, found...)
	}
	return objects, nil
}
