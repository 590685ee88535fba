#[golem::worker(package = "Acme Shop")]
mod shop {
    pub fn open() -> bool {
        true
    }
}

fn main() {}
