//! The commands `template …`.

mod archive;

use super::{Context, resolve};
use crate::args::{FailureArgs, LinkArgs, ProjectArgs, TemplateArgs};
use crate::error::CliError;
use crate::output::{self, template::TemplateView};
use clap::Subcommand;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use tracing::info;

/// The subcommands of `template`.
#[derive(Debug, Clone, Subcommand)]
pub enum TemplateCommand {
    /// Upload a component as a new template
    Add {
        /// The project of the new template.
        #[command(flatten)]
        project: ProjectArgs,
        /// Name of the new template
        #[arg(long, short = 't', value_name = "NAME")]
        template_name: String,
        /// The templates that the workers call.
        #[command(flatten)]
        links: LinkArgs,
        /// Options for failures of the workers.
        #[command(flatten)]
        failures: Box<FailureArgs>,
        /// Initial files of the workers: a folder or a tar archive
        #[arg(long, value_name = "DIR")]
        files: Option<PathBuf>,
        /// File of the component; `-` is standard input
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Upload a component as the next version of a template
    Update {
        /// The template.
        #[command(flatten)]
        template: TemplateArgs,
        /// The templates that the workers call.
        #[command(flatten)]
        links: LinkArgs,
        /// Options for failures of the workers.
        #[command(flatten)]
        failures: Box<FailureArgs>,
        /// Initial files of the workers of this version: a folder or a tar archive
        #[arg(long, value_name = "DIR")]
        files: Option<PathBuf>,
        /// File of the component; `-` is standard input
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// List the templates of a project with all their versions
    List {
        /// The project whose templates are listed.
        #[command(flatten)]
        project: ProjectArgs,
        /// List only the template with this name
        #[arg(long, short = 't', value_name = "NAME")]
        template_name: Option<String>,
    },
    /// Show one version of a template
    Get {
        /// The template.
        #[command(flatten)]
        template: TemplateArgs,
        /// Version of the template [default: the latest]
        #[arg(long, value_name = "NUMBER")]
        version: Option<u32>,
    },
    /// Delete a template with all its versions; it must have no workers
    Delete {
        /// The template.
        #[command(flatten)]
        template: TemplateArgs,
    },
    /// Write the client interface (WIT) for calling workers of a template
    Client {
        /// The template.
        #[command(flatten)]
        template: TemplateArgs,
        /// Version of the template [default: the latest]
        #[arg(long, value_name = "NUMBER")]
        version: Option<u32>,
        /// Output folder; files of the same name are replaced
        #[arg(long, short = 'o', value_name = "DIR", default_value = ".")]
        out: PathBuf,
    },
}

impl TemplateCommand {
    pub(super) async fn execute(
        self,
        context: &Context,
        out: &mut (impl Write + Send),
    ) -> Result<(), CliError> {
        let client = &context.client;
        match self {
            Self::Add { project, template_name, links, failures, files, file } => {
                let options = failures.options()?;
                let wasm = read_input(&file)?;
                let files = files.as_deref().map(archive::from_path).transpose()?;
                let project = resolve::project(context, &project).await?;
                let links = resolve::links(context, project, &links).await?;
                let template =
                    client.template_create(project, &template_name, options, wasm, files, &links).await?;
                output::print(out, context.format, &TemplateView::from(&template))
            }
            Self::Update { template, links, failures, files, file } => {
                let options = failures.options()?;
                let wasm = read_input(&file)?;
                let files = files.as_deref().map(archive::from_path).transpose()?;
                let id = resolve::template(context, &template).await?;
                let project = resolve::project(context, &template.project).await?;
                let links = resolve::links(context, project, &links).await?;
                let template = client.template_update(id, options, wasm, files, &links).await?;
                output::print(out, context.format, &TemplateView::from(&template))
            }
            Self::List { project, template_name } => {
                let project = resolve::project(context, &project).await?;
                let templates = client.template_list(project, template_name.as_deref()).await?;
                let views: Vec<TemplateView> = templates.iter().map(TemplateView::from).collect();
                output::print(out, context.format, &views)
            }
            Self::Delete { template } => {
                client.template_delete(resolve::template(context, &template).await?).await?;
                output::print(out, context.format, &"Deleted")
            }
            Self::Get { template, version } => {
                let id = resolve::template(context, &template).await?;
                let versions = client.template_get(id).await?;
                let number =
                    |template: &golem_api::template::Template| template.versioned_template_id.version;
                let latest = versions.iter().map(number).max().unwrap_or_default();
                let wanted = version.unwrap_or(latest);
                match versions.iter().find(|template| number(template) == wanted) {
                    Some(template) => output::print(out, context.format, &TemplateView::from(template)),
                    None => Err(CliError::VersionNotFound { version: wanted, latest }),
                }
            }
            Self::Client { template, version, out: folder } => {
                let id = resolve::template(context, &template).await?;
                let wasm = client.template_download(id, version).await?;
                output::print(out, context.format, &write_clients(&wasm, &folder)?)
            }
        }
    }
}

/// Writes the client of each interface that a component exports, and `golem-rpc.wit`, which all clients use. Returns
/// the paths of the files.
fn write_clients(wasm: &[u8], folder: &Path) -> Result<Vec<String>, CliError> {
    let clients = golem_bindgen::client::of_component(wasm)?;
    if clients.is_empty() {
        return Err(CliError::NoExports);
    }
    let rpc = ("golem-rpc.wit".to_owned(), golem_bindgen::client::RPC.to_owned());
    let files = clients.into_iter().flat_map(|package| package.files).chain([rpc]);
    let mut written = Vec::new();
    for (name, text) in files {
        let path = folder.join(name);
        let error = |source| CliError::Write { path: path.clone(), source };
        std::fs::create_dir_all(folder).map_err(error)?;
        std::fs::write(&path, text).map_err(error)?;
        written.push(path.display().to_string());
    }
    Ok(written)
}

/// Reads a file, or standard input if `path` is `-`.
pub(super) fn read_input(path: &Path) -> Result<Vec<u8>, CliError> {
    let bytes = if path == Path::new("-") {
        let mut bytes = Vec::new();
        std::io::stdin().lock().read_to_end(&mut bytes).map(|_| bytes)
    } else {
        std::fs::read(path)
    };
    let bytes = bytes.map_err(|source| CliError::Read { path: path.to_owned(), source })?;
    info!(path = %path.display(), bytes = bytes.len(), "file read");
    Ok(bytes)
}
