//! What a suite tells its reader also when it passes: measurements, seeds, reasons for skipping.

use std::fmt::Display;
use std::io::Write;

/// Writes a line to standard error, past the test runner, which keeps to itself what passing tests print.
pub fn report(line: impl Display) {
    // Nothing depends on it, and there is nowhere to complain.
    drop(writeln!(std::io::stderr().lock(), "{line}"));
}

/// Says why a test cannot say anything on this machine.
pub fn skip(what: &str, why: &str) {
    report(format_args!("skipped: {what}: {why}"));
}
