//! Replaces functions of the C library that change files. The linker prefers the functions of a program to those of a
//! shared library, so the standard library and SQLite, which is linked statically, call these.
//!
//! Each function calls the one that it replaces. Operations on files of the watched folder are first counted and may
//! fail, see [`FileFaults`]. They run one at a time. Shared memory that SQLite maps is not seen.

#![expect(unsafe_code, reason = "these are functions of the C library")]

use golem_tests::file_faults::{Decision, FileFaults, NameChange, Operation};
use libc::{c_char, c_int, c_void, mode_t, off64_t, size_t, ssize_t};
use std::cell::Cell;
use std::ffi::{CStr, OsStr};
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

static IS_WATCHING: AtomicBool = AtomicBool::new(false);
static FAULTS: Mutex<Option<FileFaults>> = Mutex::new(None);

thread_local! {
    /// Whether this thread handles an operation already: what it calls meanwhile is not counted.
    static IS_HANDLING: Cell<bool> = const { Cell::new(false) };
}

/// Begins to count operations.
pub(crate) fn watch(faults: FileFaults) {
    *lock() = Some(faults);
    IS_WATCHING.store(true, Ordering::SeqCst);
}

/// Operations so far, and whether the fault has happened.
pub(crate) fn progress() -> (u64, bool) {
    lock().as_ref().map_or((0, false), |faults| (faults.operations(), faults.has_happened()))
}

/// Ends the process, without what was not synced, or with a seed without a random part of it.
pub(crate) fn cut_power(seed: Option<u64>) {
    let mut faults = lock();
    IS_HANDLING.set(true);
    if let Some(faults) = faults.as_mut() {
        faults.cut_power(seed);
    }
}

fn lock() -> MutexGuard<'static, Option<FileFaults>> {
    FAULTS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Marks this thread as handling an operation.
struct HandlingGuard;

impl HandlingGuard {
    /// `None` if nothing is watched, or if this thread handles an operation already.
    fn begin() -> Option<Self> {
        if !IS_WATCHING.load(Ordering::Relaxed) || IS_HANDLING.replace(true) {
            return None;
        }
        Some(Self)
    }
}

impl Drop for HandlingGuard {
    fn drop(&mut self) {
        IS_HANDLING.set(false);
    }
}

/// Calls the function of the C library with this name.
macro_rules! original {
    ($name:ident($($argument:expr),*): fn($($ty:ty),*) -> $out:ty) => {{
        let name = concat!(stringify!($name), "\0");
        // SAFETY: the C library has a function with this name and these types.
        unsafe {
            let found = libc::dlsym(libc::RTLD_NEXT, name.as_ptr().cast());
            assert!(!found.is_null(), "the C library has no {name}");
            let function: unsafe extern "C" fn($($ty),*) -> $out = std::mem::transmute(found);
            function($($argument),*)
        }
    }};
}

fn refuse(error: c_int) -> c_int {
    // SAFETY: the C library gives each thread its own error number.
    unsafe { *libc::__errno_location() = error };
    -1
}

/// A failure of the simulation itself. A test that continued would prove nothing.
fn expect<T>(result: io::Result<T>) -> T {
    result.unwrap_or_else(|error| {
        eprintln!("the simulated file system failed: {error}");
        std::process::abort()
    })
}

/// Handles an operation on an open file. `perform` gets the number of bytes to write.
fn on_file(file: c_int, operation: Operation, perform: &dyn Fn(Option<usize>) -> ssize_t) -> ssize_t {
    let Some(_handling) = HandlingGuard::begin() else { return perform(None) };
    let Ok(path) = std::fs::read_link(format!("/proc/self/fd/{file}")) else { return perform(None) };
    let mut faults = lock();
    let Some(faults) = faults.as_mut().filter(|faults| faults.covers(&path)) else { return perform(None) };
    let decision = faults.decide();
    if let Decision::Refuse(error) = decision {
        if operation == Operation::Sync {
            expect(faults.after_sync(file, &path, false));
        }
        return refuse(error) as ssize_t;
    }
    expect(faults.before_file_change(file, operation));
    if decision == Decision::PerformHalf {
        perform(match operation {
            Operation::Write { count, .. } => Some(count / 2),
            Operation::Truncate { .. } | Operation::Sync | Operation::Name => None,
        });
        faults.kill();
    }
    let outcome = perform(None);
    if operation == Operation::Sync && outcome == 0 {
        expect(faults.after_sync(file, &path, true));
    }
    outcome
}

/// Handles an operation on an open file whose function returns 0 or -1.
fn on_file_with_status(file: c_int, operation: Operation, perform: &dyn Fn() -> c_int) -> c_int {
    if on_file(file, operation, &|_| perform() as ssize_t) == 0 { 0 } else { -1 }
}

/// Handles a change of a name.
fn on_name(path: &Path, change: NameChange, perform: &dyn Fn() -> c_int) -> c_int {
    let Some(_handling) = HandlingGuard::begin() else { return perform() };
    let mut faults = lock();
    let Some(faults) = faults.as_mut().filter(|faults| faults.covers(path)) else { return perform() };
    let decision = faults.decide();
    if let Decision::Refuse(error) = decision {
        return refuse(error);
    }
    expect(faults.before_name_change(change));
    let outcome = perform();
    if decision == Decision::PerformHalf {
        faults.kill();
    }
    outcome
}

/// # Safety
/// `path` is a C string that lives during the call.
unsafe fn path_from_c(path: *const c_char) -> PathBuf {
    // SAFETY: as above.
    let bytes = unsafe { CStr::from_ptr(path) }.to_bytes();
    std::path::absolute(OsStr::from_bytes(bytes)).unwrap_or_default()
}

/// Handles the creation of a file. Without `O_CREAT`, or if the file exists, this changes nothing that is watched,
/// unless the file is emptied.
fn on_open(path: &Path, flags: c_int, perform: &dyn Fn() -> c_int) -> c_int {
    let writes = flags & (libc::O_WRONLY | libc::O_RDWR) != 0;
    let handling = HandlingGuard::begin();
    if handling.is_none() || !writes {
        return perform();
    }
    if flags & libc::O_CREAT != 0 && !path.exists() {
        drop(handling);
        return on_name(path, NameChange::Create(path.to_owned()), perform);
    }
    if flags & libc::O_TRUNC != 0
        && let Ok(file) = std::fs::OpenOptions::new().write(true).open(path)
    {
        use std::os::fd::IntoRawFd as _;
        // It is never closed: that would release the locks of the process on the file.
        let file = file.into_raw_fd();
        drop(handling);
        let opened = Cell::new(-1);
        let truncate = |_| {
            opened.set(perform());
            opened.get() as ssize_t
        };
        on_file(file, Operation::Truncate { length: 0 }, &truncate);
        return opened.get();
    }
    perform()
}

// SAFETY of all functions below: the callers keep the rules of the C library, and the arguments go to its functions
// unchanged, except a smaller number of bytes to write.

#[unsafe(no_mangle)]
unsafe extern "C" fn open(path: *const c_char, flags: c_int, mode: mode_t) -> c_int {
    let perform = || original!(open(path, flags, mode): fn(*const c_char, c_int, mode_t) -> c_int);
    // SAFETY: as above.
    on_open(&unsafe { path_from_c(path) }, flags, &perform)
}

#[unsafe(no_mangle)]
unsafe extern "C" fn open64(path: *const c_char, flags: c_int, mode: mode_t) -> c_int {
    let perform = || original!(open64(path, flags, mode): fn(*const c_char, c_int, mode_t) -> c_int);
    // SAFETY: as above.
    on_open(&unsafe { path_from_c(path) }, flags, &perform)
}

#[unsafe(no_mangle)]
unsafe extern "C" fn write(file: c_int, bytes: *const c_void, count: size_t) -> ssize_t {
    let perform = |fewer: Option<usize>| original!(write(file, bytes, fewer.unwrap_or(count)): fn(c_int, *const c_void, size_t) -> ssize_t);
    if !IS_WATCHING.load(Ordering::Relaxed) {
        return perform(None);
    }
    // SAFETY: asks for the position of an open file, or fails.
    let offset = unsafe { libc::lseek64(file, 0, libc::SEEK_CUR) };
    match u64::try_from(offset) {
        Ok(offset) => on_file(file, Operation::Write { offset, count }, &perform),
        // A pipe or a socket.
        Err(_) => perform(None),
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn pwrite64(file: c_int, bytes: *const c_void, count: size_t, offset: off64_t) -> ssize_t {
    let perform = |fewer: Option<usize>| {
        original!(pwrite64(file, bytes, fewer.unwrap_or(count), offset):
            fn(c_int, *const c_void, size_t, off64_t) -> ssize_t)
    };
    on_file(file, Operation::Write { offset: offset.cast_unsigned(), count }, &perform)
}

#[unsafe(no_mangle)]
unsafe extern "C" fn pwrite(file: c_int, bytes: *const c_void, count: size_t, offset: off64_t) -> ssize_t {
    // SAFETY: as above; both have 64-bit offsets on 64-bit systems.
    unsafe { pwrite64(file, bytes, count, offset) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn fsync(file: c_int) -> c_int {
    on_file_with_status(file, Operation::Sync, &|| original!(fsync(file): fn(c_int) -> c_int))
}

#[unsafe(no_mangle)]
unsafe extern "C" fn fdatasync(file: c_int) -> c_int {
    on_file_with_status(file, Operation::Sync, &|| original!(fdatasync(file): fn(c_int) -> c_int))
}

#[unsafe(no_mangle)]
unsafe extern "C" fn ftruncate64(file: c_int, length: off64_t) -> c_int {
    let perform = || original!(ftruncate64(file, length): fn(c_int, off64_t) -> c_int);
    on_file_with_status(file, Operation::Truncate { length: length.cast_unsigned() }, &perform)
}

#[unsafe(no_mangle)]
unsafe extern "C" fn ftruncate(file: c_int, length: off64_t) -> c_int {
    // SAFETY: as above; both have 64-bit lengths on 64-bit systems.
    unsafe { ftruncate64(file, length) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn rename(from: *const c_char, to: *const c_char) -> c_int {
    let perform = || original!(rename(from, to): fn(*const c_char, *const c_char) -> c_int);
    // SAFETY: as above.
    let (from, to) = unsafe { (path_from_c(from), path_from_c(to)) };
    on_name(&to.clone(), NameChange::Rename(from, to), &perform)
}

#[unsafe(no_mangle)]
unsafe extern "C" fn unlink(path: *const c_char) -> c_int {
    let perform = || original!(unlink(path): fn(*const c_char) -> c_int);
    // SAFETY: as above.
    let path = unsafe { path_from_c(path) };
    on_name(&path.clone(), NameChange::Remove(path), &perform)
}
