//! An error leaves an atomic region, and the worker continues.

#[golem::worker(package = "acme:regions")]
mod regions {
    use golem::atomically;
    use golem::kv::Bucket;
    use std::time::Duration;

    fn fails() -> Result<(), String> {
        atomically(|| Err("the service did not answer".to_owned()))
    }

    fn bucket() -> Bucket {
        Bucket::open("regions").expect("every bucket can be opened")
    }

    /// Fails in a region and handles that outside of it. Then adds one to a number twice, with a pause in between.
    pub fn caught(key: String, pause_ms: u32) -> String {
        let text = fails().expect_err("it fails");
        // Outside of any region: each of these happens once, whatever crashes.
        bucket().increment(&key, 1).expect("the value is a number");
        golem::sleep(Duration::from_millis(pause_ms.into()));
        bucket().increment(&key, 1).expect("the value is a number");
        text
    }

    /// The number.
    pub fn count(key: String) -> u64 {
        bucket().get(&key).expect("the value is a number").unwrap_or_default()
    }
}
