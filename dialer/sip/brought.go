package sip

import "github.com/icholy/digest"

// brought is what one request in a dialog has brought to each realm, and how often it was tried there. Requests in a
// dialog are under way beside each other, so what is counted for one says nothing of another. Nil is what requests
// have that follow each other: the realms count for them. It is used with the lock of the credentials held.
type brought struct {
	nonces map[*realm]string
	tries  map[*realm]int
}

func newBrought() *brought { return &brought{nonces: map[*realm]string{}, tries: map[*realm]int{}} }

// bring notes that the request brings an answer to the realm's challenge.
func (b *brought) bring(r *realm) {
	if b != nil {
		b.nonces[r] = r.challenge.Nonce
	}
}

// isOutdated says whether the realm has been renewed for another request since this one brought an answer.
func (b *brought) isOutdated(r *realm) bool {
	return b != nil && b.nonces[r] != "" && b.nonces[r] != r.challenge.Nonce
}

// triesAt is how many challenges of the realm were answered since it took an answer.
func (b *brought) triesAt(r *realm) int {
	if b == nil {
		return r.tries
	}
	return b.tries[r]
}

// renew takes a challenge of the realm, to be answered by the request when it is sent again.
func (b *brought) renew(r *realm, challenge *digest.Challenge) {
	r.challenge, r.uses = challenge, 0
	if b == nil {
		r.tries++
		return
	}
	b.tries[r]++
}
