package httpapi

import "sync"

// keysInUse are the idempotency keys of requests that are being answered by this process. A
// second request with one of them could only wait for the first, and is refused instead. Two
// processes may both go on: the store then gives them the same batch.
type keysInUse struct {
	mu   sync.Mutex
	keys map[orgKey]struct{}
}

type orgKey struct{ org, key string }

// use takes a key until done is called, unless somebody has it.
func (k *keysInUse) use(org, key string) (done func(), ok bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	id := orgKey{org, key}
	if _, taken := k.keys[id]; taken {
		return nil, false
	}
	if k.keys == nil {
		k.keys = map[orgKey]struct{}{}
	}
	k.keys[id] = struct{}{}
	return func() {
		k.mu.Lock()
		defer k.mu.Unlock()
		delete(k.keys, id)
	}, true
}
