package sqlite_test

import (
	"unsafe"

	"modernc.org/libc"
	lib "modernc.org/sqlite/lib"
)

// realFile is where the system's part of a file begins.
func realFile(pFile uintptr) uintptr { return pFile + unsafe.Sizeof(onDisk{}) }

// realIO are the methods of the system's part.
func realIO(pFile uintptr) *lib.Tsqlite3_io_methods {
	return deref[lib.Tsqlite3_io_methods](*deref[uintptr](realFile(pFile)))
}

func fileAt(pFile uintptr) *vfsFile {
	f, _ := opened.Load(deref[onDisk](pFile).handle)
	return f.(*vfsFile)
}

func vfsClose(tls *libc.TLS, pFile uintptr) int32 {
	opened.Delete(deref[onDisk](pFile).handle)
	return function[func(*libc.TLS, uintptr) int32](realIO(pFile).FxClose)(tls, realFile(pFile))
}

func vfsRead(_ *libc.TLS, pFile, pBuf uintptr, size int32, off lib.Tsqlite3_int64) int32 {
	b := libc.GoBytes(pBuf, int(size))
	n, err := fileAt(pFile).ReadAt(b, int(off))
	switch {
	case err != nil:
		return lib.SQLITE_IOERR_READ
	case n < len(b):
		clear(b[n:])
		return lib.SQLITE_IOERR_SHORT_READ
	}
	return lib.SQLITE_OK
}

func vfsWrite(_ *libc.TLS, pFile, pBuf uintptr, size int32, off lib.Tsqlite3_int64) int32 {
	return code(fileAt(pFile).WriteAt(libc.GoBytes(pBuf, int(size)), int(off)), lib.SQLITE_IOERR_WRITE)
}

func vfsTruncate(_ *libc.TLS, pFile uintptr, size lib.Tsqlite3_int64) int32 {
	return code(fileAt(pFile).Truncate(int(size)), lib.SQLITE_IOERR_TRUNCATE)
}

// vfsSync says that it is the sync that has failed for want of room as well: unixSync knows no other code.
func vfsSync(_ *libc.TLS, pFile uintptr, _ int32) int32 {
	f := fileAt(pFile)
	if err := f.Sync(f.syncDir.Load()); err != nil {
		return lib.SQLITE_IOERR_FSYNC
	}
	f.syncDir.Store(false)
	return lib.SQLITE_OK
}

func vfsFileSize(_ *libc.TLS, pFile, pSize uintptr) int32 {
	*deref[lib.Tsqlite3_int64](pSize) = lib.Tsqlite3_int64(fileAt(pFile).Size())
	return lib.SQLITE_OK
}

func vfsLock(tls *libc.TLS, pFile uintptr, how int32) int32 {
	return function[func(*libc.TLS, uintptr, int32) int32](realIO(pFile).FxLock)(tls, realFile(pFile), how)
}

func vfsUnlock(tls *libc.TLS, pFile uintptr, how int32) int32 {
	return function[func(*libc.TLS, uintptr, int32) int32](realIO(pFile).FxUnlock)(tls, realFile(pFile), how)
}

func vfsCheckReservedLock(tls *libc.TLS, pFile, pOut uintptr) int32 {
	return function[func(*libc.TLS, uintptr, uintptr) int32](realIO(pFile).FxCheckReservedLock)(tls, realFile(pFile), pOut)
}

func vfsFileControl(tls *libc.TLS, pFile uintptr, op int32, pArg uintptr) int32 {
	return function[func(*libc.TLS, uintptr, int32, uintptr) int32](realIO(pFile).FxFileControl)(tls, realFile(pFile), op, pArg)
}

func vfsSectorSize(tls *libc.TLS, pFile uintptr) int32 {
	return function[func(*libc.TLS, uintptr) int32](realIO(pFile).FxSectorSize)(tls, realFile(pFile))
}

func vfsDeviceCharacteristics(tls *libc.TLS, pFile uintptr) int32 {
	return function[func(*libc.TLS, uintptr) int32](realIO(pFile).FxDeviceCharacteristics)(tls, realFile(pFile))
}

func vfsShmMap(tls *libc.TLS, pFile uintptr, region, size, extend int32, pp uintptr) int32 {
	return function[func(*libc.TLS, uintptr, int32, int32, int32, uintptr) int32](realIO(pFile).FxShmMap)(
		tls, realFile(pFile), region, size, extend, pp)
}

func vfsShmLock(tls *libc.TLS, pFile uintptr, off, n, flags int32) int32 {
	return function[func(*libc.TLS, uintptr, int32, int32, int32) int32](realIO(pFile).FxShmLock)(
		tls, realFile(pFile), off, n, flags)
}

func vfsShmBarrier(tls *libc.TLS, pFile uintptr) {
	function[func(*libc.TLS, uintptr)](realIO(pFile).FxShmBarrier)(tls, realFile(pFile))
}

func vfsShmUnmap(tls *libc.TLS, pFile uintptr, remove int32) int32 {
	return function[func(*libc.TLS, uintptr, int32) int32](realIO(pFile).FxShmUnmap)(tls, realFile(pFile), remove)
}
