package postgres

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"sync"

	"github.com/jackc/pgx/v5"
)

// schema is where the tables are. The texts of this package name each table as outdial.x.
type schema struct {
	name   string
	quoted string
	texts  sync.Map // of those that never change, by what they are without it
}

func newSchema(name string) *schema {
	return &schema{name: name, quoted: pgx.Identifier{name}.Sanitize()}
}

const textsPrefix = defaultSchema + "."

// in returns a text for this schema.
func (s *schema) in(text string) string {
	return strings.ReplaceAll(text, textsPrefix, s.quoted+".")
}

// kept is in for the constants of this package, of which there are few and all in steady use.
func (s *schema) kept(text string) string {
	if s.name == defaultSchema {
		return text
	}
	if made, ok := s.texts.Load(text); ok {
		return made.(string) //nolint:forcetypeassert // nothing else is stored
	}
	made := s.in(text)
	s.texts.Store(text, made)
	return made
}

// hash is a short name for the schema where its own cannot stand.
func (s *schema) hash() string {
	sum := sha256.Sum256([]byte(s.name))
	return hex.EncodeToString(sum[:8])
}
