//! A pool of connections that only read, shared by all threads.

use super::connection::{Opener, Purpose};
use crate::storage::ports::StoreError;
use parking_lot::{Condvar, Mutex, RwLock, RwLockWriteGuard};
use rusqlite::Connection;

/// Connections that read at the same time; further readers wait. More connections than cores do not make reads faster.
const READERS_MAX: usize = 4;

#[derive(Debug)]
pub(super) struct Readers {
    opener: Opener,
    /// Held for reading while a connection is in use, and for writing while all are closed.
    gate: RwLock<()>,
    pool: Mutex<Pool>,
    returned: Condvar,
}

#[derive(Debug, Default)]
struct Pool {
    idle: Vec<Connection>,
    /// Number of open connections, idle or in use.
    open: usize,
}

impl Readers {
    pub(super) fn new(opener: Opener) -> Self {
        Self { opener, gate: RwLock::new(()), pool: Mutex::default(), returned: Condvar::new() }
    }

    /// Runs `read` on a connection. A connection whose `read` failed is closed.
    pub(super) fn with<T>(
        &self,
        read: impl FnOnce(&Connection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let _gate = self.gate.read();
        let mut guard = ReaderGuard { readers: self, connection: Some(self.take()?) };
        let connection = guard.connection.as_ref().expect("taken above and given back only by drop");
        let outcome = read(connection);
        if outcome.is_err() {
            guard.connection = None;
        }
        outcome
    }

    /// Closes all connections after waiting for those in use. New ones cannot be opened while the guard lives.
    pub(super) fn close_all(&self) -> RwLockWriteGuard<'_, ()> {
        let gate = self.gate.write();
        let mut pool = self.pool.lock();
        pool.open -= pool.idle.len();
        pool.idle.clear();
        debug_assert_eq!(pool.open, 0, "no connection can be in use while the gate is closed");
        gate
    }

    fn take(&self) -> Result<Connection, StoreError> {
        let mut pool = self.pool.lock();
        loop {
            if let Some(connection) = pool.idle.pop() {
                return Ok(connection);
            }
            if pool.open < READERS_MAX {
                pool.open += 1;
                drop(pool);
                return self.opener.open(Purpose::Read).inspect_err(|_| {
                    self.pool.lock().open -= 1;
                    self.returned.notify_one();
                });
            }
            self.returned.wait(&mut pool);
        }
    }
}

/// Returns its connection to the pool on drop, or closes it if the reader failed or panicked.
struct ReaderGuard<'a> {
    readers: &'a Readers,
    connection: Option<Connection>,
}

impl Drop for ReaderGuard<'_> {
    fn drop(&mut self) {
        let mut pool = self.readers.pool.lock();
        match self.connection.take() {
            Some(connection) if !std::thread::panicking() => pool.idle.push(connection),
            Some(_) | None => pool.open -= 1,
        }
        drop(pool);
        self.readers.returned.notify_one();
    }
}
