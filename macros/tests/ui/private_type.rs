#[golem::worker]
mod list {
    pub(crate) struct Item {
        pub name: String,
    }

    pub(crate) fn unused() {}

    pub fn name(item: Item) -> String {
        item.name
    }
}

fn main() {}
