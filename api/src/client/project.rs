//! Requests about projects, policies and grants.

use super::{Client, ClientError};
use crate::grant::{ProjectGrant, ProjectGrantRequest};
use crate::policy::{ProjectAction, ProjectPolicy, ProjectPolicyData};
use crate::project::{Project, ProjectDataRequest, ProjectListQuery};
use golem_model::{GrantId, PolicyId, ProjectId};
use reqwest::Method;

impl Client {
    /// `GET /v1/projects/default`: the caller's default project.
    pub async fn project_default(&self) -> Result<Project, ClientError> {
        self.json(self.request(Method::GET, &["v1", "projects", "default"])).await
    }

    /// `GET /v1/projects`: the caller's projects and the projects shared with it, optionally only those with a name.
    pub async fn project_list(&self, name: Option<&str>) -> Result<Vec<Project>, ClientError> {
        let query = ProjectListQuery { project_name: name.map(str::to_owned) };
        self.json(self.request(Method::GET, &["v1", "projects"]).query(&query)).await
    }

    /// `GET /v1/projects/{id}`.
    pub async fn project_get(&self, project: ProjectId) -> Result<Project, ClientError> {
        self.json(self.request(Method::GET, &["v1", "projects", &project.to_string()])).await
    }

    /// `POST /v1/projects`.
    pub async fn project_create(&self, request: &ProjectDataRequest) -> Result<Project, ClientError> {
        self.json(self.request(Method::POST, &["v1", "projects"]).json(request)).await
    }

    /// `DELETE /v1/projects/{id}`.
    pub async fn project_delete(&self, project: ProjectId) -> Result<(), ClientError> {
        self.send(self.request(Method::DELETE, &["v1", "projects", &project.to_string()])).await.map(drop)
    }

    /// `GET /v1/projects/{id}/actions`: the actions that the caller may perform in the project.
    pub async fn project_actions(&self, project: ProjectId) -> Result<Vec<ProjectAction>, ClientError> {
        self.json(self.request(Method::GET, &["v1", "projects", &project.to_string(), "actions"])).await
    }

    /// `POST /v1/project-policies`.
    pub async fn policy_create(&self, data: &ProjectPolicyData) -> Result<ProjectPolicy, ClientError> {
        self.json(self.request(Method::POST, &["v1", "project-policies"]).json(data)).await
    }

    /// `GET /v1/project-policies/{id}`.
    pub async fn policy_get(&self, policy: PolicyId) -> Result<ProjectPolicy, ClientError> {
        self.json(self.request(Method::GET, &["v1", "project-policies", &policy.to_string()])).await
    }

    /// `GET /v1/projects/{id}/grants`.
    pub async fn grant_list(&self, project: ProjectId) -> Result<Vec<ProjectGrant>, ClientError> {
        self.json(self.request(Method::GET, &["v1", "projects", &project.to_string(), "grants"])).await
    }

    /// `GET /v1/projects/{id}/grants/{grant}`.
    pub async fn grant_get(&self, project: ProjectId, grant: GrantId) -> Result<ProjectGrant, ClientError> {
        let path = ["v1", "projects", &project.to_string(), "grants", &grant.to_string()];
        self.json(self.request(Method::GET, &path)).await
    }

    /// `POST /v1/projects/{id}/grants`.
    pub async fn grant_create(
        &self,
        project: ProjectId,
        request: &ProjectGrantRequest,
    ) -> Result<ProjectGrant, ClientError> {
        let path = ["v1", "projects", &project.to_string(), "grants"];
        self.json(self.request(Method::POST, &path).json(request)).await
    }

    /// `DELETE /v1/projects/{id}/grants/{grant}`.
    pub async fn grant_delete(&self, project: ProjectId, grant: GrantId) -> Result<(), ClientError> {
        let path = ["v1", "projects", &project.to_string(), "grants", &grant.to_string()];
        self.send(self.request(Method::DELETE, &path)).await.map(drop)
    }
}
