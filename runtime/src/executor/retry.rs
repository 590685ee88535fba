//! Jitter for the delay before the next attempt. Pure.

use golem_model::OplogIndex;

/// Returns a number from 0 to 1 that depends only on the worker's seed and the oplog index, so it is the same in every
/// run.
pub(crate) fn jitter(seed: &[u8; 32], index: OplogIndex) -> f64 {
    let hash = blake3::keyed_hash(seed, &index.0.to_le_bytes());
    let (bytes, _) = hash.as_bytes().split_first_chunk::<4>().expect("a hash has 32 bytes");
    f64::from(u32::from_le_bytes(*bytes)) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jitter_differs_between_workers_and_attempts_but_not_between_runs() {
        let of = |seed: u8, index| jitter(&[seed; 32], OplogIndex(index));
        let all: Vec<f64> = (0..50_u8).map(|n| of(n, 7)).chain((0..50).map(|n| of(7, n))).collect();
        assert!(all.iter().all(|jitter| (0.0..=1.0).contains(jitter)));
        let different: std::collections::BTreeSet<u64> = all.iter().map(|jitter| jitter.to_bits()).collect();
        assert_eq!(different.len(), 99, "worker 7 at index 7 occurs twice");
        assert!(all.iter().any(|jitter| *jitter < 0.2) && all.iter().any(|jitter| *jitter > 0.8));
    }
}
