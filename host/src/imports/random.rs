//! `wasi:random`: random streams that are derived from the worker's seed and the number of the invocation. A replay
//! draws the same values without oplog entries.

use crate::imports::views::{RandomView, Views};
use crate::limits::RANDOM_BYTES_MAX;
use golem_model::OplogIndex;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use wasmtime::component::Linker;
use wasmtime::{Result, bail};
use wasmtime_wasi::p2::bindings::random::{insecure, insecure_seed, random};

/// Defines the interfaces.
pub(super) fn add_to_linker<T: Views>(linker: &mut Linker<T>) -> Result<()> {
    random::add_to_linker::<_, RandomView<'_>>(linker, T::random)?;
    insecure::add_to_linker::<_, RandomView<'_>>(linker, T::random)?;
    insecure_seed::add_to_linker::<_, RandomView<'_>>(linker, T::random)
}

/// The random streams of one invocation.
///
/// Each invocation has its own streams, so its values do not depend on how many values earlier
/// invocations have drawn.
#[derive(Debug)]
pub(crate) struct Random {
    seed: [u8; 32],
    invocation: u64,
    /// The oplog index at which the instance was loaded from a saved state; 0 from the next invocation on, and 0 for an
    /// instance that was not loaded from a saved state.
    reload_entry: u64,
    /// Created at the first draw, because most invocations draw nothing.
    secure: Option<ChaCha20Rng>,
    insecure: Option<ChaCha20Rng>,
}

/// The purpose of a derived value. Each purpose is derived separately: a guest may publish values
/// of the insecure stream, and these must not reveal the secure stream.
#[derive(Debug, Clone, Copy)]
enum Domain {
    Secure = 1,
    Insecure = 2,
    InsecureSeed = 3,
    Keys = 4,
    HttpKeys = 5,
}

impl Random {
    /// Creates the streams of the invocation with this number.
    pub(crate) fn new(seed: &[u8; 32], invocation: u64) -> Self {
        Self { seed: *seed, invocation, reload_entry: 0, secure: None, insecure: None }
    }

    /// Creates the streams of an instance that loads a saved state at `entry`, after `invocation` invocations. They
    /// differ from the streams of all these invocations.
    pub(crate) fn after_reload(seed: &[u8; 32], invocation: u64, entry: OplogIndex) -> Self {
        Self { reload_entry: entry.0, ..Self::new(seed, invocation) }
    }

    /// The streams of the invocation with this number, of the same worker.
    pub(crate) fn of_invocation(&self, invocation: u64) -> Self {
        Self::new(&self.seed, invocation)
    }

    fn derive(&self, domain: Domain, number: u64) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new_keyed(&self.seed);
        hasher.update(&[domain as u8]);
        hasher.update(&self.invocation.to_le_bytes());
        hasher.update(&number.to_le_bytes());
        if self.reload_entry != 0 {
            hasher.update(&self.reload_entry.to_le_bytes());
        }
        *hasher.finalize().as_bytes()
    }

    fn secure(&mut self) -> &mut ChaCha20Rng {
        if self.secure.is_none() {
            self.secure = Some(ChaCha20Rng::from_seed(self.derive(Domain::Secure, 0)));
        }
        self.secure.as_mut().expect("it was just created")
    }

    fn insecure(&mut self) -> &mut ChaCha20Rng {
        if self.insecure.is_none() {
            self.insecure = Some(ChaCha20Rng::from_seed(self.derive(Domain::Insecure, 0)));
        }
        self.insecure.as_mut().expect("it was just created")
    }

    /// 16 bytes for the idempotency key with this number.
    pub(crate) fn idempotency_key(&self, number: u64) -> [u8; 16] {
        first_16(self.derive(Domain::Keys, number))
    }

    /// 16 bytes for the idempotency key of the HTTP request with this number.
    pub(crate) fn http_idempotency_key(&self, number: u64) -> [u8; 16] {
        first_16(self.derive(Domain::HttpKeys, number))
    }
}

fn first_16(bytes: [u8; 32]) -> [u8; 16] {
    *bytes.first_chunk().expect("32 bytes have 16 first ones")
}

fn fill(rng: &mut ChaCha20Rng, length: u64) -> Result<Vec<u8>> {
    if length > RANDOM_BYTES_MAX {
        bail!("{length} random bytes were asked for in one call; at most {RANDOM_BYTES_MAX} are given");
    }
    let mut bytes = vec![0; usize::try_from(length)?];
    rng.fill_bytes(&mut bytes);
    Ok(bytes)
}

impl random::Host for RandomView<'_> {
    fn get_random_bytes(&mut self, length: u64) -> Result<Vec<u8>> {
        fill(self.random.secure(), length)
    }

    fn get_random_u64(&mut self) -> Result<u64> {
        Ok(self.random.secure().next_u64())
    }
}

impl insecure::Host for RandomView<'_> {
    fn get_insecure_random_bytes(&mut self, length: u64) -> Result<Vec<u8>> {
        fill(self.random.insecure(), length)
    }

    fn get_insecure_random_u64(&mut self) -> Result<u64> {
        Ok(self.random.insecure().next_u64())
    }
}

impl insecure_seed::Host for RandomView<'_> {
    fn insecure_seed(&mut self) -> Result<(u64, u64)> {
        let bytes = self.random.derive(Domain::InsecureSeed, 0);
        let (low, rest) = bytes.split_first_chunk().expect("32 bytes have 8 first ones");
        let high = rest.first_chunk().expect("24 bytes have 8 first ones");
        Ok((u64::from_le_bytes(*low), u64::from_le_bytes(*high)))
    }
}
