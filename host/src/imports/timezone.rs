//! `wasi:clocks/timezone`: the worker's time zone is UTC on every node. The answers are constant, so the calls write no
//! oplog entries.

use crate::imports::views::Views;
use wasmtime::Result;
use wasmtime::component::{HasData, Linker};
use wasmtime_wasi::p2::bindings::clocks::timezone::{self, Datetime, TimezoneDisplay};

/// The time zone needs nothing of the worker.
#[derive(Debug)]
struct Timezone;

impl HasData for Timezone {
    type Data<'a> = Self;
}

/// Defines the interface.
pub(super) fn add_to_linker<T: Views>(linker: &mut Linker<T>) -> Result<()> {
    let mut options = timezone::LinkOptions::default();
    options.clocks_timezone(true);
    timezone::add_to_linker::<_, Timezone>(linker, &options, |_| Timezone)
}

impl timezone::Host for Timezone {
    fn display(&mut self, _: Datetime) -> Result<TimezoneDisplay> {
        Ok(TimezoneDisplay { utc_offset: 0, name: "UTC".to_owned(), in_daylight_saving_time: false })
    }

    fn utc_offset(&mut self, _: Datetime) -> Result<i32> {
        Ok(0)
    }
}
