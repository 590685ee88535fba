//! The commands `new`, `list-examples`, `languages`, `bindgen` and `build`. They work on guest projects on this machine
//! and need no server.

use crate::args::Format;
use crate::error::CliError;
use crate::guest::manifest::{self, Manifest};
use crate::guest::{self, GuestError, artifact, generated, sdk, toolchain, wit};
use crate::output;
use clap::{Args, Subcommand};
use golem_bindgen::lang::{self, Artifact, BUILD, GENERATED, Language, Layout, ProjectNames};
use golem_bindgen::{World, cargo, component};
use serde::Serialize;
use std::io::Write;
use std::path::{Path, PathBuf};

/// The commands that need no server.
#[derive(Debug, Clone, Subcommand)]
pub enum LocalCommand {
    /// Create a guest project
    New(NewArgs),
    /// List the examples from which `new` creates a guest project
    ListExamples {
        /// List only languages of this tier or a better one: tier1 (best) to tier4
        #[arg(long, short = 'm', alias = "tier", value_name = "TIER", value_parser = parse_tier)]
        min_tier: Option<u8>,
        /// List only examples in this language
        #[arg(long, short = 'l', value_name = "LANGUAGE")]
        language: Option<String>,
    },
    /// List the languages for which bindings can be generated
    Languages,
    /// Generate bindings for a WIT world
    Bindgen(BindgenArgs),
    /// Build a guest project into a component
    Build {
        /// Folder of the project
        #[arg(long, value_name = "DIR", default_value = ".")]
        dir: PathBuf,
        /// Only check that the required tools are installed
        #[arg(long)]
        check: bool,
    },
}

/// The arguments of `new`.
#[derive(Debug, Clone, Args)]
pub struct NewArgs {
    /// Example from which the project is created, see `list-examples`
    #[arg(
        long,
        short = 'e',
        value_name = "EXAMPLE",
        required_unless_present = "lang",
        conflicts_with = "lang"
    )]
    example: Option<String>,
    /// Language of the project; the same as --example LANGUAGE-shopping-cart
    #[arg(long, value_name = "LANGUAGE")]
    lang: Option<String>,
    /// Name of the project, as an option
    #[arg(long, short = 't', value_name = "NAME", required_unless_present = "name", conflicts_with = "name")]
    template_name: Option<String>,
    /// Namespace and name of the project's WIT package
    #[arg(long, short = 'p', value_name = "NAMESPACE:NAME", default_value = "golem:template")]
    package_name: String,
    /// Folder of the guest library for Rust [default: the copy in this program]
    #[arg(long, value_name = "DIR")]
    sdk: Option<PathBuf>,
    /// Name of the project and of its folder
    #[arg(value_name = "NAME")]
    name: Option<String>,
}

/// The arguments of `bindgen`.
#[derive(Debug, Clone, Args)]
pub struct BindgenArgs {
    /// Language of the bindings
    #[arg(long, value_name = "LANGUAGE")]
    lang: String,
    /// Source of the WIT: a folder with its `deps`, a file, or a component
    #[arg(long, value_name = "PATH", default_value = "wit")]
    wit: PathBuf,
    /// Name of the world; required if the package has several
    #[arg(long, value_name = "NAME")]
    world: Option<String>,
    /// Output folder
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

/// The example that exists in every language with a project.
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
    /// Whether the tests compile and run the generated code.
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
                        description: "A shopping cart for each customer that waits for a payment",
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

/// The languages in which `new` can create a project.
fn languages_with_project() -> impl Iterator<Item = &'static dyn Language> {
    let probe = ProjectNames::new("probe", "golem:template").expect("both names are valid");
    lang::all().iter().copied().filter(move |language| language.project(&probe).is_some())
}

fn language_view(language: &dyn Language) -> LanguageView {
    LanguageView {
        name: language.name(),
        title: language.title(),
        tier: language.tier(),
        project: languages_with_project().any(|each| each.name() == language.name()),
        build: language.is_tested(),
        proven: language.is_tested(),
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
        let mut project = ProjectNames::new(&name, &self.package_name)?;
        let unsupported =
            || GuestError::UnsupportedLanguage { language: language.title(), what: "example project" };
        language.project(&project).ok_or_else(unsupported)?;
        let folder = PathBuf::from(&name);
        if folder.exists() {
            return Err(GuestError::FolderExists { path: folder }.into());
        }
        // The last check, because it may write: it unpacks the guest library.
        if language.uses_sdk() {
            project.sdk = Some(match &self.sdk {
                Some(folder) => sdk::in_checkout(folder)?,
                None => sdk::carried(&sdk::data_folder()?)?,
            });
        }
        let files = language.project(&project).ok_or_else(unsupported)?;
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

/// An existing guest project, with its manifest and WIT loaded.
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
        let what = "build recipe";
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
        // Checked first: if a compiler is missing, nothing must be written.
        self.find_tools()?;
        if self.language.uses_sdk() {
            sdk::check_project(&self.folder, sdk::data_folder)?;
        }
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
        let wasm = match (&recipe.artifact, &self.world) {
            (Artifact::Core { path, has_world_type }, Some(world)) => {
                component::encode(read(path)?, world, *has_world_type)?
            }
            (Artifact::CargoMessages(messages), _) => {
                let messages = guest::read_text(self.folder.join(messages))?;
                let manifest = self.folder.join("Cargo.toml");
                let found = artifact::choose(&cargo::artifacts(&messages), &manifest, &self.manifest.name)?;
                std::fs::read(&found).map_err(|source| GuestError::Read { path: found, source })?
            }
            // Recipes with a core module exist only for languages that load a world.
            (Artifact::Component(path) | Artifact::Core { path, .. }, _) => read(path)?,
        };
        let path = build.join(format!("{}.wasm", self.manifest.name));
        generated::write_file(&path, &wasm)?;
        Ok(BuildView { component: path, bytes: wasm.len() })
    }
}

/// The source files of a project, sorted by name.
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
