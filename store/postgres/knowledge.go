package postgres

import (
	"container/list"
	"slices"
	"sync"
)

// knowledge is what a Store knows of all organisations. A step takes what is known of its own and brings back what it
// knows once it is written: so nothing is known after an error, and after a commit of which nobody knows the outcome.
// What has not been used for longest makes room. Safe for concurrent use.
type knowledge struct {
	mu    sync.Mutex
	orgs  map[int64][]*known // of each owner, of which there is one but for a session that has lost its lease
	kept  shelf              // with the calls and batches of each
	ahead shelf              // with the recipients who were read ahead, of those that have some
	clock int64              // how often something was put
}

// knowledgeSize is how many calls and batches are remembered at most, and how many queued recipients: more than a node
// has in flight. A call or a batch is half a kilobyte, a recipient less, or up to a kilobyte more for its metadata.
const knowledgeSize = 1 << 16

func newKnowledge() *knowledge { return &knowledge{orgs: map[int64][]*known{}} }

// take returns what is known of an organisation's calls of a node, never nil, and forgets it.
func (k *knowledge) take(org int64, owner string) *known {
	k.mu.Lock()
	defer k.mu.Unlock()
	n := newKnown(owner)
	if i := slices.IndexFunc(k.orgs[org], func(n *known) bool { return n.owner == owner }); i >= 0 {
		n = k.orgs[org][i]
		k.drop(org, n)
	}
	n.room = k.ahead.size < knowledgeSize || n.used > k.ahead.oldest().used
	return n
}

// put keeps what is known of an organisation that was taken.
func (k *knowledge) put(org int64, n *known) {
	k.mu.Lock()
	defer k.mu.Unlock()
	n.org.key = org
	k.clock++
	n.used = k.clock
	calls, queued := 1+len(n.calls)+len(n.batches), n.queued()
	if calls > knowledgeSize {
		return
	}
	if queued > knowledgeSize {
		clear(n.queues)
		queued = 0
	}
	k.orgs[org] = append(k.orgs[org], n)
	k.kept.add(n, &n.kept, calls)
	if queued > 0 {
		k.ahead.add(n, &n.ahead, queued)
	}
	for k.ahead.size > knowledgeSize {
		old := k.ahead.oldest()
		clear(old.queues)
		k.ahead.remove(&old.ahead)
	}
	for k.kept.size > knowledgeSize {
		old := k.kept.oldest()
		k.drop(old.org.key, old)
	}
}

func (k *knowledge) drop(org int64, n *known) {
	k.kept.remove(&n.kept)
	k.ahead.remove(&n.ahead)
	left := slices.DeleteFunc(k.orgs[org], func(o *known) bool { return o == n })
	if len(left) == 0 {
		delete(k.orgs, org)
	} else {
		k.orgs[org] = left
	}
}

// doubt has the next step look whether what is known of an organisation is still true, which this process is about to
// change otherwise than by a step. The batches are read again in any case: a retry may set their key and nothing else.
func (k *knowledge) doubt(org int64) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, n := range k.orgs[org] {
		n.whole = false
		clear(n.batches)
	}
}

// queued is for how many recipients there is memory.
func (n *known) queued() (all int) {
	for _, q := range n.queues {
		all += cap(q.list)
	}
	return all
}

// shelf has what is known in the order in which it was used.
type shelf struct {
	list list.List
	size int
}

// spot is where something stands on a shelf.
type spot struct {
	at   *list.Element
	size int
}

func (s *shelf) add(n *known, at *spot, size int) {
	*at = spot{s.list.PushFront(n), size}
	s.size += size
}

func (s *shelf) remove(at *spot) {
	if at.at != nil {
		s.list.Remove(at.at)
		s.size -= at.size
		*at = spot{}
	}
}

func (s *shelf) oldest() *known {
	return s.list.Back().Value.(*known) //nolint:forcetypeassert // nothing else is added
}
