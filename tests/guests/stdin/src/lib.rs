//! Reads standard input, which only a call with a stdio convention provides.

#[golem::worker]
mod stdin {
    use std::io::{self, Read};

    fn text(error: io::Error) -> String {
        format!("{:?}: {error}", error.kind())
    }

    /// Reads one line.
    pub fn line() -> Result<String, String> {
        let mut line = String::new();
        io::stdin().read_line(&mut line).map_err(text)?;
        Ok(line)
    }

    /// Reads until the end.
    pub fn all() -> Result<Vec<u8>, String> {
        let mut bytes = Vec::new();
        io::stdin().read_to_end(&mut bytes).map_err(text)?;
        Ok(bytes)
    }

    /// Reads one line and writes it to standard output in capitals.
    pub fn shout() -> Result<(), String> {
        println!("{}", line()?.trim_end().to_uppercase());
        Ok(())
    }
}
