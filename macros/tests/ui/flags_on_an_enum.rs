#[golem::worker]
mod access {
    #[golem::flags]
    pub enum Permission {
        Read,
        Write,
    }

    pub fn can_read(permission: Permission) -> bool {
        matches!(permission, Permission::Read)
    }
}

fn main() {}
