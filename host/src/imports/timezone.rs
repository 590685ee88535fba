//! `wasi:clocks/timezone`: the worker's time zone is UTC on every node. The answers are constant, so the calls write no
//! oplog entries.

use crate::state::WorkerState;
use wasmtime::Result;
use wasmtime::component::{HasSelf, Linker};
use wasmtime_wasi::p2::bindings::clocks::timezone::{self, Datetime, TimezoneDisplay};

/// Defines the interface.
pub(super) fn add_to_linker(linker: &mut Linker<WorkerState>) -> Result<()> {
    let mut options = timezone::LinkOptions::default();
    options.clocks_timezone(true);
    timezone::add_to_linker::<_, HasSelf<WorkerState>>(linker, &options, |state| state)
}

impl timezone::Host for WorkerState {
    fn display(&mut self, _: Datetime) -> Result<TimezoneDisplay> {
        Ok(TimezoneDisplay { utc_offset: 0, name: "UTC".to_owned(), in_daylight_saving_time: false })
    }

    fn utc_offset(&mut self, _: Datetime) -> Result<i32> {
        Ok(0)
    }
}
