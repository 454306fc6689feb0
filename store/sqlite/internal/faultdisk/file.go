package faultdisk

// File is an open file of a [Disk]. It is safe for concurrent use, and goes on after its name was removed.
type File struct {
	disk  *Disk
	inode *inode
}

// inode is what a file has.
type inode struct {
	seen    []byte   // what reading returns
	synced  []byte   // what is on the disk for sure
	pending []change // since it was synced
}

// change is a write, or a truncation: that has no data, and off is the new size.
type change struct {
	off  int
	data []byte
	size int // of the file, afterwards
}

func (c change) truncates() bool { return c.data == nil }

// end is behind the last byte that it touches.
func (c change) end(most int) int {
	if c.truncates() {
		return most
	}
	return c.off + len(c.data)
}

// apply changes the bytes from low on and before high.
func (c change) apply(to []byte, low, high int) {
	low, high = max(low, c.off), min(high, c.end(len(to)))
	switch {
	case low >= high:
	case c.truncates():
		clear(to[low:high])
	default:
		copy(to[low:high], c.data[low-c.off:])
	}
}

// applyAll is what a sync does.
func (c change) applyAll(to []byte) []byte {
	to = grow(to, c.size)
	c.apply(to, 0, len(to))
	return to[:c.size]
}

func grow(b []byte, size int) []byte {
	if size <= len(b) {
		return b
	}
	return append(b, make([]byte, size-len(b))...)
}

func (n *inode) change(c change) {
	n.pending = append(n.pending, c)
	n.seen = c.applyAll(n.seen)
}

// Size returns the size in bytes.
func (f *File) Size() int {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	return len(f.inode.seen)
}

// ReadAt fills b as far as the file goes and returns how far that was.
func (f *File) ReadAt(b []byte, off int) (int, error) {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	if err := f.disk.begin(Read); err != nil {
		return 0, err
	}
	if off >= len(f.inode.seen) {
		return 0, nil
	}
	return copy(b, f.inode.seen[off:]), nil
}

// WriteAt writes b. Where it fails a part of it may be written.
func (f *File) WriteAt(b []byte, off int) error {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	err := f.disk.begin(Write)
	if err != nil {
		b = b[:f.disk.random.IntN(len(b)+1)]
	}
	if len(b) > 0 && !f.disk.off {
		f.inode.change(change{off: off, data: append([]byte(nil), b...), size: max(len(f.inode.seen), off+len(b))})
	}
	if err != nil {
		return err
	}
	return f.disk.changed(Write)
}

// Truncate makes the file that long.
func (f *File) Truncate(size int) error {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	if err := f.disk.begin(Truncate); err != nil {
		return err
	}
	f.inode.change(change{off: size, size: size})
	return f.disk.changed(Truncate)
}

// Sync makes durable what was written to the file, and then its directory if that is asked for.
func (f *File) Sync(directory bool) error {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	if err := f.disk.begin(Sync); err != nil {
		if !f.disk.off {
			f.inode.lose(f.disk)
		}
		return err
	}
	if err := f.disk.changed(Sync); err != nil {
		return err
	}
	f.inode.sync()
	if directory {
		f.disk.syncEntries()
	}
	return nil
}

func (n *inode) sync() {
	for _, c := range n.pending {
		n.synced = c.applyAll(n.synced)
	}
	n.pending = nil
}

// lose is a sync that has failed: what is not on the disk by now never will be, and is read all the same.
func (n *inode) lose(d *Disk) {
	n.synced = n.survive(d.random, d.sector)
	n.pending = nil
}
