//! Reads the metadata of other workers, of its own template and of any other one.

#[golem::worker]
mod others {
    use golem::durability::{self, Filter, WorkerMetadata};
    use golem::{TemplateId, WorkerId};

    fn line(worker: &WorkerMetadata) -> String {
        format!("{} {:?} {}", worker.worker_id.worker_name, worker.status, worker.args.join(","))
    }

    fn template(id: &str) -> TemplateId {
        id.parse().expect("the id of a template is a UUID")
    }

    /// The metadata of the worker with this name, if it exists.
    pub fn look(name: String) -> Option<String> {
        look_in(durability::self_id().template_id.to_string(), name)
    }

    /// The metadata of the worker of a template with this name, if it exists.
    pub fn look_in(template_id: String, name: String) -> Option<String> {
        let template_id = template(&template_id);
        durability::worker_metadata(&WorkerId { template_id, worker_name: name }).as_ref().map(line)
    }

    /// The metadata of all workers whose names begin with `prefix`.
    pub fn list(prefix: String) -> Vec<String> {
        list_in(durability::self_id().template_id.to_string(), prefix)
    }

    /// The metadata of all workers of a template whose names begin with `prefix`.
    pub fn list_in(template_id: String, prefix: String) -> Vec<String> {
        let all = durability::filter_by_template(template(&template_id));
        durability::list_workers(Filter { name_prefix: Some(prefix), ..all })
            .map(|worker| line(&worker))
            .collect()
    }
}
