//! Looks at other workers of its template.

#[golem::worker]
mod others {
    use golem::WorkerId;
    use golem::durability::{self, Filter, WorkerMetadata};

    fn line(worker: &WorkerMetadata) -> String {
        format!("{} {:?} {}", worker.worker_id.worker_name, worker.status, worker.args.join(","))
    }

    /// A worker of that name, if there is one.
    pub fn look(name: String) -> Option<String> {
        let template_id = durability::self_id().template_id;
        durability::worker_metadata(&WorkerId { template_id, worker_name: name }).as_ref().map(line)
    }

    /// All workers whose names begin like this.
    pub fn list(prefix: String) -> Vec<String> {
        let all = durability::workers_of(durability::self_id().template_id);
        durability::workers(Filter { name_prefix: Some(prefix), ..all }).map(|worker| line(&worker)).collect()
    }
}
