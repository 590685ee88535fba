//! `new`, `list-examples`, `languages`, `bindgen`, `build`: guest projects, on this machine and without a server.

use crate::args::Format;
use crate::error::CliError;
use crate::guest::manifest::{self, Manifest};
use crate::guest::{GuestError, generated, toolchain, wit};
use crate::output;
use clap::{Args, Subcommand};
use golem_bindgen::lang::{self, BUILD, GENERATED, Language, Layout, Made, Project};
use golem_bindgen::{World, component};
use serde::Serialize;
use std::io::Write;
use std::path::{Path, PathBuf};

/// What needs no server.
#[derive(Debug, Clone, Subcommand)]
pub enum LocalCommand {
    /// Begin a guest project
    New(NewArgs),
    /// List what a guest project can begin as
    ListExamples {
        /// Only languages of this tier or a better one: tier1 to tier4
        #[arg(long, short = 'm', alias = "tier", value_name = "TIER", value_parser = parse_tier)]
        min_tier: Option<u8>,
        /// Only examples in this language
        #[arg(long, short = 'l', value_name = "LANGUAGE")]
        language: Option<String>,
    },
    /// List the languages that bindings are made for
    Languages,
    /// Write bindings for a world
    Bindgen(BindgenArgs),
    /// Build the guest project of a folder into a component
    Build {
        /// The project's folder
        #[arg(long, value_name = "DIR", default_value = ".")]
        dir: PathBuf,
        /// Only see whether the tools are there
        #[arg(long)]
        check: bool,
    },
}

/// What begins, and where.
#[derive(Debug, Clone, Args)]
pub struct NewArgs {
    /// The example to begin with, see `list-examples`
    #[arg(
        long,
        short = 'e',
        value_name = "EXAMPLE",
        required_unless_present = "lang",
        conflicts_with = "lang"
    )]
    example: Option<String>,
    /// The language, which begins with its shopping cart
    #[arg(long, value_name = "LANGUAGE")]
    lang: Option<String>,
    /// The project's name, as an option
    #[arg(long, short = 't', value_name = "NAME", required_unless_present = "name", conflicts_with = "name")]
    template_name: Option<String>,
    /// Namespace and name of the WIT package
    #[arg(long, short = 'p', value_name = "NAMESPACE:NAME", default_value = "golem:template")]
    package_name: String,
    /// Where the guest library for Rust is, if it is not to come from the registry
    #[arg(long, value_name = "DIR")]
    sdk: Option<String>,
    /// The project's name, and that of its folder
    #[arg(value_name = "NAME")]
    name: Option<String>,
}

/// From what, for whom, and where to.
#[derive(Debug, Clone, Args)]
pub struct BindgenArgs {
    /// The language
    #[arg(long, value_name = "LANGUAGE")]
    lang: String,
    /// A folder of WIT with its `deps`, a file of WIT, or a component
    #[arg(long, value_name = "PATH", default_value = "wit")]
    wit: PathBuf,
    /// The world, if there are several
    #[arg(long, value_name = "NAME")]
    world: Option<String>,
    /// The folder to write to
    #[arg(long, short = 'o', value_name = "DIR", default_value = GENERATED)]
    out: PathBuf,
}

fn parse_tier(text: &str) -> Result<u8, String> {
    let number = text.strip_prefix("tier").unwrap_or(text);
    match number.parse() {
        Ok(tier @ 1..=4) => Ok(tier),
        _ => Err("tiers are tier1, tier2, tier3 and tier4".to_owned()),
    }
}

/// The example that every language with a project has.
const EXAMPLE_NAME: &str = "shopping-cart";

#[derive(Debug, Serialize)]
struct ExampleView {
    name: String,
    language: &'static str,
    description: &'static str,
    tier: String,
}

#[derive(Debug, Serialize)]
struct LanguageView {
    name: &'static str,
    title: &'static str,
    tier: u8,
    project: bool,
    build: bool,
    /// Whether what is generated is compiled and run by the tests.
    proven: bool,
}

#[derive(Debug, Serialize)]
struct NewView {
    folder: PathBuf,
    files: Vec<String>,
    next: Vec<String>,
}

#[derive(Debug, Serialize)]
struct ToolView {
    tool: &'static str,
    path: PathBuf,
}

#[derive(Debug, Serialize)]
struct BuildView {
    component: PathBuf,
    bytes: usize,
}

impl LocalCommand {
    pub(crate) fn execute(self, format: Format, out: &mut impl Write) -> Result<(), CliError> {
        match self {
            Self::New(args) => output::print(out, format, &args.create_project()?),
            Self::ListExamples { min_tier, language } => {
                let wanted = language.as_deref().map(lang::find).transpose()?;
                let listed = languages_with_project().filter(|language| {
                    min_tier.is_none_or(|most| language.tier() <= most)
                        && wanted.is_none_or(|wanted| wanted.name() == language.name())
                });
                let views: Vec<ExampleView> = listed
                    .map(|language| ExampleView {
                        name: format!("{}-{EXAMPLE_NAME}", language.name()),
                        language: language.title(),
                        description: "A shopping cart for each customer, with a payment that is waited for",
                        tier: format!("tier{}", language.tier()),
                    })
                    .collect();
                output::print(out, format, &views)
            }
            Self::Languages => {
                let views: Vec<LanguageView> = lang::all().iter().map(|each| language_view(*each)).collect();
                output::print(out, format, &views)
            }
            Self::Bindgen(args) => {
                let language = lang::find(&args.lang)?;
                let world = World::load(&wit::read(&args.wit)?, args.world.as_deref())?;
                let files = language.bindings(&world)?;
                generated::write_files(&args.out, &files)?;
                let paths: Vec<String> =
                    files.iter().map(|(path, _)| args.out.join(path).display().to_string()).collect();
                output::print(out, format, &paths)
            }
            Self::Build { dir, check } => {
                let project = GuestProject::open(&dir)?;
                if check {
                    let found = project.find_tools()?;
                    return output::print(out, format, &found);
                }
                output::print(out, format, &project.build()?)
            }
        }
    }
}

/// The languages in which a project can begin.
fn languages_with_project() -> impl Iterator<Item = &'static dyn Language> {
    let probe = Project::new("probe", "golem:template").expect("these are names");
    lang::all().iter().copied().filter(move |language| language.project(&probe).is_some())
}

fn language_view(language: &dyn Language) -> LanguageView {
    LanguageView {
        name: language.name(),
        title: language.title(),
        tier: language.tier(),
        project: languages_with_project().any(|each| each.name() == language.name()),
        build: language.proven(),
        proven: language.proven(),
    }
}

impl NewArgs {
    fn create_project(self) -> Result<NewView, CliError> {
        let language = match (&self.lang, &self.example) {
            (Some(name), _) => lang::find(name)?,
            (None, example) => {
                let name = example.clone().unwrap_or_default();
                let found = name.strip_suffix(EXAMPLE_NAME).and_then(|rest| rest.strip_suffix('-'));
                let found =
                    found.and_then(|language| languages_with_project().find(|each| each.name() == language));
                found.ok_or(GuestError::ExampleNotFound { name })?
            }
        };
        let name = self.template_name.or(self.name).unwrap_or_default();
        let mut project = Project::new(&name, &self.package_name)?;
        project.sdk = self.sdk;
        let files = language.project(&project).ok_or(GuestError::UnsupportedLanguage {
            language: language.title(),
            what: "project to begin with",
        })?;
        let folder = PathBuf::from(&name);
        if folder.exists() {
            return Err(GuestError::FolderExists { path: folder }.into());
        }
        let manifest = Manifest::text(project.name(), language.name());
        let mut written = vec![manifest::FILE_NAME.to_owned()];
        generated::write_file(&folder.join(manifest::FILE_NAME), manifest.as_bytes())?;
        for (path, bytes) in files.iter() {
            generated::write_file(&folder.join(path), bytes)?;
            written.push(path.to_owned());
        }
        let next = vec![
            format!("cd {name}"),
            "golem build".to_owned(),
            format!("golem template add --template-name {name} build/{}.wasm", project.name()),
        ];
        Ok(NewView { folder, files: written, next })
    }
}

/// A project that is there.
struct GuestProject {
    folder: PathBuf,
    manifest: Manifest,
    language: &'static dyn Language,
    world: Option<World>,
    sources: Vec<String>,
}

impl GuestProject {
    fn open(folder: &Path) -> Result<Self, CliError> {
        let manifest = Manifest::read(folder)?;
        let language = lang::find(&manifest.language)?;
        let world = if language.wit_first() {
            let source = wit::read(&folder.join(&manifest.wit))?;
            Some(World::load(&source, manifest.world.as_deref())?)
        } else {
            None
        };
        let sources = source_files(folder, language.source_extensions())?;
        Ok(Self { folder: folder.to_owned(), manifest, language, world, sources })
    }

    fn recipe(&self) -> Result<lang::Recipe, GuestError> {
        let layout = Layout { name: &self.manifest.name, world: self.world.as_ref(), sources: &self.sources };
        let what = "way to build it";
        self.language
            .recipe(&layout)
            .ok_or(GuestError::UnsupportedLanguage { language: self.language.title(), what })
    }

    fn find_tools(&self) -> Result<Vec<ToolView>, GuestError> {
        let mut views: Vec<ToolView> = Vec::new();
        for step in self.recipe()?.steps {
            if !views.iter().any(|view| view.tool == step.tool.title) {
                let path = toolchain::find_tool(step.tool, &self.folder)?;
                views.push(ToolView { tool: step.tool.title, path });
            }
        }
        Ok(views)
    }

    fn build(&self) -> Result<BuildView, CliError> {
        let recipe = self.recipe()?;
        // Before anything is written: a missing compiler is all that there is to say.
        self.find_tools()?;
        if let Some(world) = &self.world {
            generated::write_files(&self.folder.join(GENERATED), &self.language.bindings(world)?)?;
        }
        let build = self.folder.join(BUILD);
        std::fs::create_dir_all(&build)
            .map_err(|source| GuestError::Write { path: build.clone(), source })?;
        for step in &recipe.steps {
            toolchain::run_step(step, &self.folder)?;
        }
        let read = |path: &str| {
            let path = self.folder.join(path);
            std::fs::read(&path).map_err(|source| GuestError::Read { path, source })
        };
        let wasm = match (&recipe.made, &self.world) {
            (Made::Core { path, described }, Some(world)) => {
                component::encode(read(path)?, world, *described)?
            }
            // Only what has a world is made as a core module.
            (Made::Component(path) | Made::Core { path, .. }, _) => read(path)?,
        };
        let path = build.join(format!("{}.wasm", self.manifest.name));
        generated::write_file(&path, &wasm)?;
        Ok(BuildView { component: path, bytes: wasm.len() })
    }
}

/// The source files of a project, in order.
fn source_files(folder: &Path, extensions: &[&str]) -> Result<Vec<String>, GuestError> {
    let path = folder.join("src");
    if extensions.is_empty() || !path.is_dir() {
        return Ok(Vec::new());
    }
    let failed = |source| GuestError::Read { path: path.clone(), source };
    let mut found = Vec::new();
    for entry in std::fs::read_dir(&path).map_err(failed)? {
        let name = entry.map_err(failed)?.file_name().to_string_lossy().into_owned();
        if extensions.iter().any(|extension| name.ends_with(extension)) {
            found.push(format!("src/{name}"));
        }
    }
    found.sort();
    Ok(found)
}
