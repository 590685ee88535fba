#[golem::worker]
mod stock {
    use std::collections::HashMap;

    pub fn count(stock: HashMap<String, u32>) -> u32 {
        stock.values().sum()
    }
}

fn main() {}
