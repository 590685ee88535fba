//! Compiled components and what they export.

use golem_model::Export;
use golem_model::template::{Functions, Producers};
use std::sync::Arc;

/// A compiled component, ready to be instantiated. Clones share everything.
#[derive(Clone)]
pub struct Component {
    shared: Arc<Shared>,
}

struct Shared {
    exports: Vec<Export>,
    producers: Vec<Producers>,
    functions: Functions,
}

impl Component {
    /// What it exports, in the component's order.
    pub fn exports(&self) -> &[Export] {
        &self.shared.exports
    }

    /// Which tools made it.
    pub fn producers(&self) -> &[Producers] {
        &self.shared.producers
    }

    /// Its functions by full name.
    pub fn functions(&self) -> &Functions {
        &self.shared.functions
    }
}

impl std::fmt::Debug for Component {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Component").finish_non_exhaustive()
    }
}

/// Why bytes are not a component that can run here. Nothing was stored.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ComponentError {
    /// Not WebAssembly at all.
    #[error("not a WebAssembly component: {found}")]
    NotWasm {
        /// What it seems to be, and what to do.
        found: String,
    },
}
