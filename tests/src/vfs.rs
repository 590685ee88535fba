//! A simulated disk under SQLite that loses unsynced data, fills up or fails: a VFS that wraps the system's.
//!
//! Blocks that SQLite writes to a database or its journals stay in this process and reach the real file when SQLite
//! syncs it. This models a disk with a volatile write cache: a killed process loses its unsynced writes. With
//! [`DiskFaults::syncs_dropped`] a sync reports success and does nothing, as some disks do. All connections of the
//! process see the same blocks. Locks and shared memory are the system's.
//!
//! A failed sync behaves as on Linux: the blocks stay readable, but they are written to the file only if SQLite
//! writes them again, and each open handle of the file gets the error once.
//!
//! Directory entries are not modelled: creating and deleting a file is durable at once.

#![expect(unsafe_code, reason = "a VFS is a table of C functions")]

#[cfg(test)]
mod tests;
mod write_cache;

use libsqlite3_sys as ffi;
use std::collections::HashMap;
use std::ffi::{CStr, CString, OsStr, c_char, c_int, c_void};
use std::fmt;
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;
use std::ptr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use write_cache::{RealFile, WriteCache, real};

/// The active faults of the disk; none by default.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DiskFaults {
    /// Syncs report success and do nothing.
    pub syncs_dropped: bool,
    /// Bytes that can still be written before the disk is full; `None` means no limit.
    pub bytes_left: Option<u64>,
    /// Number of the sync that fails, counted from 1 since the faults were set.
    pub sync_failing: Option<u64>,
    /// Writes, truncations, syncs and deletions fail, as if the process had been killed.
    pub killed: bool,
}

/// A registered disk. It lives as long as the process.
pub struct Disk {
    inner: *mut ffi::sqlite3_vfs,
    state: Mutex<State>,
    files: Mutex<HashMap<PathBuf, Arc<Mutex<WriteCache>>>>,
}

// SAFETY: `inner` is the system's VFS, which is never changed nor freed and may be called from any thread.
unsafe impl Send for Disk {}
// SAFETY: as above; all other fields are behind a mutex.
unsafe impl Sync for Disk {}

#[derive(Debug, Default)]
struct State {
    faults: DiskFaults,
    /// Syncs since the faults were set.
    syncs: u64,
}

/// Registers a VFS that SQLite finds by `name`.
pub fn register(name: &str, faults: DiskFaults) -> &'static Disk {
    let name = CString::new(name).expect("names of disks are constants without a zero byte");
    // SAFETY: null selects the default VFS; SQLite initialises itself if necessary.
    let inner = unsafe { ffi::sqlite3_vfs_find(ptr::null()) };
    assert!(!inner.is_null(), "SQLite has no VFS for this system");
    let disk: &'static Disk = Box::leak(Box::new(Disk {
        inner,
        state: Mutex::new(State { faults, syncs: 0 }),
        files: Mutex::default(),
    }));
    // SAFETY: `inner` points to a VFS. Its functions that are not replaced below do not read the VFS that they are
    // called with, or only `mxPathname`, which is copied.
    let mut vfs = unsafe { ptr::read(inner) };
    let file_bytes = c_int::try_from(size_of::<File>()).expect("a handle is small");
    vfs.szOsFile += file_bytes;
    vfs.zName = name.into_raw();
    vfs.pNext = ptr::null_mut();
    vfs.pAppData = ptr::from_ref(disk).cast_mut().cast();
    vfs.xOpen = Some(open);
    vfs.xDelete = Some(delete);
    vfs.xAccess = Some(access);
    // SAFETY: the table is leaked, so it lives as long as SQLite may use it.
    let code = unsafe { ffi::sqlite3_vfs_register(Box::leak(Box::new(vfs)), 0) };
    assert_eq!(code, ffi::SQLITE_OK, "SQLite refuses the VFS");
    disk
}

impl fmt::Debug for Disk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Disk").field("state", &self.state).finish_non_exhaustive()
    }
}

impl Disk {
    /// Sets the faults, and resets the count of syncs.
    pub fn set_faults(&self, faults: DiskFaults) {
        *lock(&self.state) = State { faults, syncs: 0 };
    }

    /// Syncs since the faults were set.
    pub fn syncs(&self) -> u64 {
        lock(&self.state).syncs
    }

    /// Discards all unsynced blocks. No connection may be open. Set [`DiskFaults::killed`] before closing the
    /// connections, so that SQLite cannot checkpoint while it closes them.
    pub fn crash(&self) {
        lock(&self.files).clear();
    }

    fn write_cache(&self, path: PathBuf) -> Arc<Mutex<WriteCache>> {
        Arc::clone(lock(&self.files).entry(path).or_default())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// An open file as SQLite sees it. The handle of the system's VFS follows it in memory.
#[repr(C)]
struct File {
    base: ffi::sqlite3_file,
    disk: *const Disk,
    /// From `Arc::into_raw`; null for temporary files, which are the system's.
    write_cache: *const Mutex<WriteCache>,
    /// Number of failed syncs that this handle has reported.
    failures_reported: u64,
}

fn code(outcome: Result<(), c_int>) -> c_int {
    outcome.err().unwrap_or(ffi::SQLITE_OK)
}

/// Splits a handle from SQLite into our part, the real file and the write cache.
///
/// # Safety
/// `file` was opened by [`open`] and is not closed; no other code uses it during `'a`.
unsafe fn handle<'a>(
    file: *mut ffi::sqlite3_file,
) -> (&'a mut File, RealFile, Option<&'a Mutex<WriteCache>>) {
    let file = file.cast::<File>();
    // SAFETY: SQLite allocated `szOsFile` bytes for it: ours first, then the system's. The write cache is kept by a
    // reference count that `close` releases.
    unsafe {
        let real = RealFile { file: file.add(1).cast() };
        (&mut *file, real, (*file).write_cache.as_ref())
    }
}

/// # Safety
/// `vfs` was created by [`register`].
unsafe fn disk<'a>(vfs: *mut ffi::sqlite3_vfs) -> &'a Disk {
    // SAFETY: `register` put a leaked disk there.
    unsafe { &*(*vfs).pAppData.cast::<Disk>() }
}

/// # Safety
/// `name` is a C string that lives during the call.
unsafe fn path(name: *const c_char) -> PathBuf {
    // SAFETY: as above.
    PathBuf::from(OsStr::from_bytes(unsafe { CStr::from_ptr(name) }.to_bytes()))
}

unsafe extern "C" fn open(
    vfs: *mut ffi::sqlite3_vfs,
    name: ffi::sqlite3_filename,
    file: *mut ffi::sqlite3_file,
    flags: c_int,
    flags_out: *mut c_int,
) -> c_int {
    let ours = file.cast::<File>();
    // SAFETY: SQLite keeps the rules of `xOpen`: `file` has `szOsFile` bytes, ours first.
    let (disk, real) = unsafe {
        (*file).pMethods = ptr::null();
        let real: *mut ffi::sqlite3_file = ours.add(1).cast();
        (*real).pMethods = ptr::null();
        (disk(vfs), RealFile { file: real })
    };
    // SAFETY: the arguments come from SQLite, and the memory for the system's handle is allocated.
    let (outcome, opened) = unsafe {
        let inner = (*disk.inner).xOpen.expect("every VFS has xOpen");
        let outcome = inner(disk.inner, name, real.file, flags, flags_out);
        (outcome, !(*real.file).pMethods.is_null())
    };
    if outcome != ffi::SQLITE_OK {
        if opened {
            real!(real, xClose);
        }
        return outcome;
    }
    let temporary = name.is_null() || flags & ffi::SQLITE_OPEN_DELETEONCLOSE != 0;
    let (write_cache, failures_reported) = if temporary {
        (ptr::null(), 0)
    } else {
        // SAFETY: the name is not null, so it is a path.
        let write_cache = disk.write_cache(unsafe { path(name) });
        let failures = lock(&write_cache).failures;
        (Arc::into_raw(write_cache), failures)
    };
    let base = ffi::sqlite3_file { pMethods: &raw const METHODS };
    // SAFETY: as above. The memory holds no value that needs to be dropped.
    unsafe { ours.write(File { base, disk: ptr::from_ref(disk), write_cache, failures_reported }) };
    ffi::SQLITE_OK
}

unsafe extern "C" fn delete(vfs: *mut ffi::sqlite3_vfs, name: *const c_char, sync_folder: c_int) -> c_int {
    // SAFETY: SQLite keeps the rules of `xDelete`.
    unsafe {
        let disk = disk(vfs);
        if lock(&disk.state).faults.killed {
            return ffi::SQLITE_IOERR_DELETE;
        }
        lock(&disk.files).remove(&path(name));
        (*disk.inner).xDelete.expect("every VFS has xDelete")(disk.inner, name, sync_folder)
    }
}

unsafe extern "C" fn access(
    vfs: *mut ffi::sqlite3_vfs,
    name: *const c_char,
    flags: c_int,
    found: *mut c_int,
) -> c_int {
    // SAFETY: SQLite keeps the rules of `xAccess`.
    unsafe {
        let disk = disk(vfs);
        // For SQLite an empty file does not exist. A file that is not synced yet is empty on the real disk.
        let write_cache = lock(&disk.files).get(&path(name)).cloned();
        let bytes = write_cache.is_some_and(|write_cache| lock(&write_cache).has_bytes());
        if flags == ffi::SQLITE_ACCESS_EXISTS && bytes {
            *found = 1;
            return ffi::SQLITE_OK;
        }
        (*disk.inner).xAccess.expect("every VFS has xAccess")(disk.inner, name, flags, found)
    }
}

static METHODS: ffi::sqlite3_io_methods = ffi::sqlite3_io_methods {
    // Version 2 excludes memory-mapped pages, which would bypass the write cache.
    iVersion: 2,
    xClose: Some(close),
    xRead: Some(read),
    xWrite: Some(write),
    xTruncate: Some(truncate),
    xSync: Some(sync),
    xFileSize: Some(file_size),
    xLock: Some(lock_file),
    xUnlock: Some(unlock_file),
    xCheckReservedLock: Some(check_reserved_lock),
    xFileControl: Some(file_control),
    xSectorSize: Some(sector_size),
    xDeviceCharacteristics: Some(device_characteristics),
    xShmMap: Some(shm_map),
    xShmLock: Some(shm_lock),
    xShmBarrier: Some(shm_barrier),
    xShmUnmap: Some(shm_unmap),
    xFetch: None,
    xUnfetch: None,
};

unsafe extern "C" fn close(file: *mut ffi::sqlite3_file) -> c_int {
    // SAFETY: the file is open.
    let (ours, real, _) = unsafe { handle(file) };
    if !ours.write_cache.is_null() {
        // SAFETY: `open` took it from an `Arc`, and SQLite closes a file once.
        drop(unsafe { Arc::from_raw(ours.write_cache) });
        ours.write_cache = ptr::null();
    }
    real!(real, xClose)
}

unsafe extern "C" fn read(file: *mut ffi::sqlite3_file, bytes: *mut c_void, count: c_int, at: i64) -> c_int {
    // SAFETY: the file is open.
    let (_, real, write_cache) = unsafe { handle(file) };
    let Some(write_cache) = write_cache else { return real!(real, xRead, bytes, count, at) };
    // SAFETY: SQLite passes a buffer of `count` bytes.
    let bytes =
        unsafe { std::slice::from_raw_parts_mut(bytes.cast::<u8>(), usize::try_from(count).unwrap_or(0)) };
    match lock(write_cache).read(real, bytes, at.cast_unsigned()) {
        Ok(true) => ffi::SQLITE_OK,
        Ok(false) => ffi::SQLITE_IOERR_SHORT_READ,
        Err(code) => code,
    }
}

unsafe extern "C" fn write(
    file: *mut ffi::sqlite3_file,
    bytes: *const c_void,
    count: c_int,
    at: i64,
) -> c_int {
    // SAFETY: the file is open.
    let (ours, real, write_cache) = unsafe { handle(file) };
    let Some(write_cache) = write_cache else { return real!(real, xWrite, bytes, count, at) };
    // SAFETY: SQLite passes `count` bytes to read; the disk is leaked.
    let (bytes, disk) = unsafe {
        let count = usize::try_from(count).unwrap_or(0);
        (std::slice::from_raw_parts(bytes.cast::<u8>(), count), &*ours.disk)
    };
    {
        let mut state = lock(&disk.state);
        if state.faults.killed {
            return ffi::SQLITE_IOERR_WRITE;
        }
        if let Some(left) = &mut state.faults.bytes_left {
            let Some(after) = left.checked_sub(bytes.len() as u64) else { return ffi::SQLITE_FULL };
            *left = after;
        }
    }
    code(lock(write_cache).write(real, bytes, at.cast_unsigned()))
}

unsafe extern "C" fn truncate(file: *mut ffi::sqlite3_file, length: i64) -> c_int {
    // SAFETY: the file is open.
    let (ours, real, write_cache) = unsafe { handle(file) };
    let Some(write_cache) = write_cache else { return real!(real, xTruncate, length) };
    // SAFETY: the disk is leaked.
    if lock(unsafe { &(*ours.disk).state }).faults.killed {
        return ffi::SQLITE_IOERR_TRUNCATE;
    }
    let mut write_cache = lock(write_cache);
    match write_cache.length(real) {
        Ok(now) if now == length.cast_unsigned() => {}
        Ok(_) => write_cache.truncate(length.cast_unsigned()),
        Err(code) => return code,
    }
    ffi::SQLITE_OK
}

unsafe extern "C" fn sync(file: *mut ffi::sqlite3_file, flags: c_int) -> c_int {
    // SAFETY: the file is open; the disk is leaked.
    let (ours, real, write_cache, disk) = unsafe {
        let (ours, real, write_cache) = handle(file);
        let disk = &*ours.disk;
        (ours, real, write_cache, disk)
    };
    let Some(write_cache) = write_cache else { return real!(real, xSync, flags) };
    let mut write_cache = lock(write_cache);
    let (faults, fails) = {
        let mut state = lock(&disk.state);
        state.syncs += 1;
        (state.faults, state.faults.sync_failing == Some(state.syncs))
    };
    if fails {
        write_cache.fail_sync();
    }
    if ours.failures_reported < write_cache.failures {
        ours.failures_reported = write_cache.failures;
        return ffi::SQLITE_IOERR_FSYNC;
    }
    if faults.killed {
        return ffi::SQLITE_IOERR_FSYNC;
    }
    if faults.syncs_dropped {
        return ffi::SQLITE_OK;
    }
    match write_cache.flush(real) {
        Ok(()) => real!(real, xSync, flags),
        Err(code) => code,
    }
}

unsafe extern "C" fn file_size(file: *mut ffi::sqlite3_file, length: *mut i64) -> c_int {
    // SAFETY: the file is open.
    let (_, real, write_cache) = unsafe { handle(file) };
    let Some(write_cache) = write_cache else { return real!(real, xFileSize, length) };
    match lock(write_cache).length(real) {
        Ok(now) => {
            // SAFETY: SQLite passes a pointer for the length.
            unsafe { *length = now.cast_signed() };
            ffi::SQLITE_OK
        }
        Err(code) => code,
    }
}

unsafe extern "C" fn file_control(
    file: *mut ffi::sqlite3_file,
    operation: c_int,
    argument: *mut c_void,
) -> c_int {
    if operation == ffi::SQLITE_FCNTL_SIZE_HINT {
        // The real VFS would extend the real file.
        return ffi::SQLITE_OK;
    }
    // SAFETY: the file is open.
    real!(unsafe { handle(file) }.1, xFileControl, operation, argument)
}

/// Defines functions that call the same function of the system's VFS.
macro_rules! forward_to_real {
    ($($name:ident = $function:ident($($argument:ident: $ty:ty),*) $(-> $out:ty)?;)*) => {
        $(unsafe extern "C" fn $name(file: *mut ffi::sqlite3_file $(, $argument: $ty)*) $(-> $out)? {
            // SAFETY: the file is open; the arguments come from SQLite.
            real!(unsafe { handle(file) }.1, $function $(, $argument)*)
        })*
    };
}

forward_to_real! {
    lock_file = xLock(level: c_int) -> c_int;
    unlock_file = xUnlock(level: c_int) -> c_int;
    check_reserved_lock = xCheckReservedLock(found: *mut c_int) -> c_int;
    sector_size = xSectorSize() -> c_int;
    device_characteristics = xDeviceCharacteristics() -> c_int;
    shm_map = xShmMap(page: c_int, bytes: c_int, extend: c_int, at: *mut *mut c_void) -> c_int;
    shm_lock = xShmLock(offset: c_int, count: c_int, flags: c_int) -> c_int;
    shm_barrier = xShmBarrier();
    shm_unmap = xShmUnmap(delete: c_int) -> c_int;
}
