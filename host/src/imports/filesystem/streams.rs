//! Files as streams of `wasi:io`.
//!
//! A stream stores its file and its offset, and it stays usable when the descriptor that created it is dropped. It is
//! always ready, and it reads or writes without waiting. An error closes it.

use crate::imports::views::{FilesystemView, IoView};
use crate::objects::{Descriptor, FileStream, Input, Object, Output};
use crate::vfs::Error;
use wasmtime::component::Resource;
use wasmtime::{Result, format_err};
use wasmtime_wasi::p2::{FsError, FsResult};
use wasmtime_wasi_io::streams::{DynInputStream, DynOutputStream, StreamError, StreamResult};

impl FilesystemView<'_> {
    /// Opens a stream that reads `file` from `offset`. If the file is not open for reading, reading the stream is an
    /// error.
    pub(super) fn open_input(&mut self, file: Descriptor, offset: u64) -> FsResult<Resource<DynInputStream>> {
        let stream = FileStream { node: file.node, at: Some(offset), allowed: file.read, closed: false };
        self.open_stream(stream, Object::Input(Input::File(stream)))
    }

    /// Opens a stream that writes `file` from `offset` on, or appends to it if `offset` is `None`.
    pub(super) fn open_output(
        &mut self,
        file: Descriptor,
        offset: Option<u64>,
    ) -> FsResult<Resource<DynOutputStream>> {
        let stream = FileStream { node: file.node, at: offset, allowed: file.write, closed: false };
        self.open_stream(stream, Object::Output(Output::File(stream)))
    }

    fn open_stream<T: 'static>(&mut self, stream: FileStream, object: Object) -> FsResult<Resource<T>> {
        self.files.vfs.retain(stream.node).map_err(FsError::trap)?;
        self.objects.insert(object).map_err(FsError::trap)
    }
}

impl IoView<'_> {
    /// Reads up to `length` bytes from the file stream at `rep`.
    pub(in crate::imports) fn file_read(
        &mut self,
        rep: u32,
        stream: FileStream,
        length: u64,
    ) -> StreamResult<Vec<u8>> {
        if stream.closed {
            return Err(StreamError::Closed);
        }
        let offset = stream.at.unwrap_or_default();
        let read = if stream.allowed {
            self.files().with(|files, now| files.read(stream.node, offset, length, now))
        } else {
            Err(Error::BadDescriptor)
        };
        let bytes = self.close_on_error(rep, read)?;
        if bytes.is_empty() && length > 0 {
            return Err(StreamError::Closed);
        }
        self.update_stream(rep, |stream| stream.at = Some(offset + bytes.len() as u64))?;
        Ok(bytes)
    }

    /// Writes `bytes` to the file stream at `rep`.
    pub(in crate::imports) fn file_write(
        &mut self,
        rep: u32,
        stream: FileStream,
        bytes: &[u8],
    ) -> StreamResult<()> {
        if stream.closed {
            return Err(StreamError::Closed);
        }
        let written = match stream.at {
            _ if !stream.allowed => Err(Error::BadDescriptor),
            Some(offset) => self.files().with(|files, now| files.write(stream.node, offset, bytes, now)),
            None => self.files().with(|files, now| files.append(stream.node, bytes, now)),
        };
        self.close_on_error(rep, written)?;
        let written = bytes.len() as u64;
        self.update_stream(rep, |stream| stream.at = stream.at.map(|offset| offset + written))
    }

    /// Removes a stream, and releases its file if it has one.
    pub(in crate::imports) fn remove_stream(&mut self, rep: u32) -> Result<()> {
        match self.objects.remove(rep)? {
            Object::Input(Input::File(stream)) | Object::Output(Output::File(stream)) => {
                self.files().with(|files, _| files.release(stream.node))?;
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Returns `answer`, and closes the stream at `rep` if it is an error.
    fn close_on_error<T>(&mut self, rep: u32, answer: Result<T, Error>) -> StreamResult<T> {
        match answer {
            Ok(answer) => Ok(answer),
            Err(error @ Error::HostMemory) => Err(StreamError::Trap(error.into())),
            Err(error) => {
                self.update_stream(rep, |stream| stream.closed = true)?;
                Err(StreamError::LastOperationFailed(error.into()))
            }
        }
    }

    fn update_stream(&mut self, rep: u32, change: impl FnOnce(&mut FileStream)) -> StreamResult<()> {
        match self.objects.get_mut(rep).map_err(StreamError::Trap)? {
            Object::Input(Input::File(stream)) | Object::Output(Output::File(stream)) => {
                change(stream);
                Ok(())
            }
            other => Err(StreamError::Trap(format_err!("{other:?} is no stream of a file"))),
        }
    }
}
