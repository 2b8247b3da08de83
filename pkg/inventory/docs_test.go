package inventory

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestDocs proves that docs/inventory.md has a section for each finding, and none for another.
func TestDocs(t *testing.T) {
	data, err := os.ReadFile(filepath.Join("..", "..", "docs", "inventory.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, findings, _ := strings.Cut(string(data), "## Findings")
	findings, _, _ = strings.Cut(findings, "\n## ")
	documented := map[string]bool{}
	for line := range strings.Lines(findings) {
		if id, ok := strings.CutPrefix(strings.TrimSpace(line), "### "); ok {
			documented[id] = true
		}
	}
	for _, c := range Checks() {
		if !documented[c.ID] {
			t.Errorf("docs/inventory.md has no section %s", c.ID)
		}
		delete(documented, c.ID)
	}
	for id := range documented {
		t.Errorf("docs/inventory.md has a section %s, but there is no such finding", id)
	}
}
