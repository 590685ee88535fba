//! Speed of the disk: writes and syncs one block repeatedly.

use golem_tests::wait;
use hdrhistogram::Histogram;
use std::fmt;
use std::fs::File;
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::Duration;

/// A block with the size of a page in the store's write-ahead log.
const BLOCK: [u8; 4096] = [0x5a; 4096];

/// The measured times and rate.
#[derive(Debug)]
pub(crate) struct Disk {
    pub(crate) p50: Duration,
    p99: Duration,
    rate: f64,
}

impl fmt::Display for Disk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = |duration: Duration| duration.as_secs_f64() * 1e3;
        write!(f, "p50 {:.3} ms, p99 {:.3} ms, {:.0}/s", ms(self.p50), ms(self.p99), self.rate)
    }
}

/// Writes and syncs `writes` blocks one after the other: into a preallocated file if `prepared`, otherwise at the end
/// of a growing file.
pub(crate) fn measure(path: &Path, writes: u32, prepared: bool) -> anyhow::Result<Disk> {
    let mut file = File::create(path)?;
    if prepared {
        for _ in 0..writes {
            file.write_all(&BLOCK)?;
        }
        file.sync_all()?;
    }
    let mut times = Histogram::<u64>::new(3)?;
    let begin = wait::now();
    for block in 0..writes {
        let one = wait::now();
        file.write_all_at(&BLOCK, u64::from(block) * BLOCK.len() as u64)?;
        file.sync_data()?;
        times.record(u64::try_from(one.elapsed().as_nanos())?)?;
    }
    let elapsed = begin.elapsed();
    std::fs::remove_file(path)?;
    Ok(Disk {
        p50: Duration::from_nanos(times.value_at_quantile(0.5)),
        p99: Duration::from_nanos(times.value_at_quantile(0.99)),
        rate: f64::from(writes) / elapsed.as_secs_f64(),
    })
}
