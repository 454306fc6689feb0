package report

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
)

// Write writes results.md, summary.md, results.json and chart.svg into a folder, which it makes.
func (r *Report) Write(folder string) error {
	if err := os.MkdirAll(folder, 0o750); err != nil {
		return fmt.Errorf("results: %w", err)
	}
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("results: %w", err)
	}
	for name, content := range map[string]string{
		"results.md": r.Markdown(), "summary.md": r.Summary(), "results.json": string(text) + "\n", "chart.svg": r.SVG(),
	} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(content), 0o600); err != nil {
			return fmt.Errorf("results: %w", err)
		}
	}
	return nil
}
