#[golem::worker]
mod api {
    pub fn open() -> bool {
        true
    }
}

fn main() {}
