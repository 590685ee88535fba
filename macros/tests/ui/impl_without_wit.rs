struct Cart;

trait Guest {
    fn open() -> bool;
}

#[golem::worker]
impl Guest for Cart {
    fn open() -> bool {
        true
    }
}

fn main() {}
