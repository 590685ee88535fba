//! Requests about templates.

use super::{Client, ClientError};
use crate::template::{
    Links, Template, TemplateDownloadQuery, TemplateListQuery, TemplateQuery, TemplateUpdateQuery,
};
use golem_model::{FailureOptions, ProjectId, TemplateId};
use reqwest::Method;
use reqwest::header::CONTENT_TYPE;
use reqwest::multipart::{Form, Part};

const OCTETS: &str = "application/octet-stream";

impl Client {
    /// `POST /v1/templates`: uploads a component as version 0 of a new template, optionally with a tar archive of the
    /// initial files of its workers.
    pub async fn template_create(
        &self,
        project: Option<ProjectId>,
        name: &str,
        options: FailureOptions,
        wasm: Vec<u8>,
        files: Option<Vec<u8>>,
        links: &Links,
    ) -> Result<Template, ClientError> {
        let query = TemplateQuery {
            project_id: project,
            component_name: name.to_owned(),
            links: links.clone(),
            retry_policy: options.retry_policy,
            on_failure: options.on_failure,
        };
        let query = serde_json::to_string(&query).map_err(ClientError::Decode)?;
        let query = Part::text(query).mime_str("application/json").map_err(ClientError::Setup)?;
        let form = upload_form(Form::new().part("field0", query), wasm, files)?;
        self.json(self.request(Method::POST, &["v1", "templates"]).multipart(form)).await
    }

    /// `PUT /v1/templates/{id}/upload`: uploads a component as the template's next version, optionally with a tar
    /// archive of the initial files of its workers.
    pub async fn template_update(
        &self,
        template: TemplateId,
        options: FailureOptions,
        wasm: Vec<u8>,
        files: Option<Vec<u8>>,
        links: &Links,
    ) -> Result<Template, ClientError> {
        let FailureOptions { retry_policy, on_failure } = options;
        let links = (!links.is_empty()).then(|| serde_json::to_string(links)).transpose();
        let links = links.map_err(ClientError::Decode)?;
        let query = TemplateUpdateQuery { retry_policy, on_failure, links };
        let path = ["v1", "templates", &template.to_string(), "upload"];
        let request = self.request(Method::PUT, &path).query(&query);
        let request = if files.is_some() {
            request.multipart(upload_form(Form::new(), wasm, files)?)
        } else {
            request.header(CONTENT_TYPE, OCTETS).body(wasm)
        };
        self.json(request).await
    }

    /// `GET /v1/templates`: the templates of a project with all their versions, optionally only those with a name.
    pub async fn template_list(
        &self,
        project: Option<ProjectId>,
        name: Option<&str>,
    ) -> Result<Vec<Template>, ClientError> {
        let query = TemplateListQuery { project_id: project, template_name: name.map(str::to_owned) };
        self.json(self.request(Method::GET, &["v1", "templates"]).query(&query)).await
    }

    /// `GET /v1/templates/{id}`: all versions of a template.
    pub async fn template_get(&self, template: TemplateId) -> Result<Vec<Template>, ClientError> {
        self.json(self.request(Method::GET, &["v1", "templates", &template.to_string()])).await
    }

    /// `GET /v1/templates/{id}/latest`: the number of the latest version.
    pub async fn template_latest(&self, template: TemplateId) -> Result<u32, ClientError> {
        self.json(self.request(Method::GET, &["v1", "templates", &template.to_string(), "latest"])).await
    }

    /// `GET /v1/templates/{id}/download`: the component of `version`, or of the latest version.
    pub async fn template_download(
        &self,
        template: TemplateId,
        version: Option<u32>,
    ) -> Result<Vec<u8>, ClientError> {
        let path = ["v1", "templates", &template.to_string(), "download"];
        self.bytes(self.request(Method::GET, &path).query(&TemplateDownloadQuery { version })).await
    }

    /// `DELETE /v1/templates/{id}`: deletes all versions. The template must have no workers.
    pub async fn template_delete(&self, template: TemplateId) -> Result<(), ClientError> {
        self.send(self.request(Method::DELETE, &["v1", "templates", &template.to_string()])).await.map(drop)
    }
}

/// Adds a component and its files to `form`.
fn upload_form(form: Form, wasm: Vec<u8>, files: Option<Vec<u8>>) -> Result<Form, ClientError> {
    let part = |bytes: Vec<u8>, name: &'static str, mime: &str| {
        Part::bytes(bytes).file_name(name).mime_str(mime).map_err(ClientError::Setup)
    };
    let form = form.part("template", part(wasm, "template.wasm", OCTETS)?);
    match files {
        Some(files) => Ok(form.part("files", part(files, "files.tar", "application/x-tar")?)),
        None => Ok(form),
    }
}
