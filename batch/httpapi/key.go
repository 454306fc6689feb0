package httpapi

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/outdial/outdial/batch"
	"github.com/outdial/outdial/store"
)

// keyHeader makes a request that creates a batch, or retries it, idempotent, as of
// draft-ietf-httpapi-idempotency-key-header-07, section 2.
const keyHeader = "Idempotency-Key"

// keyPrefix keeps the keys of HTTP clients apart from those that the host uses itself.
const keyPrefix = "http:"

const maxKey = store.MaxKey - len(keyPrefix)

// idempotencyKey returns the key of a request as it is stored, empty where it has none. The
// header is a string of RFC 9651, section 3.3.3, in quotes; most clients leave those out,
// which makes no other key.
func idempotencyKey(r *http.Request) (string, error) {
	values := r.Header.Values(keyHeader)
	if len(values) == 0 {
		return "", nil
	}
	var key string
	err := errors.New("expected once")
	if len(values) == 1 {
		key, err = parseKey(values[0])
	}
	if err != nil {
		return "", &batch.InvalidError{Fields: []batch.FieldError{{Path: keyHeader, Message: err.Error()}}}
	}
	return keyPrefix + key, nil
}

func parseKey(value string) (key string, err error) {
	if strings.HasPrefix(value, `"`) {
		key, err = unquoteKey(value)
	} else {
		key, err = value, checkBareKey(value)
	}
	switch {
	case err != nil:
		return "", err
	case key == "":
		return "", errors.New("expected a key, got nothing")
	case len(key) > maxKey:
		return "", fmt.Errorf("expected at most %d bytes, got %d", maxKey, len(key))
	}
	return key, nil
}

// checkBareKey wants quotes around what two headers made into one would look like.
func checkBareKey(value string) error {
	for i := range len(value) {
		if c := value[i]; c <= ' ' || c > '~' || strings.IndexByte(`",;`, c) >= 0 {
			return errors.New(`expected visible ASCII characters, and quotes around all of it where there are spaces or , ; "`)
		}
	}
	return nil
}

func unquoteKey(value string) (string, error) {
	var key strings.Builder
	for i := 1; i < len(value); i++ {
		switch c := value[i]; {
		case c == '"' && i == len(value)-1:
			return key.String(), nil
		case c == '\\' && i+1 < len(value) && (value[i+1] == '"' || value[i+1] == '\\'):
			i++
			key.WriteByte(value[i])
		case c < ' ' || c > '~' || c == '"' || c == '\\':
			return "", errors.New(`expected ASCII characters between quotes, with \ before " and \ only`)
		default:
			key.WriteByte(c)
		}
	}
	return "", errors.New("expected a quote at the end")
}
