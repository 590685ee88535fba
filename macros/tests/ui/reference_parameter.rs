#[golem::worker]
mod greeter {
    pub fn greet(name: &str) -> String {
        name.to_owned()
    }
}

fn main() {}
