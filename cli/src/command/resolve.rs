//! Resolves the names in a command's arguments to the ids that REST expects.

use super::Context;
use super::account::AccountArgs;
use crate::args::{LinkArgs, ProjectArgs, TemplateArgs, WorkerArgs};
use crate::error::CliError;
use golem_api::template::Links;
use golem_model::{AccountId, ProjectId, TemplateId, WorkerId};
use std::collections::BTreeSet;
use std::fmt::Display;
use tracing::info;

/// The id of the selected project. `None` stands for the caller's default project.
pub async fn project(context: &Context, args: &ProjectArgs) -> Result<Option<ProjectId>, CliError> {
    match (args.project_id, &args.project_name) {
        (Some(id), _) => Ok(Some(id)),
        (None, None) => Ok(None),
        (None, Some(name)) => {
            let projects = context.client.project_list(Some(name)).await?;
            let ids = projects.into_iter().map(|project| project.project_id);
            unique_id("project", name, "--project-id", ids).map(Some)
        }
    }
}

/// The id of the selected project or of the caller's default project.
pub async fn project_or_default(context: &Context, args: &ProjectArgs) -> Result<ProjectId, CliError> {
    match project(context, args).await? {
        Some(id) => Ok(id),
        None => Ok(context.client.project_default().await?.project_id),
    }
}

/// The id of the selected account or of the token's account.
pub async fn account(context: &Context, args: &AccountArgs) -> Result<AccountId, CliError> {
    match args.account_id {
        Some(id) => Ok(id),
        None => Ok(context.client.token_current().await?.account_id),
    }
}

/// The id of the selected template.
pub async fn template(context: &Context, args: &TemplateArgs) -> Result<TemplateId, CliError> {
    if let Some(id) = args.template_id {
        return Ok(id);
    }
    // The argument parser guarantees an id or a name.
    let name = args.template_name.as_deref().unwrap_or_default();
    let project = project(context, &args.project).await?;
    let templates = context.client.template_list(project, Some(name)).await?;
    // A template is listed once for each version.
    let ids = templates.into_iter().map(|template| template.versioned_template_id.raw_template_id);
    let id = unique_id("template", name, "--template-id", ids)?;
    info!(name, %id, "template found");
    Ok(id)
}

/// Resolves links. Their templates are given by id, or by name in `project`.
pub async fn links(
    context: &Context,
    project: Option<ProjectId>,
    args: &LinkArgs,
) -> Result<Links, CliError> {
    let mut links = Links::new();
    for (interface, template) in &args.links {
        let id = if let Ok(id) = template.parse::<TemplateId>() {
            id
        } else {
            let templates = context.client.template_list(project, Some(template)).await?;
            let ids = templates.into_iter().map(|template| template.versioned_template_id.raw_template_id);
            unique_id("template", template, "its id in --link", ids)?
        };
        links.insert(interface.clone(), id);
    }
    Ok(links)
}

/// The id of the selected worker.
pub async fn worker(context: &Context, args: WorkerArgs) -> Result<WorkerId, CliError> {
    Ok(WorkerId::new(template(context, &args.template).await?, args.worker_name))
}

/// The only id in `ids`. Several different ids, or none, are an error. `option` tells
/// how to select one of several.
fn unique_id<Id: Ord + Display + Copy>(
    noun: &'static str,
    name: &str,
    option: &'static str,
    ids: impl Iterator<Item = Id>,
) -> Result<Id, CliError> {
    let ids: BTreeSet<Id> = ids.collect();
    match (ids.first(), ids.len()) {
        (Some(id), 1) => Ok(*id),
        (None, _) => Err(CliError::NotFound { noun, name: name.to_owned() }),
        (Some(_), _) => Err(CliError::AmbiguousName {
            noun,
            name: name.to_owned(),
            option,
            ids: ids.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_must_have_one_id() {
        let find = |ids: &[u32]| unique_id("template", "x", "--template-id", ids.iter().copied());
        assert_eq!(find(&[7, 7, 7]).unwrap(), 7);
        assert_eq!(find(&[]).unwrap_err().report(), "there is no template named \"x\"");
        assert_eq!(
            find(&[2, 1, 2]).unwrap_err().report(),
            "several templates are named \"x\"; choose one with --template-id: 1, 2"
        );
    }
}
