//! Templates and their versions, and uploads.

use super::components::{ComponentCache, read_template_file};
use super::files::{self, ArchiveError, FilesCache};
use super::links::{self, Candidate, LinkError, Links};
use crate::entropy::Entropy;
use crate::executor::{ComponentFault, ExecutorError, TemplateLookup};
use crate::identity::{Directory, IdentityError, PlanLimitError, Scope, StorageUsage};
use crate::storage::ports::{Catalog, ContentStore, StoreError};
use async_trait::async_trait;
use bytes::Bytes;
use golem_host::ports::Clock;
use golem_host::{Component, ComponentError, Engine, Files};
use golem_model::template::{Function, Functions, ShippedFiles};
use golem_model::{FailureOptions, ProjectId, TemplateId, TemplateVersion};
use parking_lot::{Mutex, RwLock};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

/// Characters of a template's name, at most.
const NAME_CHARS_MAX: usize = 255;

/// A version of a template, with an index of its functions.
#[derive(Debug)]
pub struct Version {
    /// The stored row.
    pub row: TemplateVersion,
    /// The version's functions by full name.
    pub functions: Functions,
}

/// A template with all its versions.
#[derive(Debug, Clone)]
pub struct Template {
    /// The template's id.
    pub id: TemplateId,
    /// The project that it belongs to.
    pub project: ProjectId,
    /// The template's name, unique in the project.
    pub name: String,
    versions: Vec<Arc<Version>>,
}

impl Template {
    /// All versions, ascending. A version's number is its index.
    pub fn versions(&self) -> &[Arc<Version>] {
        &self.versions
    }

    /// The version with this number.
    pub fn version(&self, number: u32) -> Option<&Arc<Version>> {
        self.versions.get(usize::try_from(number).ok()?)
    }

    /// The newest version. New workers run it.
    pub fn latest(&self) -> &Arc<Version> {
        self.versions
            .last()
            .expect("a template is created with version 0, and versions are only removed together with it")
    }
}

/// Why an upload, a deletion or a read failed. No row was written, except perhaps after `Store` and `Panicked`.
#[derive(Debug, thiserror::Error)]
pub enum UploadError {
    /// There is no such template.
    #[error("Template not found: {0}")]
    NotFound(TemplateId),
    /// The name is not a valid template name.
    #[error("Invalid template name: {0}")]
    Name(&'static str),
    /// The project has a template of this name.
    #[error(
        "Template already exists: {name} is the name of template {id}; upload a new version of it, or take another name"
    )]
    NameTaken {
        /// The template with that name.
        id: TemplateId,
        /// The name.
        name: String,
    },
    /// The bytes are not a component, or the component needs something that this server does not provide.
    #[error("Template processing error: {0}")]
    Component(#[from] ComponentError),
    /// A link of the component is missing, ambiguous or does not fit.
    #[error("Template processing error: {0}")]
    Link(#[from] LinkError),
    /// The archive of files is refused.
    #[error("Template processing error: {0}")]
    Files(#[from] ArchiveError),
    /// The template has workers, so it cannot be deleted.
    #[error("Template {id} cannot be deleted: it has {workers} workers; delete them first")]
    HasWorkers {
        /// The template.
        id: TemplateId,
        /// Number of its workers.
        workers: u64,
    },
    /// Workers of other templates call workers of this template, so it cannot be deleted.
    #[error(
        "Template {id} cannot be deleted: workers of {} call its workers; delete those templates first, or upload \
         versions of them that do not",
        callers.join(", ")
    )]
    HasCallers {
        /// The template.
        id: TemplateId,
        /// Names and ids of the templates whose newest version is linked to it.
        callers: Vec<String>,
    },
    /// A limit of the plan is reached.
    #[error(transparent)]
    Limit(#[from] PlanLimitError),
    /// The project does not exist any more, or another error of the directory.
    #[error(transparent)]
    Identity(IdentityError),
    /// The workers cannot be counted.
    #[error(transparent)]
    Executor(#[from] ExecutorError),
    /// The store failed.
    #[error("the template cannot be stored: {0}")]
    Store(#[from] StoreError),
    /// The upload or deletion panicked, which is a defect of the server.
    #[error("the upload or deletion panicked: {0}")]
    Panicked(String),
}

impl From<IdentityError> for UploadError {
    fn from(error: IdentityError) -> Self {
        match error {
            IdentityError::Limit(reached) => Self::Limit(reached),
            IdentityError::Store(error) => Self::Store(error),
            other => Self::Identity(other),
        }
    }
}

/// The contents of an upload.
#[derive(Debug, Clone)]
pub struct Upload {
    /// Bytes of the component.
    pub wasm: Bytes,
    /// A tar archive with the initial files of the workers.
    pub files: Option<Bytes>,
    /// The template for each interface that the component calls, where the choice is not unique.
    pub links: Links,
    /// Failure policy of the workers.
    pub options: FailureOptions,
}

/// The services that [`Templates`] uses.
pub struct TemplateParts {
    /// The rows of templates are read from here.
    pub catalog: Arc<dyn Catalog>,
    /// Owners and plans; the rows of templates are written through it.
    pub directory: Directory,
    /// Components and archives are stored here.
    pub blobs: Arc<dyn ContentStore>,
    /// Compiles components.
    pub engine: Engine,
    /// The time of uploads.
    pub clock: Arc<dyn Clock>,
    /// Creates template ids.
    pub entropy: Arc<dyn Entropy>,
    /// Number of compiled components to keep in memory.
    pub components_cached_max: usize,
}

/// All templates.
pub struct Templates {
    shared: Arc<Shared>,
}

struct Shared {
    catalog: Arc<dyn Catalog>,
    directory: Directory,
    blobs: Arc<dyn ContentStore>,
    engine: Engine,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    components: ComponentCache,
    files: FilesCache,
    index: RwLock<TemplateIndex>,
    /// Held while a name or a version number is checked and its row is written.
    write_lock: Mutex<()>,
}

#[derive(Default)]
struct TemplateIndex {
    by_id: HashMap<TemplateId, Arc<Template>>,
    by_name: BTreeMap<(ProjectId, String), TemplateId>,
    /// Templates that are being deleted. They accept no new workers.
    deleting: HashSet<TemplateId>,
}

impl TemplateIndex {
    fn read(catalog: &dyn Catalog) -> Result<Self, StoreError> {
        let mut index = Self::default();
        for row in catalog.template_versions()? {
            index.add(row);
        }
        Ok(index)
    }

    fn of_project(&self, project: ProjectId) -> impl Iterator<Item = &Arc<Template>> {
        self.by_name
            .range((project, String::new())..)
            .take_while(move |((of, _), _)| *of == project)
            .filter_map(|(_, id)| self.by_id.get(id))
    }

    /// Names and ids of other templates whose newest version has a link to `called`, ordered by name.
    fn callers(&self, called: &Template) -> Vec<String> {
        self.of_project(called.project)
            .filter(|other| other.id != called.id)
            .filter(|other| other.latest().row.links.values().any(|link| *link == called.id))
            .map(|other| format!("{} ({})", other.name, other.id))
            .collect()
    }

    /// What the templates of these projects store.
    fn storage_usage(&self, projects: &[ProjectId]) -> StorageUsage {
        let mut usage = StorageUsage::default();
        for template in projects.iter().flat_map(|project| self.of_project(*project)) {
            usage.templates += 1;
            usage.bytes += template.versions.iter().map(|version| version.row.stored_bytes()).sum::<u64>();
        }
        usage
    }

    /// Adds a version. Versions of a template are added in ascending order.
    fn add(&mut self, row: TemplateVersion) -> Arc<Version> {
        let version = Arc::new(Version { functions: Functions::new(&row.exports), row });
        let row = &version.row;
        self.by_name.insert((row.project, row.name.clone()), row.id);
        let template = self.by_id.entry(row.id).or_insert_with(|| {
            Arc::new(Template {
                id: row.id,
                project: row.project,
                name: row.name.clone(),
                versions: Vec::new(),
            })
        });
        Arc::make_mut(template).versions.push(version.clone());
        version
    }
}

/// The hashes of the blobs that a version refers to.
fn referenced_blobs(row: &TemplateVersion) -> impl Iterator<Item = [u8; 32]> + use<> {
    std::iter::once(row.content_hash).chain(row.files.map(|files| files.content_hash))
}

/// Whether an upload creates a template or a version.
enum UploadTarget {
    New { name: String },
    Next(TemplateId),
}

/// Identity of the version that an upload creates.
struct UploadSlot {
    id: TemplateId,
    name: String,
    version: u32,
    /// Failure policy of the previous version.
    options: FailureOptions,
}

impl Templates {
    /// Reads all rows, and removes blobs that no row refers to, which a crash may have left.
    ///
    /// Blocks the thread. Must return before the first upload: a blob of an upload in progress has no row yet.
    pub fn load(parts: TemplateParts) -> Result<Self, StoreError> {
        let TemplateParts { catalog, directory, blobs, engine, clock, entropy, components_cached_max } =
            parts;
        let index = TemplateIndex::read(catalog.as_ref())?;
        let referenced: HashSet<[u8; 32]> = index
            .by_name
            .values()
            .filter_map(|id| index.by_id.get(id))
            .flat_map(|template| template.versions.iter().flat_map(|version| referenced_blobs(&version.row)))
            .collect();
        let swept = blobs.sweep(&|hash| referenced.contains(hash))?;
        if swept > 0 {
            tracing::info!(swept, "removed blobs that no template version refers to");
        }
        let components = ComponentCache::new(engine.clone(), blobs.clone(), components_cached_max);
        let files = FilesCache::new(blobs.clone(), components_cached_max);
        let shared = Shared {
            catalog,
            directory,
            blobs,
            engine,
            clock,
            entropy,
            components,
            files,
            index: RwLock::new(index),
            write_lock: Mutex::new(()),
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// One template.
    pub fn get(&self, id: TemplateId) -> Option<Arc<Template>> {
        self.shared.index.read().by_id.get(&id).cloned()
    }

    /// The templates of a project, ordered by name: all, or the one with this name.
    pub fn list(&self, scope: &Scope, name: Option<&str>) -> Vec<Arc<Template>> {
        let index = self.shared.index.read();
        let has_name = |template: &&Arc<Template>| name.is_none_or(|name| name == template.name);
        index.of_project(scope.project()).filter(has_name).cloned().collect()
    }

    /// Ids of the templates in these projects.
    pub fn ids_in(&self, projects: &[ProjectId]) -> Vec<TemplateId> {
        let index = self.shared.index.read();
        projects.iter().flat_map(|project| index.of_project(*project)).map(|template| template.id).collect()
    }

    /// Bytes of all versions of the templates in these projects.
    pub(super) fn stored_bytes(&self, projects: &[ProjectId]) -> u64 {
        self.shared.index.read().storage_usage(projects).bytes
    }

    /// The project of a template, if the template exists and is not being deleted. New workers are created only then.
    pub fn project_accepting_workers(&self, id: TemplateId) -> Option<ProjectId> {
        let index = self.shared.index.read();
        index.by_id.get(&id).filter(|_| !index.deleting.contains(&id)).map(|template| template.project)
    }

    /// Removes a template with all its versions. Fails if it has workers, or if the newest version of another template
    /// has a link to it.
    ///
    /// `workers` counts the template's workers and returns when the count is durable. Workers on older versions of
    /// other templates may still call this one; their calls fail because the template does not exist. The template's
    /// blobs are removed at the next start, unless another version refers to them.
    pub async fn delete(
        &self,
        _scope: &Scope,
        id: TemplateId,
        workers: impl FnOnce() -> Result<u64, ExecutorError> + Send + 'static,
    ) -> Result<(), UploadError> {
        let shared = self.shared.clone();
        tokio::task::spawn_blocking(move || shared.delete(id, workers))
            .await
            .map_err(|panicked| UploadError::Panicked(panicked.to_string()))?
    }

    /// Number of templates and of their versions, for the metrics.
    pub fn count(&self) -> (usize, usize) {
        let index = self.shared.index.read();
        (
            index.by_id.len(),
            index.by_name.values().filter_map(|id| index.by_id.get(id)).map(|t| t.versions.len()).sum(),
        )
    }

    /// Uploads a new template.
    pub async fn create(
        &self,
        scope: &Scope,
        name: String,
        upload: Upload,
    ) -> Result<Arc<Version>, UploadError> {
        if name.trim().is_empty() {
            return Err(UploadError::Name("it is empty"));
        }
        if name.chars().count() > NAME_CHARS_MAX {
            return Err(UploadError::Name("it has more than 255 characters"));
        }
        if name.chars().any(char::is_control) {
            return Err(UploadError::Name("it holds a control character"));
        }
        self.upload(scope.project(), UploadTarget::New { name }, upload).await
    }

    /// Uploads a new version of a template. Options that the upload does not set are those of the previous version.
    pub async fn update(
        &self,
        scope: &Scope,
        id: TemplateId,
        upload: Upload,
    ) -> Result<Arc<Version>, UploadError> {
        self.upload(scope.project(), UploadTarget::Next(id), upload).await
    }

    /// The uploaded bytes of a version.
    pub async fn download(&self, version: &Version) -> Result<Vec<u8>, ComponentFault> {
        let (blobs, hash) = (self.shared.blobs.clone(), version.row.content_hash);
        match tokio::task::spawn_blocking(move || read_template_file(&*blobs, hash)).await {
            Ok(read) => read,
            Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
        }
    }

    async fn upload(
        &self,
        project: ProjectId,
        target: UploadTarget,
        upload: Upload,
    ) -> Result<Arc<Version>, UploadError> {
        let shared = self.shared.clone();
        // On a blocking thread, because compiling takes long. The upload continues if the caller disconnects: a row
        // that was stored must become visible in memory.
        tokio::task::spawn_blocking(move || shared.upload(project, &target, &upload))
            .await
            .map_err(|panicked| UploadError::Panicked(panicked.to_string()))?
    }
}

impl Shared {
    fn upload(
        &self,
        project: ProjectId,
        target: &UploadTarget,
        Upload { wasm, files: archive, links, options }: &Upload,
    ) -> Result<Arc<Version>, UploadError> {
        let UploadSlot { version, .. } = self.resolve_target(project, target)?;
        // The limits are checked before the component is compiled, and again under the lock when the row is written.
        let storage_usage = |projects: &[ProjectId]| self.index.read().storage_usage(projects);
        let bytes = wasm.len() + archive.as_ref().map_or(0, Bytes::len);
        self.directory.check_upload(project, version == 0, bytes as u64, storage_usage)?;
        let hash = *blake3::hash(wasm).as_bytes();
        let component = self.engine.compile(wasm, hash)?;
        // Links are checked before blobs are written, so an upload that fails here stores nothing.
        let UploadSlot { id, name, .. } = self.resolve_target(project, target)?;
        self.resolve_links(project, (id, &name), links, &component)?;
        let shipped = match archive {
            Some(archive) => {
                component.clone().with_files(files::read_archive(archive)?)?;
                let content_hash = *blake3::hash(archive).as_bytes();
                self.blobs.put(content_hash, archive)?;
                Some(ShippedFiles { size_bytes: archive.len() as u64, content_hash })
            }
            None => None,
        };
        self.blobs.put(hash, wasm)?;
        let _write_guard = self.write_lock.lock();
        let mut may_retry = true;
        loop {
            let UploadSlot { id, name, version, options: previous } = self.resolve_target(project, target)?;
            let links = self.resolve_links(project, (id, &name), links, &component)?;
            let row = TemplateVersion {
                id,
                version,
                project,
                name,
                size_bytes: wasm.len() as u64,
                content_hash: hash,
                exports: component.exports().to_vec(),
                producers: component.producers().to_vec(),
                links,
                files: shipped,
                created_at: self.clock.now(),
                failure_options: options.or(previous),
            };
            match self.directory.template_write(row.clone(), storage_usage).map_err(UploadError::from) {
                Ok(()) => {
                    self.components.insert(hash, component);
                    return Ok(self.index.write().add(row));
                }
                Err(UploadError::Store(error)) => {
                    // After a failed commit, this row or an earlier one may have been written all the same. So the rows
                    // are read again, and the next attempt sees them.
                    *self.index.write() = TemplateIndex::read(self.catalog.as_ref())?;
                    if !(may_retry && matches!(error, StoreError::Conflict { .. })) {
                        return Err(error.into());
                    }
                    may_retry = false;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// The links of `component` as the next version of template `own`.
    fn resolve_links(
        &self,
        project: ProjectId,
        (own, name): (TemplateId, &str),
        requested: &Links,
        component: &Component,
    ) -> Result<Links, LinkError> {
        let index = self.index.read();
        let previous = index.by_id.get(&own).map(|template| &template.latest().row.links);
        let mut templates = vec![Candidate { id: own, name, exports: component.exports() }];
        // Ordered by name, so that error messages list candidates in a stable order.
        let of_project = index.by_name.iter().filter(|((of, _), id)| *of == project && **id != own);
        templates.extend(of_project.filter_map(|(_, id)| index.by_id.get(id)).map(|template| Candidate {
            id: template.id,
            name: &template.name,
            exports: &template.latest().row.exports,
        }));
        links::resolve(component.clients(), requested, previous.unwrap_or(&Links::new()), &templates)
    }

    fn delete(
        &self,
        id: TemplateId,
        workers: impl FnOnce() -> Result<u64, ExecutorError>,
    ) -> Result<(), UploadError> {
        let _write_guard = self.write_lock.lock();
        {
            let mut index = self.index.write();
            let template = index.by_id.get(&id).ok_or(UploadError::NotFound(id))?;
            // Links are created under `write_lock`, so no link to this template can be added meanwhile.
            let callers = index.callers(template);
            if !callers.is_empty() {
                return Err(UploadError::HasCallers { id, callers });
            }
            // From now on no worker of this template is created, so the count below stays valid.
            index.deleting.insert(id);
        }
        let removed = match workers() {
            Ok(0) => self.directory.template_remove(id).map_err(UploadError::from),
            Ok(workers) => Err(UploadError::HasWorkers { id, workers }),
            Err(error) => Err(error.into()),
        };
        let mut index = self.index.write();
        index.deleting.remove(&id);
        match &removed {
            Ok(()) => {
                if let Some(template) = index.by_id.remove(&id) {
                    index.by_name.remove(&(template.project, template.name.clone()));
                }
            }
            // After a failed commit, the row may be gone all the same.
            Err(UploadError::Store(_)) => *index = TemplateIndex::read(self.catalog.as_ref())?,
            Err(_) => {}
        }
        removed
    }

    /// The identity of the version that an upload would create.
    fn resolve_target(&self, project: ProjectId, target: &UploadTarget) -> Result<UploadSlot, UploadError> {
        let index = self.index.read();
        match target {
            UploadTarget::New { name } => match index.by_name.get(&(project, name.clone())) {
                Some(id) => Err(UploadError::NameTaken { id: *id, name: name.clone() }),
                None => Ok(UploadSlot {
                    id: TemplateId(self.entropy.uuid()),
                    name: name.clone(),
                    version: 0,
                    options: FailureOptions::default(),
                }),
            },
            UploadTarget::Next(id) => {
                let template = index.by_id.get(id).ok_or(UploadError::NotFound(*id))?;
                let latest = &template.latest().row;
                Ok(UploadSlot {
                    id: *id,
                    name: template.name.clone(),
                    version: latest.version + 1,
                    options: latest.failure_options,
                })
            }
        }
    }
}

impl Templates {
    async fn shipped_files(&self, files: Option<ShippedFiles>) -> Result<Option<Files>, ComponentFault> {
        match files {
            None => Ok(None),
            Some(ShippedFiles { content_hash, .. }) => self.shared.files.get(content_hash).await.map(Some),
        }
    }
}

#[async_trait]
impl TemplateLookup for Templates {
    fn newest_version(&self, template: TemplateId) -> Option<(ProjectId, u32)> {
        let template = self.get(template)?;
        Some((template.project, template.latest().row.version))
    }

    fn function(&self, template: TemplateId, version: u32, name: &str) -> Option<Arc<Function>> {
        let template = self.get(template)?;
        template.version(version)?.functions.get(name).map(|(_, function)| function.clone())
    }

    fn failure_options(&self, template: TemplateId, version: u32) -> FailureOptions {
        let template = self.get(template);
        let version = template.as_ref().and_then(|template| template.version(version));
        version.map(|version| version.row.failure_options).unwrap_or_default()
    }

    fn links(&self, template: TemplateId, version: u32) -> Links {
        let template = self.get(template);
        let version = template.as_ref().and_then(|template| template.version(version));
        version.map(|version| version.row.links.clone()).unwrap_or_default()
    }

    async fn component(&self, template: TemplateId, version: u32) -> Result<Component, ComponentFault> {
        let found = self.get(template).and_then(|template| template.version(version).cloned());
        let row = &found.ok_or(ComponentFault::NoVersion)?.row;
        let component = self.shared.components.get(row.content_hash).await?;
        match self.shipped_files(row.files).await? {
            None => Ok(component),
            Some(files) => {
                component.with_files(files).map_err(|error| ComponentFault::Invalid(error.to_string()))
            }
        }
    }

    async fn files(&self, template: TemplateId, version: u32) -> Result<Option<Files>, ComponentFault> {
        let found = self.get(template).and_then(|template| template.version(version).cloned());
        self.shipped_files(found.ok_or(ComponentFault::NoVersion)?.row.files).await
    }
}

impl std::fmt::Debug for Templates {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Templates").finish_non_exhaustive()
    }
}

impl std::fmt::Debug for TemplateParts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TemplateParts").finish_non_exhaustive()
    }
}
