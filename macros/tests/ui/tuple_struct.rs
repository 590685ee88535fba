#[golem::worker]
mod money {
    pub struct Cents(pub u64);

    pub fn double(cents: Cents) -> Cents {
        Cents(cents.0 * 2)
    }
}

fn main() {}
