#[golem::worker]
mod users {
    pub fn user_id() -> u64 {
        1
    }

    #[allow(non_snake_case)]
    pub fn userID() -> u64 {
        2
    }
}

fn main() {}
