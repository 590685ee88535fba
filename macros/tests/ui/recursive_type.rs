#[golem::worker]
mod trees {
    pub struct Node {
        pub value: u32,
        pub children: Vec<Node>,
    }

    pub fn value(node: Node) -> u32 {
        node.value + node.children.len() as u32
    }
}

fn main() {}
