#[golem::worker]
mod payments {
    pub enum Payment {
        Cash,
        Card { number: String },
    }

    pub fn is_cash(payment: Payment) -> bool {
        matches!(payment, Payment::Cash)
    }
}

fn main() {}
