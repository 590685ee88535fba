#[golem::worker]
mod echo {
    pub fn echo<T>(value: T) -> T {
        value
    }
}

fn main() {}
