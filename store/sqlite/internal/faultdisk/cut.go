package faultdisk

import (
	"bytes"
	"maps"
	"math/rand/v2"
	"slices"
)

// Cut cuts the power, if it is not off yet, and returns the disk as it is found when it is back. Nobody
// may use the old one for anything but to close its files.
func (d *Disk) Cut() *Disk {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.off = true
	after := newDisk(d.random)
	left := d.survivors()
	for _, name := range slices.Sorted(maps.Keys(left)) { // in an order, so that the seed decides
		left := left[name].survive(d.random, d.sector)
		found := &inode{seen: left, synced: bytes.Clone(left)}
		after.files[name], after.synced[name] = found, found
	}
	return after
}

// Restart returns the disk as the next process finds it when this one was killed: all that was
// written can be read, and what was not synced is not durable yet. The old one is off.
func (d *Disk) Restart() *Disk {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.off = true
	copies := map[*inode]*inode{nil: nil} // who has the old one open may still ask it for its size
	own := func(n *inode) *inode {
		if _, known := copies[n]; !known {
			copies[n] = &inode{seen: bytes.Clone(n.seen), synced: bytes.Clone(n.synced), pending: slices.Clone(n.pending)}
		}
		return copies[n]
	}
	after := &Disk{random: d.random, sector: d.sector, files: map[string]*inode{}, synced: map[string]*inode{}}
	for name, n := range d.files {
		after.files[name] = own(n)
	}
	for name, n := range d.synced {
		after.synced[name] = own(n)
	}
	for _, e := range d.entries {
		after.entries = append(after.entries, entry{e.name, own(e.file)})
	}
	return after
}

// survivors are the names that are left: each has seen any number of its changes.
func (d *Disk) survivors() map[string]*inode {
	after := maps.Clone(d.synced)
	byName := map[string][]entry{}
	var names []string // in their order, as above
	for _, e := range d.entries {
		if byName[e.name] == nil {
			names = append(names, e.name)
		}
		byName[e.name] = append(byName[e.name], e)
	}
	for _, name := range names {
		for _, e := range byName[name][:d.random.IntN(len(byName[name])+1)] {
			set(after, e)
		}
	}
	return after
}

// luck is how much of what was not synced has reached the disk.
type luck uint8

const (
	none    luck = iota // as if nothing had been written
	all                 // as if it had been synced
	inOrder             // up to some moment
	mixed               // each sector by itself
)

// survive returns what a cut leaves of the file.
func (n *inode) survive(r *rand.Rand, sector int) []byte {
	if len(n.pending) == 0 {
		return bytes.Clone(n.synced)
	}
	with := []luck{none, all, inOrder, mixed}[r.IntN(4)]
	until := n.until(r, with)
	most := len(n.synced)
	for _, c := range n.pending {
		most = max(most, c.size)
	}
	left := make([]byte, most)
	copy(left, n.synced)
	for low := 0; low < most; low += sector {
		high := min(low+sector, most)
		changes, least, early := n.touching(low, high, until)
		kept := least + r.IntN(len(changes)-least+1)
		switch with {
		case none, inOrder:
			kept = early
		case all:
			kept = len(changes)
		case mixed:
		}
		for _, c := range changes[:kept] {
			c.apply(left, low, high)
		}
		const torn = 6 // one of so many
		if kept < len(changes) && r.IntN(torn) == 0 {
			changes[kept].tear(r, left, low, high)
		}
	}
	if until == 0 {
		return left[:len(n.synced)]
	}
	return left[:n.pending[until-1].size]
}

// until returns how many of the changes the size and the truncations have reached.
func (n *inode) until(r *rand.Rand, with luck) int {
	switch with {
	case none:
		return 0
	case all:
		return len(n.pending)
	case mixed, inOrder:
	}
	return r.IntN(len(n.pending) + 1)
}

// touching returns the writes of a sector that may have reached the disk; how many of them must have, or
// their room has been freed; and how many were among the first changes, those up to until.
// A truncation that has come through frees what was there for sure; before one that has
// not, what is written later has no place in the file.
func (n *inode) touching(low, high, until int) (changes []change, least, early int) {
	for i, c := range n.pending {
		if c.off >= high || c.end(high) <= low {
			continue
		}
		if c.truncates() && i >= until {
			break
		}
		changes = append(changes, c)
		if i < until {
			early = len(changes)
		}
		if c.truncates() {
			least = len(changes)
		}
	}
	return changes, least, early
}

// tear makes the change in a part of a sector: its beginning, its end, or junk wherever it changes something.
func (c change) tear(r *rand.Rand, to []byte, low, high int) {
	low, high = max(low, c.off), min(high, c.end(len(to)))
	if low >= high {
		return
	}
	at := low + r.IntN(high-low)
	switch r.IntN(3) {
	case 0:
		c.apply(to, low, at)
	case 1:
		c.apply(to, at, high)
	default:
		before := bytes.Clone(to[low:high])
		c.apply(to, low, high)
		for i := low; i < high; i++ {
			if to[i] != before[i-low] {
				to[i] = byte(r.Uint32() & 0xff)
			}
		}
	}
}
