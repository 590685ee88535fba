//! Requests about workers, invocations and promises.

use super::{Client, ClientError};
use crate::oplog::{OplogEntry, OplogPage, OplogQuery, QueuedInvocation};
use crate::update::{UpdateReport, UpdateRequest};
use crate::worker::{
    CallingConvention, CompleteParameters, IDEMPOTENCY_KEY_HEADER, InterruptQuery, InvocationKey,
    InvokeParameters, InvokeQuery, InvokeResult, VersionedWorkerId, WorkerCreationRequest, WorkerListQuery,
    WorkerMetadata, WorkersMetadata,
};
use golem_model::{IdempotencyKey, TemplateId, WorkerId};
use reqwest::{Method, RequestBuilder};
use serde_json::Value;

/// The key of an invocation, so that a repeated request does not run it twice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InvokeKey {
    /// A key that the server issued for this worker.
    Issued(InvocationKey),
    /// A key that the client chose.
    Client(IdempotencyKey),
}

/// Options of an invocation.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct InvokeOptions {
    /// The key of the invocation. Without a key, a repeated request is a new invocation.
    pub key: Option<InvokeKey>,
    /// How parameters and result are passed; by default `component`.
    pub calling_convention: Option<CallingConvention>,
}

impl Client {
    /// `POST …/workers`: creates a worker of the template's latest version.
    pub async fn worker_create(
        &self,
        template: TemplateId,
        request: &WorkerCreationRequest,
    ) -> Result<VersionedWorkerId, ClientError> {
        let path = ["v1", "templates", &template.to_string(), "workers"];
        self.json(self.request(Method::POST, &path).json(request)).await
    }

    /// `GET …/workers`: a page of the template's workers.
    pub async fn worker_list(
        &self,
        template: TemplateId,
        query: &WorkerListQuery,
    ) -> Result<WorkersMetadata, ClientError> {
        let path = ["v1", "templates", &template.to_string(), "workers"];
        self.json(self.request(Method::GET, &path).query(&query.pairs())).await
    }

    /// `GET …/workers/{name}`.
    pub async fn worker_get(&self, worker: &WorkerId) -> Result<WorkerMetadata, ClientError> {
        self.json(self.worker_request(Method::GET, worker, None)).await
    }

    /// `GET /v1/templates/workers/{template}.{name}`: the worker and the version that it runs.
    pub async fn worker_version(&self, worker: &WorkerId) -> Result<VersionedWorkerId, ClientError> {
        let id = format!("{}.{}", worker.template, worker.name);
        self.json(self.request(Method::GET, &["v1", "templates", "workers", &id])).await
    }

    /// `DELETE …/workers/{name}`: deletes the worker with its state.
    pub async fn worker_delete(&self, worker: &WorkerId) -> Result<(), ClientError> {
        self.send(self.worker_request(Method::DELETE, worker, None)).await.map(drop)
    }

    /// `POST …/key`: issues a key for one invocation of this worker.
    pub async fn worker_key(&self, worker: &WorkerId) -> Result<InvocationKey, ClientError> {
        self.json(self.worker_request(Method::POST, worker, Some("key"))).await
    }

    /// `POST …/invoke-and-await`: invokes a function and waits for its result.
    pub async fn worker_invoke_and_await(
        &self,
        worker: &WorkerId,
        function: &str,
        params: &Value,
        options: &InvokeOptions,
    ) -> Result<Value, ClientError> {
        let request = self.invocation_request(worker, "invoke-and-await", function, params, options);
        self.json::<InvokeResult>(request).await.map(|answer| answer.result)
    }

    /// `POST …/invoke`: enqueues an invocation without waiting for it.
    pub async fn worker_invoke(
        &self,
        worker: &WorkerId,
        function: &str,
        params: &Value,
        options: &InvokeOptions,
    ) -> Result<(), ClientError> {
        self.send(self.invocation_request(worker, "invoke", function, params, options)).await.map(drop)
    }

    /// `POST …/complete`: completes the promise that the worker created at `oplog_idx`. Returns false if it was
    /// completed before.
    pub async fn worker_complete(
        &self,
        worker: &WorkerId,
        oplog_idx: u64,
        data: Vec<u8>,
    ) -> Result<bool, ClientError> {
        let body = CompleteParameters { oplog_idx, data };
        self.json(self.worker_request(Method::POST, worker, Some("complete")).json(&body)).await
    }

    /// `POST …/interrupt`: interrupts the worker. With `recover_immediately`, simulates a crash instead: the worker is
    /// recovered at once.
    pub async fn worker_interrupt(
        &self,
        worker: &WorkerId,
        recover_immediately: bool,
    ) -> Result<(), ClientError> {
        let query = InterruptQuery { recover_immediately };
        self.send(self.worker_request(Method::POST, worker, Some("interrupt")).query(&query)).await.map(drop)
    }

    /// `POST …/resume`: resumes an interrupted worker.
    pub async fn worker_resume(&self, worker: &WorkerId) -> Result<(), ClientError> {
        self.send(self.worker_request(Method::POST, worker, Some("resume"))).await.map(drop)
    }

    /// `GET …/oplog`: a page of the worker's oplog.
    pub async fn worker_oplog(
        &self,
        worker: &WorkerId,
        query: &OplogQuery,
    ) -> Result<OplogPage, ClientError> {
        self.json(self.worker_request(Method::GET, worker, Some("oplog")).query(query)).await
    }

    /// `GET …/oplog/{index}`: one entry of the worker's oplog with all its values.
    pub async fn worker_oplog_entry(&self, worker: &WorkerId, index: u64) -> Result<OplogEntry, ClientError> {
        let template = worker.template.to_string();
        let path =
            ["v1", "templates", &template, "workers", worker.name.as_str(), "oplog", &index.to_string()];
        self.json(self.request(Method::GET, &path)).await
    }

    /// `GET …/queue`: the invocations that have not ended.
    pub async fn worker_queue(&self, worker: &WorkerId) -> Result<Vec<QueuedInvocation>, ClientError> {
        self.json(self.worker_request(Method::GET, worker, Some("queue"))).await
    }

    /// `DELETE …/invocations/{key}`: cancels an invocation that has not started.
    pub async fn worker_cancel(&self, worker: &WorkerId, key: &IdempotencyKey) -> Result<(), ClientError> {
        let template = worker.template.to_string();
        let path =
            ["v1", "templates", &template, "workers", worker.name.as_str(), "invocations", key.as_str()];
        self.send(self.request(Method::DELETE, &path)).await.map(drop)
    }

    /// `POST …/recover`: discards the invocation that failed or is stuck.
    pub async fn worker_recover(&self, worker: &WorkerId) -> Result<(), ClientError> {
        self.send(self.worker_request(Method::POST, worker, Some("recover"))).await.map(drop)
    }

    /// `POST …/update`: requests an update to another template version.
    pub async fn worker_update(&self, worker: &WorkerId, request: &UpdateRequest) -> Result<(), ClientError> {
        self.send(self.worker_request(Method::POST, worker, Some("update")).json(request)).await.map(drop)
    }

    /// `DELETE …/update`: withdraws the pending update.
    pub async fn worker_withdraw_update(&self, worker: &WorkerId) -> Result<(), ClientError> {
        self.send(self.worker_request(Method::DELETE, worker, Some("update"))).await.map(drop)
    }

    /// `GET …/update`: the pending and the last update.
    pub async fn worker_updates(&self, worker: &WorkerId) -> Result<UpdateReport, ClientError> {
        self.json(self.worker_request(Method::GET, worker, Some("update"))).await
    }

    fn worker_request(&self, method: Method, worker: &WorkerId, action: Option<&str>) -> RequestBuilder {
        let template = worker.template.to_string();
        let mut path = vec!["v1", "templates", &template, "workers", worker.name.as_str()];
        path.extend(action);
        self.request(method, &path)
    }

    fn invocation_request(
        &self,
        worker: &WorkerId,
        action: &str,
        function: &str,
        params: &Value,
        options: &InvokeOptions,
    ) -> RequestBuilder {
        let mut query = InvokeQuery {
            function: function.to_owned(),
            invocation_key: None,
            calling_convention: options.calling_convention,
        };
        let mut request = self.worker_request(Method::POST, worker, Some(action));
        match &options.key {
            Some(InvokeKey::Issued(key)) => query.invocation_key = Some(key.0.clone()),
            Some(InvokeKey::Client(key)) => {
                request = request.header(IDEMPOTENCY_KEY_HEADER, key.as_str());
            }
            None => {}
        }
        request.query(&query).json(&InvokeParameters { params })
    }
}
