package actions

import (
	"maps"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/labels"
)

func TestParseLabelChange(t *testing.T) {
	t.Parallel()
	got, err := ParseLabelChange([]string{"node=node01", "empty=", "example.com/a=b", "old-"})
	want := LabelChange{Set: map[string]string{"node": "node01", "empty": "", "example.com/a": "b"}, Remove: []string{"old"}}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("error %v; -want +got:\n%s", err, diff)
	}
}

func TestParseLabelChangeRefuses(t *testing.T) {
	t.Parallel()
	for words, wantPrefix := range map[string]string{
		"=value":                       `label key "" is not valid: `,
		"-":                            `label key "" is not valid: `,
		"a b=c":                        `"a" is neither KEY=VALUE, to set a label, nor KEY-, to remove one`,
		"key=a/b":                      `value "a/b" of label "key" is not valid: `,
		"key==b":                       `value "=b" of label "key" is not valid: `,
		strings.Repeat("k", 64) + "=v": `label key "` + strings.Repeat("k", 64) + `" is not valid: `,
		"k=" + strings.Repeat("v", 64): `value "` + strings.Repeat("v", 64) + `" of label "k" is not valid: must be no more than 63 `,
		"a=1 a=2":                      `label "a" is named twice`,
		"a=1 a-":                       `label "a" is named twice`,
		"a- a-":                        `label "a" is named twice`,
		"UPPER.example.COM/a=b":        `label key "UPPER.example.COM/a" is not valid: prefix part `,
	} {
		_, err := ParseLabelChange(strings.Fields(words))
		if err == nil || !strings.HasPrefix(err.Error(), wantPrefix) || Explain(err).Code != ExitUsage {
			t.Errorf("%q\n got: %v\nwant: %s…", words, err, wantPrefix)
		}
	}
}

func TestParseLabels(t *testing.T) {
	t.Parallel()
	got, err := ParseLabels("--labels", "app=nt,step=dev,empty=")
	if diff := cmp.Diff(map[string]string{"app": "nt", "step": "dev", "empty": ""}, got); err != nil || diff != "" {
		t.Errorf("error %v; -want +got:\n%s", err, diff)
	}
	for text, want := range map[string]string{
		"app":         `--labels: "app" is not of the form KEY=VALUE`,
		"app=nt,":     `--labels: "" is not of the form KEY=VALUE`,
		"app=a,app=b": `--labels: "app" is named twice`,
	} {
		if _, err := ParseLabels("--labels", text); err == nil || err.Error() != want {
			t.Errorf("%q\n got: %v\nwant: %s", text, err, want)
		}
	}
}

func TestParseSelector(t *testing.T) {
	t.Parallel()
	selector, err := ParseSelector("--selector", "app=nt,step in (dev,test),!gone")
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]bool{"app=nt,step=dev": true, "app=nt,step=prod": false, "app=nt,step=dev,gone=": false} {
		set, err := labels.ConvertSelectorToLabelsMap(text)
		if err != nil {
			t.Fatal(err)
		}
		if got := selector.Matches(set); got != want {
			t.Errorf("%s matches: %t, want %t", text, got, want)
		}
	}
	_, err = ParseSelector("--selector", "app in (a")
	if err == nil || !strings.HasPrefix(err.Error(), `--selector: "app in (a" is not a label selector: `) || Explain(err).Code != ExitUsage {
		t.Errorf("got %v", err)
	}
}

func TestLabelChangeApply(t *testing.T) {
	t.Parallel()
	change := LabelChange{Set: map[string]string{"new": "1", "other": "2", "same": "3"}, Remove: []string{"old", "absent"}}
	before := map[string]string{"other": "1", "same": "3", "old": "x", "kept": "y"}
	after, differences := change.apply(before)
	if diff := cmp.Diff(map[string]string{"new": "1", "other": "2", "same": "3", "kept": "y"}, after); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if diff := cmp.Diff([]string{"new=1", "other=2", "old-"}, differences); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if before["other"] != "1" || before["old"] != "x" {
		t.Errorf("the labels before were changed: %v", before)
	}
	if diff := cmp.Diff([]string{`other is "1", not "2"`}, change.conflicts(before)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestFormatLabels(t *testing.T) {
	t.Parallel()
	if got := FormatLabels(nil); got != "<none>" {
		t.Errorf("got %q", got)
	}
	if got := FormatLabels(map[string]string{"b": "2", "a": "1"}); got != "a=1,b=2" {
		t.Errorf("got %q", got)
	}
}

// FuzzParseLabelChange checks that what is accepted can be written again, and does what it says.
func FuzzParseLabelChange(f *testing.F) {
	for _, seed := range []string{"a=b", "a-", "a=b c- d=", "example.com/a=b", "=", "-", "a=b=c", "a=- b-"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, line string) {
		change, err := ParseLabelChange(strings.Fields(line))
		if err != nil {
			if Explain(err).Code != ExitUsage {
				t.Fatalf("%q: exit code %d", line, Explain(err).Code)
			}
			return
		}
		after, _ := change.apply(nil)
		if !maps.Equal(after, change.Set) {
			t.Fatalf("%q sets %v, want %v", line, after, change.Set)
		}
		for _, key := range change.Remove {
			if _, set := change.Set[key]; set {
				t.Fatalf("%q sets and removes %q", line, key)
			}
		}
	})
}

// FuzzParseLabels checks that accepted labels survive being formatted and parsed again.
func FuzzParseLabels(f *testing.F) {
	for _, seed := range []string{"", "a=b", "a=b,c=d", "a", "a=b,,", "example.com/a="} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		set, err := ParseLabels("--labels", text)
		if err != nil || len(set) == 0 {
			return
		}
		again, err := ParseLabels("--labels", FormatLabels(set))
		if err != nil || !maps.Equal(set, again) {
			t.Fatalf("%q: %v, then %v (%v)", text, set, again, err)
		}
	})
}

// FuzzParseSelector checks that an accepted selector means the same when written out.
func FuzzParseSelector(f *testing.F) {
	for _, seed := range []string{"", "a=b", "a==b,c!=d", "a in (b,c)", "!a", "a notin (b)", "a>1", "a in ("} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		selector, err := ParseSelector("-l", text)
		if err != nil {
			return
		}
		again, err := ParseSelector("-l", selector.String())
		if err != nil || again.String() != selector.String() {
			t.Fatalf("%q: %s, then %s (%v)", text, selector, again, err)
		}
	})
}
