package httpapi

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
)

// maxAPIKey is the longest API key that is looked at, in bytes.
const maxAPIKey = 512

// Keys is a list of API keys, of which it knows the hashes only. Make one with [NewKeys]. It is
// safe for concurrent use.
type Keys struct {
	list atomic.Pointer[keyList]
}

type keyList struct {
	hashes [][sha256.Size]byte
	orgs   []string // of the hash at the same index
}

// NewKeys makes a list from the hashes of keys, see [HashKey], each with the organisation that
// it belongs to. An organisation may have several keys, so that one can be replaced without a
// pause. An empty list lets nobody in. The error names each hash without an organisation.
func NewKeys(hashes map[[sha256.Size]byte]string) (*Keys, error) {
	k := &Keys{}
	if err := k.Replace(hashes); err != nil {
		return nil, err
	}
	return k, nil
}

// Replace puts another list in place of the present one, all at once. After an error the present
// one stays.
func (k *Keys) Replace(hashes map[[sha256.Size]byte]string) error {
	list := &keyList{}
	var errs []error
	for _, hash := range slices.SortedFunc(maps.Keys(hashes), compareHashes) {
		if hashes[hash] == "" {
			errs = append(errs, fmt.Errorf("httpapi: key with the hash %s…: no organisation", hex.EncodeToString(hash[:4])))
		}
		list.hashes = append(list.hashes, hash)
		list.orgs = append(list.orgs, hashes[hash])
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	k.list.Store(list)
	return nil
}

func compareHashes(a, b [sha256.Size]byte) int { return slices.Compare(a[:], b[:]) }

// Authenticate is for Config.Authenticate. It takes the key from "Authorization: Bearer KEY"
// (RFC 6750, section 2.1) or from "X-API-Key: KEY". Both may be there if they agree.
// The error is always ErrUnauthenticated.
//
// The key is compared with every one of the list, whatever it is found to be, so the time that
// takes tells nothing but their number.
func (k *Keys) Authenticate(r *http.Request) (org string, err error) {
	key, err := presented(r)
	if err != nil {
		return "", err
	}
	list := k.list.Load()
	if list == nil {
		return "", ErrUnauthenticated
	}
	found, hash := -1, HashKey(key)
	for i := range list.hashes {
		found = subtle.ConstantTimeSelect(subtle.ConstantTimeCompare(hash[:], list.hashes[i][:]), i, found)
	}
	if found < 0 {
		return "", ErrUnauthenticated
	}
	return list.orgs[found], nil
}

// HashKey is what a list keeps of a key: its SHA-256. Keys of [NewKey] are random enough
// to need no slower hash.
func HashKey(key string) [sha256.Size]byte { return sha256.Sum256([]byte(key)) }

// NewKey makes an API key from crypto/rand: od_ and 32 letters and digits, 190 bits. Show it once
// and keep its hash.
func NewKey() string {
	const letters = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	const length, fair = 32, 256 - 256%len(letters) // bytes from there on would favour the first letters
	var key strings.Builder
	key.WriteString("od_")
	for n := 0; n < length; {
		var b [2 * length]byte
		_, _ = rand.Read(b[:]) // never fails: it ends the program instead
		for _, x := range b {
			if int(x) < fair && n < length {
				key.WriteByte(letters[int(x)%len(letters)])
				n++
			}
		}
	}
	return key.String()
}
