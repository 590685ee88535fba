#[golem::worker]
mod waits {
    pub async fn wait() -> u32 {
        1
    }
}

fn main() {}
