//! Calls workers of its own template and of another one, and is called by them. The client of its own template uses
//! generated bindings, as in other languages; the other client uses the guest library.

wit_bindgen::generate!({
    path: ["../../../wit/golem-rpc", "clients/golem-calls-client.wit", "wit"],
    world: "golem:calls/calls",
    generate_all,
});

use self::exports::golem::calls::{api, target};
use self::golem::calls_client::target as other;
use self::golem::rpc::types::{Datetime, RpcError};
use std::cell::Cell;

thread_local! {
    static SUM: Cell<u64> = const { Cell::new(0) };
}

fn add(by: u64) -> u64 {
    SUM.set(SUM.get() + by);
    SUM.get()
}

fn text<T>(answer: Result<T, RpcError>) -> Result<T, String> {
    answer.map_err(|error| format!("{error:?}"))
}

#[::golem::remote("clients/golem-counter-client.wit")]
mod counter {}

struct Calls;

impl target::Guest for Calls {
    fn bump(by: u64) -> u64 {
        add(by)
    }

    fn total() -> u64 {
        SUM.get()
    }

    fn more(item: target::Item) -> Result<target::Item, String> {
        match item.state {
            target::State::Absent => Err(format!("there is no {}", item.name)),
            target::State::Present(count) => {
                Ok(target::Item { state: target::State::Present(count + 1), ..item })
            }
        }
    }

    fn touch() {}

    fn fail(text: String) {
        panic!("{text}");
    }

    fn nap(ms: u64) -> u64 {
        std::thread::sleep(std::time::Duration::from_millis(ms));
        add(1)
    }

    fn relay(chain: Vec<String>) -> Result<u64, String> {
        match chain.split_first() {
            None => Ok(add(1)),
            Some((next, rest)) => text(other::relay(next, rest))?,
        }
    }
}

impl api::Guest for Calls {
    fn ask(worker: String, by: u64, times: u32) -> Result<u64, String> {
        (0..times).try_fold(0, |_, _| text(other::bump(&worker, by)))
    }

    fn ask_more(worker: String, item: target::Item) -> Result<Result<target::Item, String>, String> {
        let state = match item.state {
            target::State::Absent => other::State::Absent,
            target::State::Present(count) => other::State::Present(count),
        };
        let marks = other::Marks::from_bits_retain(item.marks.bits());
        let answer = text(other::more(&worker, &other::Item { name: item.name, state, marks }))?;
        Ok(answer.map(|item| target::Item {
            name: item.name,
            state: match item.state {
                other::State::Absent => target::State::Absent,
                other::State::Present(count) => target::State::Present(count),
            },
            marks: target::Marks::from_bits_retain(item.marks.bits()),
        }))
    }

    fn ask_touch(worker: String) -> Result<(), String> {
        text(other::touch(&worker))
    }

    fn ask_fail(worker: String, message: String) -> Result<(), String> {
        text(other::fail(&worker, &message))
    }

    fn ask_counter(worker: String) -> Result<u64, String> {
        counter::increment(&worker).map_err(|error| error.to_string())
    }

    fn send(worker: String, by: u64, after_ms: u64) -> Result<(), String> {
        let at = (after_ms > 0).then(|| {
            let at = std::time::SystemTime::now() + std::time::Duration::from_millis(after_ms);
            let at = at.duration_since(std::time::UNIX_EPOCH).expect("it is later than 1970");
            Datetime { seconds: at.as_secs(), nanoseconds: at.subsec_nanos() }
        });
        text(other::send_bump(&worker, by, at))
    }

    fn gather(workers: Vec<String>, by: u64) -> Vec<Result<u64, String>> {
        let calls: Vec<u64> = workers.iter().map(|worker| other::start_bump(worker, by)).collect();
        let mut answers: Vec<Option<Result<u64, String>>> = vec![None; calls.len()];
        loop {
            let waiting: Vec<usize> = (0..calls.len()).filter(|at| answers[*at].is_none()).collect();
            if waiting.is_empty() {
                return answers.into_iter().flatten().collect();
            }
            let pollables: Vec<_> = waiting.iter().map(|at| ::golem::call::subscribe(calls[*at])).collect();
            for ready in wasip2::io::poll::poll(&pollables.iter().collect::<Vec<_>>()) {
                let at = waiting[ready as usize];
                answers[at] = other::finish_bump(calls[at]).map(text);
            }
        }
    }

    fn start(worker: String, ms: u64) -> u64 {
        other::start_nap(&worker, ms)
    }

    fn finish(call: u64) -> Option<Result<u64, String>> {
        other::finish_nap(call).map(text)
    }

    fn cancel(call: u64) {
        ::golem::call::cancel(call);
    }
}

export!(Calls);
