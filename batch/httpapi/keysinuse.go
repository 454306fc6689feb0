package httpapi

import "sync"

// keysInUse are the idempotency keys of requests that are being answered by this process. A
// second request with one of them could only wait for the first, and is refused instead. Two
// processes may both go on: the store then creates one batch, or retries it once.
type keysInUse struct {
	mu   sync.Mutex
	keys map[keyInScope]struct{}
}

// keyInScope is the key of a request that creates a batch, or of one that retries the batch.
type keyInScope struct{ org, batch, key string }

// use takes a key until done is called, unless somebody has it.
func (k *keysInUse) use(key keyInScope) (done func(), ok bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if _, taken := k.keys[key]; taken {
		return nil, false
	}
	if k.keys == nil {
		k.keys = map[keyInScope]struct{}{}
	}
	k.keys[key] = struct{}{}
	return func() {
		k.mu.Lock()
		defer k.mu.Unlock()
		delete(k.keys, key)
	}, true
}
