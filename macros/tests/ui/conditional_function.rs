#[golem::worker]
mod debug {
    #[cfg(debug_assertions)]
    pub fn dump() -> String {
        String::new()
    }

    pub fn get() -> u32 {
        1
    }
}

fn main() {}
