//! Returns the arguments and the environment of the worker.

#[golem::worker]
mod environment {
    /// The arguments.
    pub fn arguments() -> Vec<String> {
        std::env::args().collect()
    }

    /// The environment: names and values.
    pub fn variables() -> Vec<(String, String)> {
        std::env::vars().collect()
    }

    /// One value of the environment.
    pub fn variable(name: String) -> Option<String> {
        std::env::var(name).ok()
    }
}
