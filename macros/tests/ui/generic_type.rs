#[golem::worker]
mod pages {
    pub struct Page<T> {
        pub items: Vec<T>,
    }

    pub fn first() -> Page<String> {
        Page { items: Vec::new() }
    }
}

fn main() {}
