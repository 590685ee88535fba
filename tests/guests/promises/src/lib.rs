//! Promises, through bindings of the published interface, without the guest library.

wit_bindgen::generate!({
    path: ["../../../wit/golem-api", "wit"],
    world: "golem:promises/promises",
    generate_all,
});

use exports::golem::promises::api::Guest;
use golem::api::host::{
    PromiseId, get_self_uri, golem_await_promise, golem_complete_promise, golem_create_promise,
    golem_delete_promise,
};

struct Promises;

impl Guest for Promises {
    fn create() -> PromiseId {
        golem_create_promise()
    }

    fn await_(promise: PromiseId) -> Vec<u8> {
        golem_await_promise(&promise)
    }

    fn complete(promise: PromiseId, data: Vec<u8>) -> bool {
        golem_complete_promise(&promise, &data)
    }

    fn delete(promise: PromiseId) {
        golem_delete_promise(&promise);
    }

    fn series(count: u32) -> Vec<Vec<u8>> {
        let one = |_| {
            let promise = golem_create_promise();
            println!("promise @{}", promise.oplog_idx);
            golem_await_promise(&promise)
        };
        (0..count).map(one).collect()
    }

    fn answer_oneself(data: Vec<u8>) -> Vec<u8> {
        let promise = golem_create_promise();
        golem_complete_promise(&promise, &data);
        golem_await_promise(&promise)
    }

    fn self_uri(function: String) -> String {
        get_self_uri(&function).uri
    }
}

export!(Promises);
