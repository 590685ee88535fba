//! Writes to standard output and standard error.

#[golem::worker]
mod prints {
    use std::io::Write;

    /// Writes a line to each stream.
    pub fn lines(out: String, error: String) {
        println!("{out}");
        eprintln!("{error}");
    }

    /// Writes `count` numbered lines to standard output and returns `count`.
    pub fn count(count: u32) -> u32 {
        for number in 1..=count {
            println!("line {number}");
        }
        count
    }

    /// Prints a number and sleeps, `count` times.
    pub fn tick(count: u32, ms: u64) -> u32 {
        for number in 1..=count {
            println!("tick {number}");
            std::thread::sleep(std::time::Duration::from_millis(ms));
        }
        count
    }

    /// Prints a number and computes for some tenths of a second, `count` times.
    pub fn compute(count: u32) -> u32 {
        for number in 1..=count {
            println!("round {number}");
            for step in 0..200_000_000_u32 {
                std::hint::black_box(step);
            }
        }
        count
    }

    /// Writes text without a line end, and flushes.
    pub fn part(text: String) -> Result<(), String> {
        let mut out = std::io::stdout();
        out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(|error| error.to_string())
    }

    /// Writes that many bytes in one line.
    pub fn long(bytes: u32) -> u32 {
        println!("{}", "x".repeat(bytes as usize));
        bytes
    }

    /// Writes bytes to standard error, which may be invalid UTF-8.
    pub fn raw(bytes: Vec<u8>) -> Result<(), String> {
        let mut error = std::io::stderr();
        error.write_all(&bytes).and_then(|()| error.flush()).map_err(|error| error.to_string())
    }
}
