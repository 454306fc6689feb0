package sqlite

import (
	"context"
	"embed"
	"errors"
	"fmt"

	"github.com/outdial/outdial/store/internal/migrations"
)

// migrationFiles are numbered from 1 without a gap and applied in that order. One that was
// released never changes: files exist that have run it.
//
//go:embed migrations/*.sql
var migrationFiles embed.FS

// loadMigrations returns the texts in their order: number n is at n-1.
func loadMigrations() ([]string, error) {
	steps, err := migrations.Load(migrationFiles)
	texts := make([]string, len(steps))
	for i, step := range steps {
		texts[i] = step.SQL
	}
	return texts, err
}

// migrate brings the file to the newest schema, in one transaction: two processes that
// open a new file at once do it one after the other, and the second finds it done.
func migrate(ctx context.Context, c *connection, texts []string) error {
	version, err := schemaVersion(ctx, c)
	if err != nil {
		return err
	}
	if version == len(texts) {
		return nil // without a lock, which somebody else may be holding for long
	}
	if err := checkSchema(version, len(texts)); err != nil {
		return err
	}
	if err := c.script(ctx, "BEGIN IMMEDIATE"); err != nil {
		return fmt.Errorf("begin migration: %w", err)
	}
	if err := migrateLocked(ctx, c, texts); err != nil {
		return errors.Join(err, c.script(context.WithoutCancel(ctx), "ROLLBACK"))
	}
	if err := c.script(ctx, "COMMIT"); err != nil {
		return fmt.Errorf("commit migration: %w", err)
	}
	return nil
}

func migrateLocked(ctx context.Context, c *connection, texts []string) error {
	version, err := schemaVersion(ctx, c) // again: another process may have been faster
	if err != nil {
		return err
	}
	if err := checkSchema(version, len(texts)); err != nil {
		return err
	}
	for i := version; i < len(texts); i++ {
		mark := fmt.Sprintf("PRAGMA application_id = %d; PRAGMA user_version = %d", applicationID, i+1)
		for _, text := range []string{texts[i], mark} {
			if err := c.script(ctx, text); err != nil {
				return fmt.Errorf("migration %d: %w", i+1, err)
			}
		}
	}
	return nil
}
