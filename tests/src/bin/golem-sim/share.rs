//! The work of one process: every N-th seed, or every N-th mutant.
//!
//! The seeds are divided among processes and not among threads: the runs of a process map and unmap memory all the
//! time, and with several threads each unmapping interrupts the other processors.

use golem_tests::sim::mutants::Mutant;
use golem_tests::sim::platform::Components;
use golem_tests::sim::run::{Failure, run};
use golem_tests::wait;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io::Write;
use std::str::FromStr;
use std::time::Duration;

/// Number of seeds within which a mutant must be detected.
const MUTANT_SEEDS_MAX: u64 = 2_000;

/// Which part of the work is done: `1/2` is the second of two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Share {
    /// The place among the processes, from 0.
    pub(crate) place: u32,
    /// Number of processes.
    pub(crate) of: u32,
}

impl FromStr for Share {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts =
            text.split_once('/').and_then(|(place, of)| Some((place.parse().ok()?, of.parse().ok()?)));
        match parts {
            Some((place, of)) if place < of => Ok(Self { place, of }),
            _ => Err(format!("`{text}` is not a share: write the place from 0 and the number, as in 1/2")),
        }
    }
}

impl std::fmt::Display for Share {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.place, self.of)
    }
}

/// When the exploration ends.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Until {
    /// After this number of seeds, over all processes.
    Seeds(u64),
    /// After this time.
    Minutes(u64),
}

/// What a process reports to the one that started it: one line of JSON each.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Message {
    /// A seed was run without a contradiction.
    Passed { steps: u64, crashes: u64, failed_commits: u64, reached: BTreeMap<String, u64> },
    /// A seed was run with a contradiction. `shown` has the last events too.
    Failed { seed: u64, text: String, shown: String },
    /// What became of a mutant.
    Mutant { shown: String, is_detected: bool },
    /// The share is done.
    Done,
}

/// Runs the share's seeds from `from` on.
pub(crate) fn explore(share: Share, from: u64, until: Until) {
    let components = Components::compile();
    let begin = wait::now();
    for count in (u64::from(share.place)..).step_by(share.of as usize) {
        let is_over = match until {
            Until::Seeds(seeds) => count >= seeds,
            Until::Minutes(minutes) => begin.elapsed() >= Duration::from_secs(60 * minutes),
        };
        if is_over {
            break;
        }
        send(&match run(from.wrapping_add(count), &components, None) {
            Ok(report) => Message::Passed {
                steps: report.steps,
                crashes: report.crashes,
                failed_commits: report.failed_commits,
                reached: report.reached.into_iter().map(|(name, count)| (name.to_owned(), count)).collect(),
            },
            Err(failure) => {
                let shown = failure.to_string();
                let Failure { seed, text, .. } = *failure;
                Message::Failed { seed, text, shown }
            }
        });
    }
    send(&Message::Done);
}

/// Runs each of the share's mutants until a seed detects it.
pub(crate) fn detect_mutants(share: Share) {
    let components = Components::compile();
    for mutant in Mutant::ALL.iter().skip(share.place as usize).step_by(share.of as usize) {
        let begin = wait::now();
        let found = (1..=MUTANT_SEEDS_MAX).find_map(|seed| run(seed, &components, Some(*mutant)).err());
        let took = begin.elapsed().as_secs_f64();
        let is_detected = found.is_some();
        let shown = match found {
            Some(failure) => {
                let Failure { seed, text, .. } = *failure;
                format!("{mutant:?} is detected by seed {seed} in {took:.1} s: {text}")
            }
            None => format!("{mutant:?} is not detected by {MUTANT_SEEDS_MAX} seeds in {took:.1} s"),
        };
        send(&Message::Mutant { shown, is_detected });
    }
    send(&Message::Done);
}

/// Writes a message to standard output.
///
/// # Panics
/// If the process that started this one has ended: the rest of the work has no reader.
fn send(message: &Message) {
    let mut line = serde_json::to_vec(message).expect("messages are JSON");
    line.push(b'\n');
    std::io::stdout().lock().write_all(&line).expect("the process that started this one reads");
}
