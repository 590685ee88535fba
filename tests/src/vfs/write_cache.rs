//! The simulated write cache of a file: blocks that are not synced.

use libsqlite3_sys as ffi;
use std::collections::BTreeMap;
use std::ffi::c_int;

/// Size of a block in bytes. A block is kept or lost as a whole.
const BLOCK: u64 = 4096;

/// The difference between a file as SQLite sees it and the real file.
#[derive(Debug, Default)]
pub(super) struct WriteCache {
    blocks: BTreeMap<u64, Block>,
    /// The length, if it differs from that of the real file.
    length: Option<u64>,
    /// Bytes of the real file from this offset on are truncated.
    truncated_at: Option<u64>,
    /// Number of failed syncs.
    pub(super) failures: u64,
}

#[derive(Debug)]
struct Block {
    bytes: Box<[u8]>,
    /// Whether the next sync writes the block. `false` means that a sync of the block failed: a crash will lose it.
    dirty: bool,
}

/// The real file behind a handle.
#[derive(Clone, Copy)]
pub(super) struct RealFile {
    pub(super) file: *mut ffi::sqlite3_file,
}

/// Calls a function of the real file's table.
macro_rules! real {
    ($real:expr, $function:ident $(, $argument:expr)*) => {{
        let real: RealFile = $real;
        // SAFETY: the system's VFS opened this file and set its table, which has all functions of version 2. SQLite
        // does not close the handle during a call with it.
        unsafe {
            let function = (*(*real.file).pMethods).$function.expect("the system's VFS has all functions");
            function(real.file $(, $argument)*)
        }
    }};
}
pub(super) use real;

impl RealFile {
    fn length(self) -> Result<u64, c_int> {
        let mut length = 0;
        check(real!(self, xFileSize, &raw mut length))?;
        Ok(u64::try_from(length).unwrap_or(0))
    }

    /// Fills `bytes`, with zeros beyond the end of the file.
    fn read(self, bytes: &mut [u8], at: u64) -> Result<(), c_int> {
        let count = c_int::try_from(bytes.len()).map_err(|_| ffi::SQLITE_IOERR_READ)?;
        match real!(self, xRead, bytes.as_mut_ptr().cast(), count, at.cast_signed()) {
            ffi::SQLITE_IOERR_SHORT_READ => Ok(()),
            code => check(code),
        }
    }

    fn write(self, bytes: &[u8], at: u64) -> Result<(), c_int> {
        let count = c_int::try_from(bytes.len()).map_err(|_| ffi::SQLITE_IOERR_WRITE)?;
        check(real!(self, xWrite, bytes.as_ptr().cast(), count, at.cast_signed()))
    }
}

pub(super) fn check(code: c_int) -> Result<(), c_int> {
    if code == ffi::SQLITE_OK { Ok(()) } else { Err(code) }
}

impl WriteCache {
    /// Whether the file would be non-empty if it were synced now.
    pub(super) fn has_bytes(&self) -> bool {
        self.length.is_some_and(|length| length > 0)
    }

    pub(super) fn length(&self, real: RealFile) -> Result<u64, c_int> {
        let length = real.length()?;
        Ok(match (self.truncated_at, self.length) {
            (None, None) => length,
            (None, Some(ours)) => ours.max(length),
            (Some(truncated_at), ours) => ours.unwrap_or(truncated_at),
        })
    }

    /// Fills `bytes`. Returns `false` if the file ends before their end.
    pub(super) fn read(&self, real: RealFile, bytes: &mut [u8], at: u64) -> Result<bool, c_int> {
        bytes.fill(0);
        let end = at + bytes.len() as u64;
        let from_real =
            self.truncated_at.map_or(end, |truncated_at| end.min(truncated_at)).saturating_sub(at);
        if from_real > 0 {
            real.read(&mut bytes[..index(from_real)], at)?;
        }
        for (number, block) in self.blocks.range(at / BLOCK..end.div_ceil(BLOCK)) {
            let start = (number * BLOCK).max(at);
            let stop = ((number + 1) * BLOCK).min(end);
            bytes[index(start - at)..index(stop - at)]
                .copy_from_slice(&block.bytes[index(start - number * BLOCK)..index(stop - number * BLOCK)]);
        }
        let length = self.length(real)?;
        if end > length {
            bytes[index(length.saturating_sub(at).min(end - at))..].fill(0);
        }
        Ok(end <= length)
    }

    pub(super) fn write(&mut self, real: RealFile, bytes: &[u8], at: u64) -> Result<(), c_int> {
        let end = at + bytes.len() as u64;
        let length = self.length(real)?;
        for number in at / BLOCK..end.div_ceil(BLOCK) {
            let mut whole = vec![0; index(BLOCK)].into_boxed_slice();
            self.read(real, &mut whole, number * BLOCK)?;
            let start = (number * BLOCK).max(at);
            let stop = ((number + 1) * BLOCK).min(end);
            whole[index(start - number * BLOCK)..index(stop - number * BLOCK)]
                .copy_from_slice(&bytes[index(start - at)..index(stop - at)]);
            self.blocks.insert(number, Block { bytes: whole, dirty: true });
        }
        if end > length || self.length.is_some() {
            self.length = Some(length.max(end));
        }
        Ok(())
    }

    pub(super) fn truncate(&mut self, length: u64) {
        self.blocks.split_off(&length.div_ceil(BLOCK));
        if let Some(block) = self.blocks.get_mut(&(length / BLOCK)) {
            block.bytes[index(length % BLOCK)..].fill(0);
        }
        self.length = Some(length);
        self.truncated_at = Some(self.truncated_at.map_or(length, |truncated_at| truncated_at.min(length)));
    }

    /// Writes the dirty blocks and the length to the real file.
    pub(super) fn flush(&mut self, real: RealFile) -> Result<(), c_int> {
        let length = self.length(real)?;
        if let Some(truncated_at) = self.truncated_at {
            check(real!(real, xTruncate, truncated_at.cast_signed()))?;
        }
        for (number, block) in self.blocks.iter().filter(|(_, block)| block.dirty) {
            let start = number * BLOCK;
            if start < length {
                real.write(&block.bytes[..index(BLOCK.min(length - start))], start)?;
            }
        }
        // The remaining blocks belong to a failed sync. They can be read until the crash.
        self.blocks.retain(|_, block| !block.dirty);
        self.length = (!self.blocks.is_empty()).then_some(length);
        self.truncated_at = None;
        Ok(())
    }

    /// Fails a sync: a crash will lose the blocks that it should have written.
    pub(super) fn fail_sync(&mut self) {
        self.failures += 1;
        for block in self.blocks.values_mut() {
            block.dirty = false;
        }
    }
}

fn index(bytes: u64) -> usize {
    usize::try_from(bytes).expect("blocks and requests of SQLite are small")
}
