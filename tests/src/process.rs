//! Memory and processor time of a process, from `/proc`.

use std::time::Duration;

/// Ticks of processor time per second in `/proc/ID/stat`. Linux fixes this number (`USER_HZ`) for programs on all
/// common architectures, independently of the kernel's timer.
const TICKS: u64 = 100;

/// Resident memory of a process in bytes.
///
/// # Panics
/// When the process does not exist.
pub fn resident_bytes(id: u32) -> u64 {
    status_bytes(id, "VmRSS:")
}

/// The largest resident memory that a process has had, in bytes.
///
/// # Panics
/// When the process does not exist.
pub fn peak_resident_bytes(id: u32) -> u64 {
    status_bytes(id, "VmHWM:")
}

/// Makes the current resident memory of a process the largest that [`peak_resident_bytes`] knows.
///
/// # Panics
/// When the process does not exist.
pub fn reset_peak_resident_bytes(id: u32) {
    // See `man 5 proc_pid_clear_refs`.
    let path = format!("/proc/{id}/clear_refs");
    std::fs::write(&path, "5").unwrap_or_else(|error| panic!("cannot write {path}: {error}"));
}

fn status_bytes(id: u32, name: &str) -> u64 {
    let status = read(id, "status");
    let line = status.lines().find(|line| line.starts_with(name));
    let kib = line.and_then(|line| line.split_whitespace().nth(1)).and_then(|kib| kib.parse::<u64>().ok());
    kib.unwrap_or_else(|| panic!("process {id} has no {name}")) * 1024
}

/// Processor time of all threads of a process, in user and kernel mode.
///
/// # Panics
/// When the process does not exist.
pub fn cpu_time(id: u32) -> Duration {
    let stat = read(id, "stat");
    // The name of the program is in parentheses and may contain any character. The numbers follow the last
    // parenthesis.
    let numbers = stat.rsplit_once(')').map(|(_, numbers)| numbers).unwrap_or_default();
    let field = |index: usize| numbers.split_whitespace().nth(index).and_then(|n| n.parse::<u64>().ok());
    let (Some(user), Some(system)) = (field(11), field(12)) else {
        panic!("/proc/{id}/stat has an unknown format: {stat}");
    };
    Duration::from_millis((user + system) * 1_000 / TICKS)
}

fn read(id: u32, file: &str) -> String {
    std::fs::read_to_string(format!("/proc/{id}/{file}"))
        .unwrap_or_else(|error| panic!("cannot read /proc/{id}/{file}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_has_memory_and_time() {
        let this = std::process::id();
        assert!(resident_bytes(this) > 100_000);
        assert!(peak_resident_bytes(this) > 100_000);
        assert!(cpu_time(this) < Duration::from_hours(1));
    }
}
