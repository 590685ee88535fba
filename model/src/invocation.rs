//! Invocations and the keys that name them.

use crate::oplog::{InboxEvent, InvocationSource};
use crate::{Timestamp, Value};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;

/// Names an invocation of a worker. Requests with the same key are the same invocation, which runs once.
///
/// 1 to 255 visible ASCII characters. The REST API has two spellings: an invocation key, which the server issues, and
/// the header `Idempotency-Key`, which the client chooses.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct IdempotencyKey(Arc<str>);

/// Maximum length of an idempotency key in characters.
pub const IDEMPOTENCY_KEY_CHARS_MAX: usize = 255;

/// The text cannot be an idempotency key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("Invalid idempotency key: it has {length} bytes{}; use 1 to {IDEMPOTENCY_KEY_CHARS_MAX} visible ASCII characters",
    if *visible { "" } else { " and holds a character that is not visible ASCII" })]
pub struct IdempotencyKeyError {
    /// Length of the text in bytes.
    pub length: usize,
    /// Whether the text consists of visible ASCII characters only.
    pub visible: bool,
}

impl IdempotencyKey {
    /// Checks `key`.
    pub fn new(key: impl Into<Arc<str>>) -> Result<Self, IdempotencyKeyError> {
        let key = key.into();
        let visible = key.bytes().all(|b| b.is_ascii_graphic());
        if key.is_empty() || key.len() > IDEMPOTENCY_KEY_CHARS_MAX || !visible {
            return Err(IdempotencyKeyError { length: key.len(), visible });
        }
        Ok(Self(key))
    }

    /// The key of an anonymous invocation: one whose caller gave no key. `unique` must not repeat.
    ///
    /// The key starts with a space, which [`IdempotencyKey::new`] rejects, so it differs from every key of a caller.
    /// Anonymous invocations cannot be repeated or looked up, so they are not indexed.
    pub fn anonymous(unique: u128) -> Self {
        Self(Arc::from(format!(" {unique:032x}")))
    }

    /// Whether the invocation is anonymous: its caller gave no key.
    pub fn is_anonymous(&self) -> bool {
        self.0.starts_with(' ')
    }

    /// Checks a key that was read from the oplog. Unlike in [`IdempotencyKey::new`], it may be anonymous.
    pub fn from_stored(key: String) -> Result<Self, IdempotencyKeyError> {
        if key.starts_with(' ') && key.len() == 33 { Ok(Self(key.into())) } else { Self::new(key) }
    }

    /// The first 16 bytes of BLAKE3 of the key, under which the index of outcomes stores it.
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
    /// How the parameters reach the guest.
    pub convention: Convention,
}

/// How parameters reach the guest, and how the result is returned.
///
/// A function that is called as a program has no typed parameters: it reads standard input and writes to standard
/// output. Each convention has a code in the oplog.
///
/// Invariant: a code is never given to another convention.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Convention {
    /// Typed parameters and result.
    #[default]
    Component,
    /// The text is the whole standard input. The result is the standard output up to the end of the function.
    Stdio,
    /// The text is the next line of standard input. The result is the next line of standard output. The function
    /// keeps running.
    StdioEventLoop,
}

impl Convention {
    /// The code of the convention in the oplog.
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
    /// An invocation of a function as a program.
    pub fn for_program(
        key: IdempotencyKey,
        function: Arc<str>,
        convention: Convention,
        input: String,
    ) -> Self {
        Self { key, function, params: vec![Value::String(input)], convention }
    }

    /// Function and parameters in the form of the entry that starts the invocation.
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

    /// The inbox event that accepts the invocation.
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

    /// The inbox event that accepts the invocation, without its parameters or its input.
    pub fn to_inbox_event_without_params(&self, at: Timestamp) -> InboxEvent {
        let (key, function) = (self.key.clone(), Arc::clone(&self.function));
        match (self.convention, self.params.as_slice()) {
            (convention @ (Convention::Stdio | Convention::StdioEventLoop), [Value::String(_)]) => {
                InboxEvent::Program { at, key, function, convention, input: String::new() }
            }
            (Convention::Component | Convention::Stdio | Convention::StdioEventLoop, _) => {
                InboxEvent::Invocation { at, key, function, params: Vec::new() }
            }
        }
    }

    /// BLAKE3 over function, convention and encoded parameters. It distinguishes a repeated request from another
    /// invocation under the same key.
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
        // In `digest_of`, the number of parameters stands here. No function has `u64::MAX` of them, so a call as a
        // program never has the digest of a typed call.
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
