mod elsewhere {
    pub struct Item {
        pub name: String,
    }
}

#[golem::worker]
mod list {
    use super::elsewhere::Item;

    pub fn name(item: Item) -> String {
        item.name
    }
}

fn main() {}
