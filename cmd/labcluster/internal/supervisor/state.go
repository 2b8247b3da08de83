package supervisor

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
)

// ReadStatus reads what a supervisor wrote to its state file.
func ReadStatus(file string) (Status, error) {
	var status Status
	data, err := os.ReadFile(file)
	if err != nil {
		return status, err
	}
	if err := json.Unmarshal(data, &status); err != nil {
		return status, fmt.Errorf("read %s: %w", file, err)
	}
	return status, nil
}

// writeStatus replaces the state file in one step.
func writeStatus(file string, status Status) error {
	data, err := json.MarshalIndent(status, "", "  ")
	if err != nil {
		return err
	}
	next := file + ".next"
	if err := os.WriteFile(next, data, 0o600); err != nil {
		return err
	}
	if err := os.Rename(next, file); err != nil {
		return fmt.Errorf("replace %s: %w", filepath.Base(file), err)
	}
	return nil
}
