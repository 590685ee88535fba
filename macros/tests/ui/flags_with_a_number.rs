#[golem::worker]
mod access {
    #[golem::flags]
    pub struct Permissions {
        pub read: bool,
        pub level: u8,
    }

    pub fn can_read(permissions: Permissions) -> bool {
        permissions.read
    }
}

fn main() {}
