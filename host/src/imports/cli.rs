//! `wasi:cli/environment` and `wasi:cli/exit`: the worker's arguments and environment, and its explicit exit.

use crate::StopReason;
use crate::imports::views::{EnvironmentView, ExitView, Views};
use wasmtime::Result;
use wasmtime::component::Linker;
use wasmtime_wasi::p2::bindings::cli::{environment, exit};

/// Defines the interfaces.
pub(super) fn add_to_linker<T: Views>(linker: &mut Linker<T>) -> Result<()> {
    environment::add_to_linker::<_, EnvironmentView<'_>>(linker, T::environment)?;
    exit::add_to_linker::<_, ExitView<'_>>(linker, T::exit)
}

impl environment::Host for EnvironmentView<'_> {
    fn get_environment(&mut self) -> Result<Vec<(String, String)>> {
        let init = self.init;
        let mut env = init.env.clone();
        for (name, value) in [
            ("GOLEM_WORKER_NAME", init.id.name.to_string()),
            ("GOLEM_TEMPLATE_ID", init.id.template.to_string()),
            ("GOLEM_TEMPLATE_VERSION", init.template_version.to_string()),
        ] {
            if env.iter().all(|(known, _)| known != name) {
                env.push((name.to_owned(), value));
            }
        }
        Ok(env)
    }

    fn get_arguments(&mut self) -> Result<Vec<String>> {
        Ok(self.init.args.clone())
    }

    fn initial_cwd(&mut self) -> Result<Option<String>> {
        Ok(Some("/".to_owned()))
    }
}

impl exit::Host for ExitView<'_> {
    fn exit(&mut self, status: Result<(), ()>) -> Result<()> {
        self.exit_with_code(u8::from(status.is_err()))
    }

    fn exit_with_code(&mut self, code: u8) -> Result<()> {
        let stderr = self.stdio.stderr_tail().trim_end().to_owned();
        Err(self.door.stop(StopReason::Exited { code, stderr }))
    }
}
