package sqlite_test

import (
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
	"modernc.org/libc"
	lib "modernc.org/sqlite/lib"

	"github.com/outdial/outdial/store/sqlite"
	"github.com/outdial/outdial/store/sqlite/internal/faultdisk"
)

// The tests put a disk of package faultdisk under the very library that the store uses, with the same
// connections, statements and pragmas: SQLite's default VFS becomes one that keeps what is in a directory
// on such a disk where one was mounted, and is the one of the system everywhere else. Locks and the shared
// index of the log, which no cut survives, are the system's everywhere: each file of the disk has an empty one.

var (
	vfsOnce sync.Once
	vfsReal uintptr  // *lib.Tsqlite3_vfs
	vfsIO   uintptr  // *lib.Tsqlite3_io_methods of a file on a disk
	mounted sync.Map // *faultdisk.Disk by directory
	opened  sync.Map // *vfsFile by its handle
	handles atomic.Uintptr
)

// onDisk is what SQLite allocates for a file on a disk. The system's own follows it.
type onDisk struct {
	methods uintptr
	handle  uintptr
}

type vfsFile struct {
	*faultdisk.File

	disk    *faultdisk.Disk
	syncDir atomic.Bool // with the next sync
}

// mount has what is in an empty directory on the disk until the test ends, and returns the database's path.
func mount(t *testing.T, disk *faultdisk.Disk) string {
	t.Helper()
	vfsOnce.Do(registerVFS)
	dir, err := filepath.EvalSymlinks(t.TempDir())
	require.NoError(t, err)
	for _, name := range disk.Names() {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), nil, 0o600))
	}
	mounted.Store(dir, disk)
	t.Cleanup(func() { mounted.Delete(dir) })
	return filepath.Join(dir, "calls.db")
}

// on is a config for a store on a disk.
func on(path string, logger *slog.Logger) sqlite.Config {
	return sqlite.Config{Path: path, Logger: logger}.WithLog(func(path string) (sqlite.LogFile, error) {
		f, err := diskOf(path).Open(filepath.Base(path), false)
		if errors.Is(err, faultdisk.ErrNoFile) {
			err = fs.ErrNotExist
		}
		return &plainFile{f}, err
	})
}

// plainFile is a file on a disk as package os would have it.
type plainFile struct{ *faultdisk.File }

func (f *plainFile) ReadAt(b []byte, off int64) (int, error) {
	n, err := f.File.ReadAt(b, int(off))
	if err == nil && n < len(b) {
		err = io.EOF
	}
	return n, err
}

func (f *plainFile) WriteAt(b []byte, off int64) (int, error) {
	return len(b), f.File.WriteAt(b, int(off))
}
func (f *plainFile) Sync() error { return f.File.Sync(false) }
func (*plainFile) Close() error  { return nil }

// openOn opens a store on a disk.
func openOn(t *testing.T, disk *faultdisk.Disk) *sqlite.Store {
	t.Helper()
	s, err := sqlite.Open(t.Context(), on(mount(t, disk), nil))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

// diskOf returns the disk that has the path, nil for the system's.
func diskOf(path string) *faultdisk.Disk {
	disk, ok := mounted.Load(filepath.Dir(path))
	if !ok {
		return nil
	}
	return disk.(*faultdisk.Disk)
}

func registerVFS() {
	tls := libc.NewTLS() // for good, as the VFS is
	vfsReal = lib.Xsqlite3_vfs_find(tls, 0)
	system := deref[lib.Tsqlite3_vfs](vfsReal)

	methods := lib.Tsqlite3_io_methods{FiVersion: 2} // no mapping of the file: the store does without
	methods.FxClose, methods.FxRead, methods.FxWrite = pointer(vfsClose), pointer(vfsRead), pointer(vfsWrite)
	methods.FxTruncate, methods.FxSync, methods.FxFileSize = pointer(vfsTruncate), pointer(vfsSync), pointer(vfsFileSize)
	methods.FxLock, methods.FxUnlock, methods.FxCheckReservedLock = pointer(vfsLock), pointer(vfsUnlock), pointer(vfsCheckReservedLock)
	methods.FxFileControl, methods.FxSectorSize = pointer(vfsFileControl), pointer(vfsSectorSize)
	methods.FxDeviceCharacteristics = pointer(vfsDeviceCharacteristics)
	methods.FxShmMap, methods.FxShmLock = pointer(vfsShmMap), pointer(vfsShmLock)
	methods.FxShmBarrier, methods.FxShmUnmap = pointer(vfsShmBarrier), pointer(vfsShmUnmap)
	vfsIO = keep(tls, methods)

	ours := *system
	name, err := libc.CString("disk")
	if err != nil {
		panic(err)
	}
	ours.FzName, ours.FpNext = name, 0
	ours.FszOsFile += int32(unsafe.Sizeof(onDisk{}))
	ours.FxOpen, ours.FxDelete, ours.FxAccess = pointer(vfsOpen), pointer(vfsDelete), pointer(vfsAccess)
	if code := lib.Xsqlite3_vfs_register(tls, keep(tls, ours), 1); code != lib.SQLITE_OK {
		panic(code)
	}
}

// keep copies a value to where SQLite's memory is, for good.
func keep[T any](tls *libc.TLS, value T) uintptr {
	p := libc.Xmalloc(tls, libc.Tsize_t(unsafe.Sizeof(value)))
	*deref[T](p) = value
	return p
}

// deref is for memory that is not Go's.
func deref[T any](p uintptr) *T { return *(**T)(unsafe.Pointer(&p)) }

// pointer makes of a function what the library takes for a pointer to one of C. It has to be one that is
// declared: what a literal has captured would be collected.
func pointer(f any) uintptr { return (*[2]uintptr)(unsafe.Pointer(&f))[1] }

// function is the reverse of pointer.
func function[F any](p uintptr) F { return *(*F)(unsafe.Pointer(&p)) }

// code is what SQLite is told of an error; otherwise is for one that means nothing else.
func code(err error, otherwise int32) int32 {
	switch {
	case err == nil:
		return lib.SQLITE_OK
	case errors.Is(err, faultdisk.ErrFull):
		return lib.SQLITE_FULL
	}
	return otherwise
}

func vfsOpen(tls *libc.TLS, _, zName, pFile uintptr, flags int32, pFlags uintptr) int32 {
	open := function[func(*libc.TLS, uintptr, uintptr, uintptr, int32, uintptr) int32](deref[lib.Tsqlite3_vfs](vfsReal).FxOpen)
	var disk *faultdisk.Disk
	path := ""
	if zName != 0 { // else it is a temporary file
		path = libc.GoString(zName)
		disk = diskOf(path)
	}
	if disk == nil {
		return open(tls, vfsReal, zName, pFile, flags, pFlags)
	}
	deref[onDisk](pFile).methods = 0
	file, err := disk.Open(filepath.Base(path), flags&lib.SQLITE_OPEN_CREATE != 0)
	if err != nil {
		return lib.SQLITE_CANTOPEN
	}
	if code := open(tls, vfsReal, zName, realFile(pFile), flags, pFlags); code != lib.SQLITE_OK {
		return code
	}
	f := &vfsFile{File: file, disk: disk}
	// As unixOpen and unixSync do it: the first sync of a journal that was to be made syncs the directory too.
	const journals = lib.SQLITE_OPEN_WAL | lib.SQLITE_OPEN_MAIN_JOURNAL | lib.SQLITE_OPEN_SUPER_JOURNAL
	f.syncDir.Store(flags&lib.SQLITE_OPEN_CREATE != 0 && flags&journals != 0)
	handle := handles.Add(1)
	opened.Store(handle, f)
	*deref[onDisk](pFile) = onDisk{methods: vfsIO, handle: handle}
	return lib.SQLITE_OK
}

func vfsDelete(tls *libc.TLS, _, zPath uintptr, syncDir int32) int32 {
	remove := function[func(*libc.TLS, uintptr, uintptr, int32) int32](deref[lib.Tsqlite3_vfs](vfsReal).FxDelete)
	path := libc.GoString(zPath)
	disk := diskOf(path)
	if disk == nil {
		return remove(tls, vfsReal, zPath, syncDir)
	}
	switch err := disk.Remove(filepath.Base(path), syncDir&1 != 0); {
	case errors.Is(err, faultdisk.ErrNoFile):
		return lib.SQLITE_IOERR_DELETE_NOENT
	case err != nil:
		return code(err, lib.SQLITE_IOERR_DELETE)
	}
	remove(tls, vfsReal, zPath, 0)
	return lib.SQLITE_OK
}

// vfsAccess says as unixAccess does that a file exists which is not empty.
func vfsAccess(tls *libc.TLS, _, zPath uintptr, flags int32, pOut uintptr) int32 {
	access := function[func(*libc.TLS, uintptr, uintptr, int32, uintptr) int32](deref[lib.Tsqlite3_vfs](vfsReal).FxAccess)
	path := libc.GoString(zPath)
	disk := diskOf(path)
	if disk == nil || flags != lib.SQLITE_ACCESS_EXISTS {
		return access(tls, vfsReal, zPath, flags, pOut)
	}
	size, _ := disk.Size(filepath.Base(path))
	*deref[int32](pOut) = min(int32(size), 1)
	return lib.SQLITE_OK
}
