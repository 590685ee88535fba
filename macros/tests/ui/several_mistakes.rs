#[golem::worker]
mod many {
    pub fn a(text: &str) -> usize {
        text.len()
    }

    pub fn b(parts: [u8; 4]) {
        drop(parts);
    }
}

fn main() {}
