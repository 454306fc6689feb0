// Package faultdisk is a disk in memory that forgets what a real one may forget when its
// power is cut, and fails as one fails that is broken or full. Tests put it under SQLite.
//
// # What survives a cut
//
// What was synced, and of the rest whatever the draw says. Every sector stands as it was
// after the sync or after any of the writes since, in whatever order they were made, or is
// torn: the write that was under way has changed a part of it, or left junk where it changes something.
// What it does not write to, or writes as it was, stays (SQLite relies on the former, and calls
// it powersafe overwrite). The size of a file is any that it has had since its sync, and a truncation has come
// through if the size says so, as on file systems that keep a journal of both: what was freed does not
// come back. A name that was made or removed is as it was or as it became, each by itself, until its
// directory is synced; syncing the file does not help.
//
// # What a fault does
//
// A write that fails may have been made in part. A sync that fails has written an unknown part, and the
// rest never will be: the pages count as clean from then on, so that reading returns what is not on the
// disk, and the next sync succeeds without writing it. That is what Linux does on
// most file systems since 4.13 (wiki.postgresql.org/wiki/Fsync_Errors).
package faultdisk

import (
	"errors"
	"math/rand/v2"
	"sync"
)

// The errors of a disk.
var (
	ErrNoFile = errors.New("faultdisk: there is no such file")
	ErrOff    = errors.New("faultdisk: the power is off")
	ErrIO     = errors.New("faultdisk: input/output error")
	ErrFull   = errors.New("faultdisk: no space left")
)

// Op is what somebody asks of a disk.
type Op uint8

// The ops. Open, Write, Truncate, Sync and Remove are those that can change something.
const (
	Open Op = iota
	Read
	Write
	Truncate
	Sync
	Remove
	Ops = iota // how many there are
)

// Disk is one directory. It is safe for concurrent use.
type Disk struct {
	mu      sync.Mutex
	random  *rand.Rand
	sector  int               // bytes
	files   map[string]*inode // as everybody sees them
	synced  map[string]*inode // as they are after a cut, without luck
	entries []entry           // made and removed since the directory was synced

	off   bool
	left  int // changes until the power is cut; 0: it stays
	fault func(Op) error
	done  [Ops]int
	cutIn Op
}

// entry is a name that got a file, or lost it: nil.
type entry struct {
	name string
	file *inode
}

// New returns an empty disk. The seed decides what a cut will leave, and the size of a sector: 512 bytes or 4096.
func New(seed uint64) *Disk {
	return newDisk(rand.New(rand.NewPCG(seed, 1))) //nolint:gosec // draws that can be repeated are the point
}

func newDisk(random *rand.Rand) *Disk {
	const small, large = 512, 4096
	d := &Disk{random: random, sector: small, files: map[string]*inode{}, synced: map[string]*inode{}}
	if random.IntN(2) == 0 {
		d.sector = large
	}
	return d
}

// CutAfter has the power go at the nth change from now, which may come through in part or not at all. 0: it stays.
func (d *Disk) CutAfter(n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.left = n
}

// Fail has fault asked at each op whether it fails, and how; nil: none does. It is called while the disk is locked.
func (d *Disk) Fail(fault func(Op) error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.fault = fault
}

// Off says whether the power is gone, and which op it was that was under way then.
func (d *Disk) Off() (bool, Op) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.off, d.cutIn
}

// Done returns how often each op was asked for.
func (d *Disk) Done() [Ops]int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.done
}

// Names returns what the directory has.
func (d *Disk) Names() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	names := make([]string, 0, len(d.files))
	for name := range d.files {
		names = append(names, name)
	}
	return names
}

// Size returns the size of a file in bytes; false: there is none.
func (d *Disk) Size(name string) (int, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	n := d.files[name]
	if n == nil {
		return 0, false
	}
	return len(n.seen), true
}

// Open returns the file of that name. create makes one where there is none, else that is ErrNoFile.
func (d *Disk) Open(name string, create bool) (*File, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.begin(Open); err != nil {
		return nil, err
	}
	n := d.files[name]
	if n == nil && !create {
		return nil, ErrNoFile
	}
	if n == nil {
		n = &inode{}
		d.files[name] = n
		d.entries = append(d.entries, entry{name, n})
		if err := d.changed(Open); err != nil {
			return nil, err
		}
	}
	return &File{disk: d, inode: n}, nil
}

// Remove takes the name out of the directory, and syncs that if syncDir is set.
func (d *Disk) Remove(name string, syncDir bool) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.begin(Remove); err != nil {
		return err
	}
	if d.files[name] == nil {
		return ErrNoFile
	}
	delete(d.files, name)
	d.entries = append(d.entries, entry{name, nil})
	if err := d.changed(Remove); err != nil {
		return err
	}
	if syncDir {
		d.syncEntries()
	}
	return nil
}

func (d *Disk) syncEntries() {
	for _, e := range d.entries {
		set(d.synced, e)
	}
	d.entries = nil
}

func set(files map[string]*inode, e entry) {
	if e.file == nil {
		delete(files, e.name)
		return
	}
	files[e.name] = e.file
}

// begin is asked before an op does anything.
func (d *Disk) begin(op Op) error {
	d.done[op]++
	if d.off {
		return ErrOff
	}
	if d.fault != nil {
		return d.fault(op)
	}
	return nil
}

// changed counts a change that was made, or is about to be made durable. It is where the power goes.
func (d *Disk) changed(op Op) error {
	if d.left == 0 {
		return nil
	}
	if d.left--; d.left > 0 {
		return nil
	}
	d.off, d.cutIn = true, op
	return ErrOff
}
