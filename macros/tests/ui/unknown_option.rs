#[golem::worker(pakage = "acme:shop")]
mod shop {
    pub fn open() -> bool {
        true
    }
}

fn main() {}
