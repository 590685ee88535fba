#[golem::worker]
mod items {
    pub struct Item {
        pub name: String,
    }

    pub fn item() -> Item {
        Item { name: String::new() }
    }
}

fn main() {}
