package httpapi

import (
	"github.com/outdial/outdial/fsm"
	"github.com/outdial/outdial/store"
)

// batchWriter writes recipients of a batch, in their order, and counts them.
type batchWriter struct {
	s      *stream
	b      []byte // what was not handed on yet
	sent   bool   // whether something was
	queue  *queue
	counts fsm.Counts
}

func (w *batchWriter) recipients(rows []store.Recipient) error {
	for _, r := range rows {
		if w.counts.Scheduled() > 0 {
			w.b = append(w.b, ',')
		}
		if err := w.recipient(r); err != nil {
			return err
		}
		w.counts.Add(r.Status, 1)
		if r.Status == fsm.Failed && r.CallID == "" {
			w.counts.Unplaced++
		}
	}
	return nil
}

// recipient appends to b, and hands on what has become too long to be kept.
func (w *batchWriter) recipient(r store.Recipient) error {
	if waiting := w.queue.waiting(r); len(r.Metadata) < piece {
		w.b = appendRecipient(w.b, r, waiting)
	} else {
		metadata := r.Metadata
		r.Metadata = nil
		w.b = appendRecipient(w.b, r, waiting)
		w.b = appendKey(w.b[:len(w.b)-1], "metadata") // inside of the brace
		if err := w.send(metadata); err != nil {      // not by way of b, which would stay as long
			return err
		}
		w.b = append(w.b, '}')
	}
	if len(w.b) < piece {
		return nil
	}
	return w.send(nil)
}

// send hands on b, and more behind it.
func (w *batchWriter) send(more []byte) error {
	w.sent = true
	for _, p := range [][]byte{w.b, more} {
		if _, err := w.s.Write(p); err != nil {
			return err
		}
	}
	w.b = w.b[:0]
	return nil
}

func (w *batchWriter) finish() error {
	if err := w.send(nil); err != nil {
		return err
	}
	return w.s.Flush()
}

// failed is the answer to an error, for which it is too late once something was sent.
func (w *batchWriter) failed(doing string, err error) error {
	if w.sent {
		return aborted(doing, err)
	}
	return err
}
