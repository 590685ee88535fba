#[golem::remote("no-such-client.wit")]
mod counter {}

#[golem::remote]
mod cart {}

fn main() {}
