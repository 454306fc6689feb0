package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/outdial/outdial/batch/config"
	"github.com/outdial/outdial/batch/httpapi"
)

// keyLine begins the line that tells an API key, in the form that a shell reads.
const keyLine = "OUTDIAL_KEY="

// keySuffix is what the name of the file with the key has behind that of the database.
const keySuffix = "-key"

// keys are those that serve lets in, by their hash. Without a configuration there is one, which is told:
// it is kept beside the database, so that clients go on after a restart, in a file that nobody else
// may read. With one, the configuration has the hashes, and key is empty.
func (a *app) keys(c *config.Config) (hashes map[[32]byte]string, key string, err error) {
	if a.cli.Config != "" {
		if hashes = c.APIKeys(); len(hashes) == 0 {
			return nil, "", usagef("no organisation of the configuration has api_keys, so nobody could use the server; " +
				"\"outdial key\" makes one")
		}
		return hashes, "", nil
	}
	org, err := a.organisation(c)
	if err != nil {
		return nil, "", err
	}
	if key, err = keptKey(a.keyFile()); err != nil {
		return nil, "", err
	}
	return map[[32]byte]string{httpapi.HashKey(key): org}, key, nil
}

// keptKey reads the key of a file, and makes the file if there is none.
func keptKey(path string) (string, error) {
	err := makeKey(path)
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return "", fmt.Errorf("keeping the API key: %w", err)
	}
	f, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("reading the API key: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return "", fmt.Errorf("reading the API key: %w", err)
	}
	const others = 0o077
	if runtime.GOOS != "windows" && info.Mode().Perm()&others != 0 {
		return "", usagef("others may read the API key in %s: chmod 600 it, or delete it to get another key", path)
	}
	const most, prefix, least = 512, "od_", 20
	text := make([]byte, most)
	n, err := f.Read(text)
	key := strings.TrimSpace(string(text[:n]))
	if err != nil || !strings.HasPrefix(key, prefix) || len(key) < least || strings.ContainsAny(key, " \r\n\t") {
		return "", usagef("%s holds no API key: delete it to get another one", path)
	}
	return key, nil
}

// makeKey makes the file, which is there as a whole or not at all. fs.ErrExist.
func makeKey(path string) (err error) {
	if _, err := os.Lstat(path); err == nil {
		return fs.ErrExist
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".outdial-key-*") // which nobody else may read
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.Remove(f.Name())) }()
	_, err = f.WriteString(httpapi.NewKey() + "\n")
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Link(f.Name(), path) // unlike a rename it replaces nothing
}
