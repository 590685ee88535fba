#[golem::worker]
mod quiet {
    fn helper() {}
}

fn main() {}
