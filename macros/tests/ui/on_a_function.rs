#[golem::worker]
pub fn open() -> bool {
    true
}

fn main() {}
