#[golem::worker]
mod sizes {
    pub fn size(items: Vec<String>) -> usize {
        items.len()
    }
}

fn main() {}
