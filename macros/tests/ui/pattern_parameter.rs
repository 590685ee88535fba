#[golem::worker]
mod points {
    pub fn sum((x, y): (u32, u32)) -> u32 {
        x + y
    }
}

fn main() {}
