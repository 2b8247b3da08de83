package suggest

import "testing"

func TestClosest(t *testing.T) {
	verbs := []string{"status", "label", "create", "get", "logs", "delete", "token", "describe"}
	for word, want := range map[string]string{
		"statsu": "status",
		"stat":   "status",
		"lable":  "label",
		"gte":    "get",
		"Tokne":  "token",
		"x":      "",
		"":       "",
		"foobar": "",
	} {
		if got := Closest(word, verbs); got != want {
			t.Errorf("Closest(%q) = %q, want %q", word, got, want)
		}
	}
}

func FuzzClosest(f *testing.F) {
	f.Add("statsu", "status")
	f.Fuzz(func(t *testing.T, word, candidate string) {
		if got := Closest(word, []string{candidate}); got != "" && got != candidate {
			t.Errorf("Closest(%q) invented %q", word, got)
		}
	})
}
