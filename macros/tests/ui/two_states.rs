#[golem::worker]
mod shop {
    #[derive(Default)]
    pub struct Cart {
        items: u32,
    }

    impl Cart {
        pub fn items(&self) -> u32 {
            self.items
        }
    }

    #[derive(Default)]
    pub struct Stock {
        left: u32,
    }

    impl Stock {
        pub fn left(&self) -> u32 {
            self.left
        }
    }
}

fn main() {}
