#[golem::flags]
pub struct Permissions {
    pub read: bool,
}

fn main() {}
