//! The content of files: reading, writing, sizes and times.

use super::node::{Content, Data};
use super::{Error, FileTime, NodeId, Stat, Vfs};
use bytes::Bytes;

/// Bytes that one read returns at most. A guest that wants more reads again.
const READ_BYTES_MAX: usize = 1 << 20;

/// The largest offset and size, as on Linux.
const OFFSET_MAX: u64 = i64::MAX as u64;

impl Vfs {
    /// The metadata of `node`.
    pub(crate) fn stat(&self, node: NodeId) -> Result<Stat, Error> {
        Ok(self.node(node)?.stat())
    }

    /// Reads up to `length` bytes of a file from `offset`. The result is empty only at the end of the file, or if
    /// `length` is 0.
    pub(crate) fn read(
        &mut self,
        node: NodeId,
        offset: u64,
        length: u64,
        now: FileTime,
    ) -> Result<Vec<u8>, Error> {
        let part = self.part(node, offset, length)?.to_vec();
        if !part.is_empty() {
            self.node_mut(node)?.accessed = now;
        }
        Ok(part)
    }

    fn part(&self, node: NodeId, offset: u64, length: u64) -> Result<&[u8], Error> {
        if offset > OFFSET_MAX {
            return Err(Error::Invalid);
        }
        let bytes = self.data(node)?;
        let start = usize::try_from(offset).unwrap_or(usize::MAX).min(bytes.len());
        let length = usize::try_from(length).unwrap_or(usize::MAX).min(READ_BYTES_MAX);
        Ok(&bytes[start..start.saturating_add(length).min(bytes.len())])
    }

    /// Writes all of `bytes` to a file at `offset`. If `offset` lies beyond the end, the gap is filled with zeroes.
    pub(crate) fn write(
        &mut self,
        node: NodeId,
        offset: u64,
        bytes: &[u8],
        now: FileTime,
    ) -> Result<(), Error> {
        if offset > OFFSET_MAX {
            return Err(Error::Invalid);
        }
        let length = self.data(node)?.len() as u64;
        if bytes.is_empty() {
            return Ok(());
        }
        let end = offset + bytes.len() as u64;
        if end > length {
            self.charge(end - length)?;
        }
        let (start, end) = (size(offset)?, size(end)?);
        match self.data_mut(node)?.make_owned(end) {
            Ok(data) => data[start..end].copy_from_slice(bytes),
            Err(error) => {
                self.refund((end as u64).saturating_sub(length));
                return Err(error);
            }
        }
        self.node_mut(node)?.touch(now);
        Ok(())
    }

    /// Writes all of `bytes` to a file at its end.
    pub(crate) fn append(&mut self, node: NodeId, bytes: &[u8], now: FileTime) -> Result<(), Error> {
        let end = self.data(node)?.len() as u64;
        self.write(node, end, bytes, now)
    }

    /// Truncates a file, or extends it with zeroes.
    pub(crate) fn set_size(&mut self, node: NodeId, length: u64, now: FileTime) -> Result<(), Error> {
        if length > OFFSET_MAX {
            return Err(Error::Invalid);
        }
        let before = self.data(node)?.len() as u64;
        if length > before {
            self.charge(length - before)?;
            let end = size(length)?;
            if let Err(error) = self.data_mut(node)?.make_owned(end) {
                self.refund(length - before);
                return Err(error);
            }
        } else if length < before {
            self.refund(before - length);
            let end = size(length)?;
            match self.data_mut(node)? {
                Data::Shared(bytes) => bytes.truncate(end),
                Data::Owned(bytes) => {
                    bytes.truncate(end);
                    bytes.shrink_to_fit();
                }
            }
        }
        self.node_mut(node)?.touch(now);
        Ok(())
    }

    /// Sets the content of a file to `bytes` without copying them. The first write to the file makes a copy.
    pub(crate) fn set_shared(&mut self, node: NodeId, bytes: Bytes, now: FileTime) -> Result<(), Error> {
        self.set_size(node, 0, now)?;
        self.charge(bytes.len() as u64)?;
        *self.data_mut(node)? = Data::Shared(bytes);
        Ok(())
    }

    /// Sets the times of a node; `None` does not change the time.
    pub(crate) fn set_times(
        &mut self,
        node: NodeId,
        accessed: Option<FileTime>,
        modified: Option<FileTime>,
        now: FileTime,
    ) -> Result<(), Error> {
        let node = self.node_mut(node)?;
        if accessed.is_none() && modified.is_none() {
            return Ok(());
        }
        node.accessed = accessed.unwrap_or(node.accessed);
        node.modified = modified.unwrap_or(node.modified);
        node.changed = now;
        Ok(())
    }

    fn data(&self, node: NodeId) -> Result<&[u8], Error> {
        match &self.node(node)?.content {
            Content::File(data) => Ok(data.as_slice()),
            Content::Directory(_) => Err(Error::IsDirectory),
            Content::Link(_) => Err(Error::Invalid),
        }
    }

    fn data_mut(&mut self, node: NodeId) -> Result<&mut Data, Error> {
        match &mut self.node_mut(node)?.content {
            Content::File(data) => Ok(data),
            Content::Directory(_) => Err(Error::IsDirectory),
            Content::Link(_) => Err(Error::Invalid),
        }
    }
}

fn size(bytes: u64) -> Result<usize, Error> {
    usize::try_from(bytes).map_err(|_| Error::InsufficientSpace)
}
