struct Cart;

#[golem::worker(wit = "no-such-folder")]
impl Guest for Cart {
    fn open() -> bool {
        true
    }
}

fn main() {}
