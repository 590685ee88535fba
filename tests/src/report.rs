//! Lines that a suite prints even when it passes: measurements, seeds, reasons for skipping.

use std::fmt::Display;
use std::io::Write;

/// Writes a line to standard error directly. The test runner captures `println!` of passing tests, but not this.
pub fn report(line: impl Display) {
    // A failed write has no effect on the test, and there is no other place to report it.
    drop(writeln!(std::io::stderr().lock(), "{line}"));
}

/// Reports that the check `what` was skipped on this machine, and why.
pub fn skip(what: &str, why: &str) {
    report(format_args!("skipped: {what}: {why}"));
}
