package report

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// Try says whether a folder, which it makes, can be written into.
func Try(folder string) error {
	if err := os.MkdirAll(folder, 0o750); err != nil {
		return fmt.Errorf("results: %w", err)
	}
	file, err := os.CreateTemp(folder, ".tried-*")
	if err != nil {
		return fmt.Errorf("results: %w", err)
	}
	const much = 1 << 20 // more than results take: a disk may be full
	_, err = file.Write(make([]byte, much))
	if err := errors.Join(err, file.Close(), os.Remove(file.Name())); err != nil {
		return fmt.Errorf("results: %w", err)
	}
	return nil
}

// Write writes results.md, summary.md, results.json and chart.svg into a folder, which it makes. Files that are there
// stay as they are until those of their name are complete.
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
		if err := replace(filepath.Join(folder, name), content); err != nil {
			return fmt.Errorf("results: %w", err)
		}
	}
	return nil
}

// replace writes a file beside the one of that path and gives it its name.
func replace(path, content string) error {
	file, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return err
	}
	_, err = file.WriteString(content)
	err = errors.Join(err, file.Sync(), file.Close())
	if err == nil {
		err = os.Rename(file.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(file.Name()))
	}
	return nil
}
