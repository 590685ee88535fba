//! Invocations and the keys that name them.

use crate::oplog::{InboxEvent, InvocationSource};
use crate::{Timestamp, Value};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;

/// Names an invocation of a worker: the same key is the same invocation, which runs once.
///
/// 1 to 255 visible ASCII characters. REST spells it as an invocation key (made by the server) or as the
/// header `Idempotency-Key` (made by the client).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct IdempotencyKey(Arc<str>);

/// Characters of an idempotency key, at most.
pub const IDEMPOTENCY_KEY_CHARS_MAX: usize = 255;

/// A text that cannot be an idempotency key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("Invalid idempotency key: it has {length} bytes{}; use 1 to {IDEMPOTENCY_KEY_CHARS_MAX} visible ASCII characters",
    if *visible { "" } else { " and holds a character that is not visible ASCII" })]
pub struct IdempotencyKeyError {
    /// Its length in bytes.
    pub length: usize,
    /// Whether all of it is visible ASCII.
    pub visible: bool,
}

impl IdempotencyKey {
    /// Checks `key` and takes it.
    pub fn new(key: impl Into<Arc<str>>) -> Result<Self, IdempotencyKeyError> {
        let key = key.into();
        let visible = key.bytes().all(|b| b.is_ascii_graphic());
        if key.is_empty() || key.len() > IDEMPOTENCY_KEY_CHARS_MAX || !visible {
            return Err(IdempotencyKeyError { length: key.len(), visible });
        }
        Ok(Self(key))
    }

    /// A key that nobody outside knows, for an invocation whose caller named none. Starts with a space, so it can
    /// never clash with a caller's, and needs no place in any index: nobody can repeat it.
    pub fn anonymous(unique: u128) -> Self {
        Self(Arc::from(format!(" {unique:032x}")))
    }

    /// Whether no caller knows this key.
    pub fn is_anonymous(&self) -> bool {
        self.0.starts_with(' ')
    }

    /// Takes a key from the oplog, which may be anonymous.
    pub(crate) fn from_stored(key: String) -> Result<Self, IdempotencyKeyError> {
        if key.starts_with(' ') && key.len() == 33 { Ok(Self(key.into())) } else { Self::new(key) }
    }

    /// The first 16 bytes of BLAKE3 of the key: its name in the index of outcomes.
    pub fn index_hash(&self) -> [u8; 16] {
        let mut short = [0; 16];
        short.copy_from_slice(&blake3::hash(self.0.as_bytes()).as_bytes()[..16]);
        short
    }

    /// The key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for IdempotencyKey {
    type Error = IdempotencyKeyError;

    fn try_from(key: String) -> Result<Self, Self::Error> {
        Self::new(key)
    }
}

impl From<IdempotencyKey> for String {
    fn from(key: IdempotencyKey) -> Self {
        key.0.as_ref().to_owned()
    }
}

impl fmt::Display for IdempotencyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for IdempotencyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "key-{}", self.0)
    }
}

/// One call of an exported function.
#[derive(Debug, Clone, PartialEq)]
pub struct Invocation {
    /// Names the invocation.
    pub key: IdempotencyKey,
    /// The full name of the function: `package:name/interface/function`, or `function` if the world exports it.
    pub function: Arc<str>,
    /// One value per parameter, checked against the function's type; for a program, its input as one text.
    pub params: Vec<Value>,
    /// How they reach the guest.
    pub convention: Convention,
}

/// How parameters reach the guest and how it answers.
///
/// A function that is called as a program takes no parameters of its own: it reads standard input and writes to
/// standard output. Each convention has a code in the oplog, which is never given again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Convention {
    /// Typed parameters and result.
    #[default]
    Component,
    /// The text is all of standard input; what is written to standard output until the function ends is the result.
    Stdio,
    /// The text is the next line of standard input; the next line of standard output is the result. The function
    /// goes on.
    StdioEventLoop,
}

impl Convention {
    /// Its code in the oplog.
    pub const fn code(self) -> u8 {
        match self {
            Self::Component => 0,
            Self::Stdio => 1,
            Self::StdioEventLoop => 2,
        }
    }

    /// The convention with this code.
    pub const fn from_code(code: u8) -> Option<Self> {
        match code {
            0 => Some(Self::Component),
            1 => Some(Self::Stdio),
            2 => Some(Self::StdioEventLoop),
            _ => None,
        }
    }

    /// Whether the function is called as a program.
    pub const fn is_program(self) -> bool {
        matches!(self, Self::Stdio | Self::StdioEventLoop)
    }
}

impl Invocation {
    /// A call of a function as a program.
    pub fn program(key: IdempotencyKey, function: Arc<str>, convention: Convention, input: String) -> Self {
        Self { key, function, params: vec![Value::String(input)], convention }
    }

    /// How the entry that begins it tells what it is.
    pub fn source(&self) -> InvocationSource {
        let function = Arc::clone(&self.function);
        match (self.convention, self.params.as_slice()) {
            (Convention::Stdio | Convention::StdioEventLoop, [Value::String(input)]) => {
                InvocationSource::Program { function, convention: self.convention, input: input.clone() }
            }
            (Convention::Component | Convention::Stdio | Convention::StdioEventLoop, params) => {
                InvocationSource::Inline { function, params: params.to_vec() }
            }
        }
    }

    /// The arrival that accepts it.
    pub fn to_inbox_event(&self, at: Timestamp) -> InboxEvent {
        let key = self.key.clone();
        match self.source() {
            InvocationSource::Program { function, convention, input } => {
                InboxEvent::Program { at, key, function, convention, input }
            }
            InvocationSource::Inline { .. } | InvocationSource::Queued { .. } => {
                let (function, params) = (Arc::clone(&self.function), self.params.clone());
                InboxEvent::Invocation { at, key, function, params }
            }
        }
    }

    /// BLAKE3 over function, convention and encoded parameters: tells a repeated request from a key used twice.
    pub fn digest(&self) -> [u8; 32] {
        match (self.convention, self.params.as_slice()) {
            (Convention::Stdio | Convention::StdioEventLoop, [Value::String(input)]) => {
                Self::digest_of_program(&self.function, self.convention, input)
            }
            (Convention::Component | Convention::Stdio | Convention::StdioEventLoop, params) => {
                Self::digest_of(&self.function, params)
            }
        }
    }

    /// The digest of a call of `function` as a program.
    pub fn digest_of_program(function: &str, convention: Convention, input: &str) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&(function.len() as u64).to_le_bytes());
        hasher.update(function.as_bytes());
        // No function has so many parameters.
        hasher.update(&u64::MAX.to_le_bytes());
        hasher.update(&[convention.code()]);
        hasher.update(input.as_bytes());
        *hasher.finalize().as_bytes()
    }

    /// The digest of an invocation of `function` with `params`.
    pub fn digest_of(function: &str, params: &[Value]) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&(function.len() as u64).to_le_bytes());
        hasher.update(function.as_bytes());
        hasher.update(&(params.len() as u64).to_le_bytes());
        let mut bytes = Vec::with_capacity(64);
        for param in params {
            crate::value::codec::encode(param, &mut bytes);
        }
        hasher.update(&bytes);
        *hasher.finalize().as_bytes()
    }
}
