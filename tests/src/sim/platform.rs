//! What the executor needs besides store, clock and scheduler: components, images, authorization, randomness.

use super::history::History;
use super::locked;
use crate::guests;
use crate::rng::Rng;
use async_trait::async_trait;
use golem_host::{Component, Engine, EngineConfig, Files};
use golem_model::template::Function;
use golem_model::{FailureOptions, ProjectAction, ProjectId, TemplateId, Timestamp};
use golem_runtime::entropy::Entropy;
use golem_runtime::executor::{
    AdmissionError, ComponentFault, HostAuthorization, TemplateLookup, WorkerAdmission, WorkerUsage,
};
use golem_runtime::storage::ports::{ContentStore, StoreError};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use uuid::Uuid;

/// The project of all workers.
pub const PROJECT: ProjectId = ProjectId(Uuid::from_u128(3));

/// A template.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs, reason = "the names of the test guests")]
pub enum Template {
    Counter,
    Sleeps,
    KeyValue,
    Promises,
    Calls,
    Saves,
    Failures,
    Regions,
    Fetches,
}

impl Template {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Counter,
        Self::Sleeps,
        Self::KeyValue,
        Self::Promises,
        Self::Calls,
        Self::Saves,
        Self::Failures,
        Self::Regions,
        Self::Fetches,
    ];

    /// Its id.
    pub fn id(self) -> TemplateId {
        TemplateId(Uuid::from_u128(100 + self as u128))
    }

    fn guest(self) -> &'static str {
        match self {
            Self::Counter => guests::COUNTER,
            Self::Sleeps => guests::SLEEPS,
            Self::KeyValue => guests::KEY_VALUE,
            Self::Promises => guests::PROMISES,
            Self::Calls => guests::CALLS,
            Self::Saves => "saves",
            Self::Failures => "failures",
            Self::Regions => "regions",
            Self::Fetches => guests::FETCHES,
        }
    }
}

/// Faults that prevent components from being loaded.
#[derive(Debug)]
struct LoadFaults {
    /// The randomness, and how many are left.
    left: Mutex<(Rng, u64)>,
    history: Arc<Mutex<History>>,
}

impl LoadFaults {
    fn inject(&self, template: TemplateId) -> Result<(), ComponentFault> {
        let (panics, is_due) = {
            let (random, left) = &mut *locked(&self.left);
            let is_due = *left > 0 && random.once_in(30);
            *left -= u64::from(is_due);
            (random.once_in(2), is_due)
        };
        if !is_due {
            return Ok(());
        }
        // A panic counts as a failed attempt. These guests have attempts of their own that fail.
        if panics && template != Template::Failures.id() && template != Template::Regions.id() {
            locked(&self.history).count_operation("panic of a worker's task");
            panic!("an injected panic of the component cache");
        }
        locked(&self.history).count_operation("component that does not load");
        Err(ComponentFault::Unreadable("an injected fault".to_owned()))
    }
}

/// The compiled components, shared by all runs of a process.
#[derive(Debug, Clone)]
pub struct Components {
    by_template: Arc<BTreeMap<TemplateId, Component>>,
    /// The odd versions of [`Template::Saves`]: other code, which asks for more in one function.
    saves_next: Component,
    faults: Option<Arc<LoadFaults>>,
    /// Decides when a mutant gives the component of another version.
    mixing_versions: Option<Arc<Mutex<Rng>>>,
    /// Whether updates merge the files of wrong versions.
    mixing_files: bool,
}

impl Components {
    /// Compiles the guests.
    ///
    /// # Panics
    /// If a guest is not built.
    pub fn compile() -> Self {
        let engine = Engine::new(EngineConfig { residents_max: 64, ..EngineConfig::default() });
        let engine = engine.expect("the engine starts");
        let compile = |guest: &str| {
            let wasm = guests::bytes(guest);
            let component = engine.compile(&wasm, *blake3::hash(&wasm).as_bytes());
            component.expect("the guest is a component")
        };
        let all = Template::ALL.into_iter();
        let by_template = all.map(|template| (template.id(), compile(template.guest()))).collect();
        Self {
            by_template: Arc::new(by_template),
            saves_next: compile("saves-next"),
            faults: None,
            mixing_versions: None,
            mixing_files: false,
        }
    }

    /// The same components, of which some do not load: an error, or a panic of the worker's task.
    #[must_use]
    pub fn with_load_faults(&self, random: Rng, faults: u64, history: Arc<Mutex<History>>) -> Self {
        let left = Mutex::new((random, faults));
        Self { faults: Some(Arc::new(LoadFaults { left, history })), ..self.clone() }
    }

    /// The same components, of which one in twenty that is asked for is of another version: a mutant.
    #[must_use]
    pub fn mixing_versions(&self, random: Rng) -> Self {
        Self { mixing_versions: Some(Arc::new(Mutex::new(random))), ..self.clone() }
    }

    /// The same components, whose files of older versions are wrong: a mutant.
    #[must_use]
    pub fn mixing_files(&self) -> Self {
        Self { mixing_files: true, ..self.clone() }
    }
}

/// The file that a version of [`Template::Saves`] ships with. The guest calls it its notes.
fn version_file(version: u32) -> Files {
    let mut files = Files::builder();
    let added = files.file("notes", version.to_string().into(), Timestamp::default());
    added.expect("the path is free");
    files.build()
}

fn ship(component: Component, version: u32) -> Result<Component, ComponentFault> {
    let shipped = component.with_files(version_file(version));
    shipped.map_err(|error| ComponentFault::Invalid(error.to_string()))
}

#[async_trait]
impl TemplateLookup for Components {
    async fn component(&self, template: TemplateId, version: u32) -> Result<Component, ComponentFault> {
        if let Some(faults) = &self.faults {
            faults.inject(template)?;
        }
        let is_mixed = self.mixing_versions.as_ref().is_some_and(|random| locked(random).once_in(20));
        let template =
            if is_mixed && template == Template::Sleeps.id() { Template::Counter.id() } else { template };
        if template == Template::Saves.id() && version % 2 == 1 {
            return ship(self.saves_next.clone(), version);
        }
        let missing = || ComponentFault::Unreadable("there is no such template".to_owned());
        let component = self.by_template.get(&template).cloned().ok_or_else(missing)?;
        if template == Template::Saves.id() { ship(component, version) } else { Ok(component) }
    }

    async fn files(&self, template: TemplateId, version: u32) -> Result<Option<Files>, ComponentFault> {
        let version = if self.mixing_files { version + 1 } else { version };
        Ok((template == Template::Saves.id()).then(|| version_file(version)))
    }

    fn newest_version(&self, template: TemplateId) -> Option<(ProjectId, u32)> {
        self.by_template.contains_key(&template).then_some((PROJECT, 0))
    }

    fn function(&self, template: TemplateId, _: u32, name: &str) -> Option<Arc<Function>> {
        let (_, function) = self.by_template.get(&template)?.functions().get(name)?;
        Some(function.clone())
    }

    fn failure_options(&self, _: TemplateId, _: u32) -> FailureOptions {
        FailureOptions::default()
    }

    fn links(&self, template: TemplateId, _: u32) -> BTreeMap<String, TemplateId> {
        let Some(component) = self.by_template.get(&template) else { return BTreeMap::new() };
        let target = |interface: &str| match interface {
            "golem:counter/api" => Template::Counter,
            _ => Template::Calls,
        };
        let clients = component.clients().iter();
        clients.map(|client| (client.interface.to_string(), target(&client.interface).id())).collect()
    }
}

impl WorkerAdmission for Components {
    fn admit(&self, _: TemplateId, _: &dyn Fn(&[TemplateId]) -> WorkerUsage) -> Result<(), AdmissionError> {
        Ok(())
    }
}

impl HostAuthorization for Components {
    fn is_authorized(&self, _: ProjectId, _: ProjectAction, _: ProjectId) -> bool {
        false
    }
}

/// Random bytes that the seed decides.
#[derive(Debug)]
pub struct SeededEntropy(Mutex<Rng>);

impl SeededEntropy {
    /// Bytes from `random`.
    pub fn new(random: Rng) -> Self {
        Self(Mutex::new(random))
    }
}

impl Entropy for SeededEntropy {
    fn fill(&self, bytes: &mut [u8]) {
        let mut random = locked(&self.0);
        for chunk in bytes.chunks_mut(8) {
            chunk.copy_from_slice(&random.next_u64().to_le_bytes()[..chunk.len()]);
        }
    }
}

/// Images in memory. They outlive a crash, like files that were synced.
#[derive(Debug, Default)]
pub struct Images(Mutex<BTreeMap<[u8; 32], Vec<u8>>>);

impl Images {
    fn with<R>(&self, f: impl FnOnce(&mut BTreeMap<[u8; 32], Vec<u8>>) -> R) -> R {
        f(&mut locked(&self.0))
    }
}

impl ContentStore for Images {
    fn put(&self, hash: [u8; 32], bytes: &[u8]) -> Result<(), StoreError> {
        self.with(|images| images.insert(hash, bytes.to_vec()));
        Ok(())
    }

    fn get(&self, hash: [u8; 32]) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.with(|images| images.get(&hash).cloned()))
    }

    fn read_prefix(&self, hash: [u8; 32], count: usize) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.with(|images| images.get(&hash).map(|bytes| bytes[..count.min(bytes.len())].to_vec())))
    }

    fn list(&self) -> Result<Vec<[u8; 32]>, StoreError> {
        Ok(self.with(|images| images.keys().copied().collect()))
    }

    fn remove(&self, hash: [u8; 32]) -> Result<(), StoreError> {
        self.with(|images| images.remove(&hash));
        Ok(())
    }

    fn sweep(&self, keep: &dyn Fn(&[u8; 32]) -> bool) -> Result<u64, StoreError> {
        Ok(self.with(|images| {
            let before = images.len();
            images.retain(|hash, _| keep(hash));
            (before - images.len()) as u64
        }))
    }
}
