//! Reads the metadata of other workers of its template.

#[golem::worker]
mod others {
    use golem::WorkerId;
    use golem::durability::{self, Filter, WorkerMetadata};

    fn line(worker: &WorkerMetadata) -> String {
        format!("{} {:?} {}", worker.worker_id.worker_name, worker.status, worker.args.join(","))
    }

    /// The metadata of the worker with this name, if it exists.
    pub fn look(name: String) -> Option<String> {
        let template_id = durability::self_id().template_id;
        durability::worker_metadata(&WorkerId { template_id, worker_name: name }).as_ref().map(line)
    }

    /// The metadata of all workers whose names begin with `prefix`.
    pub fn list(prefix: String) -> Vec<String> {
        let all = durability::filter_by_template(durability::self_id().template_id);
        durability::list_workers(Filter { name_prefix: Some(prefix), ..all })
            .map(|worker| line(&worker))
            .collect()
    }
}
