//! The limits of a worker. Whether memory or a table may grow depends only on constants, on the
//! setting `memory_bytes_max` and on the worker's own memory and files, so a replay gets the same
//! answers.
//!
//! Invariant: a shortage of the host never becomes an answer to the guest. It ends the instance. The worker is loaded
//! again later and then gets the memory that it was granted.

use wasmtime::{Result, bail, format_err};

/// Elements of one table. wasmtime reserves address space for them in each slot of the pool; the largest guests we know
/// (Python) need about 20,000.
pub(crate) const TABLE_ELEMENTS_MAX: usize = 65_536;

/// Bytes that one call may make the host hold for the guest while it lifts parameters or results; more traps. Large
/// enough for a `list<u8>` of a few megabytes, of which each byte becomes a value of forty bytes.
pub(crate) const LIFTED_BYTES_MAX: usize = 256 << 20;

/// Bytes of recorded answers that an activation may buffer before it appends them. It bounds the memory of a worker
/// that reads one large promise after another.
pub(crate) const ANSWERS_BUFFERED_BYTES_MAX: usize = 1 << 20;

/// Random bytes that one call may ask for; more traps.
pub(crate) const RANDOM_BYTES_MAX: u64 = 16 << 20;

/// Bytes of a response's body up to which head and body are recorded in one entry, before the guest sees the head. A
/// longer body is recorded piece by piece, as it is read.
pub(crate) const HTTP_WHOLE_BYTES_MAX: usize = 4 << 20;

/// Decides for wasmtime how far one worker's memory may grow.
#[derive(Debug)]
pub(crate) struct Limits {
    memory_bytes_max: usize,
    /// Bytes of all its linear memories.
    memory_bytes: usize,
    /// Bytes of its files, which share the limit.
    files_bytes: usize,
    /// Whether the growth in progress was granted. If it fails then, the host has a shortage.
    granted: bool,
    shortage: Option<String>,
}

impl Limits {
    pub(crate) fn new(memory_bytes_max: usize) -> Self {
        Self { memory_bytes_max, memory_bytes: 0, files_bytes: 0, granted: false, shortage: None }
    }

    /// The bytes that its files may have: the limit less its memories.
    pub(crate) fn files_bytes_max(&self) -> u64 {
        self.memory_bytes_max.saturating_sub(self.memory_bytes) as u64
    }

    /// Sets how many bytes its files have.
    pub(crate) fn set_files_bytes(&mut self, bytes: u64) {
        self.files_bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
    }

    /// Records that the host lacks something that it has granted. The caller ends the instance.
    pub(crate) fn record_host_shortage(&mut self, what: String) {
        self.shortage = Some(what);
    }

    /// The recorded shortage, if there is one.
    pub(crate) fn take_host_shortage(&mut self) -> Option<String> {
        self.shortage.take()
    }
}

impl wasmtime::ResourceLimiter for Limits {
    fn memory_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> Result<bool> {
        let total = self.memory_bytes.saturating_add(desired.saturating_sub(current));
        let left = self.memory_bytes_max.saturating_sub(self.files_bytes);
        self.granted = total <= left && maximum.is_none_or(|maximum| desired <= maximum);
        if self.granted {
            self.memory_bytes = total;
        }
        Ok(self.granted)
    }

    fn memory_grow_failed(&mut self, error: wasmtime::Error) -> Result<()> {
        // wasmtime also calls this for a growth that the memory's type forbids; that is a normal answer.
        if !std::mem::take(&mut self.granted) {
            return Ok(());
        }
        let reason = format!("the host has no memory for a worker: {error:#}");
        self.shortage = Some(reason.clone());
        Err(format_err!("{reason}"))
    }

    fn table_growing(&mut self, _: usize, desired: usize, maximum: Option<usize>) -> Result<bool> {
        self.granted = desired <= TABLE_ELEMENTS_MAX && maximum.is_none_or(|maximum| desired <= maximum);
        Ok(self.granted)
    }

    fn table_grow_failed(&mut self, error: wasmtime::Error) -> Result<()> {
        if !std::mem::take(&mut self.granted) {
            return Ok(());
        }
        let reason = format!("the host has no room for a worker's table: {error:#}");
        self.shortage = Some(reason.clone());
        bail!("{reason}")
    }
}
