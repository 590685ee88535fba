//! The wrong requests, as data.

mod identity;
mod uploads;

use super::BODY_BYTES_MAX;
use golem_tests::guests;
use golem_tests::http::Request;
use golem_tests::rest::{Api, Key, invocation, percent_encoded, worker_path};
use serde_json::{Value, json};

/// The worker that most cases address.
pub(crate) const WORKER: &str = "w";
/// A UUID that is not the id of any object.
const UNKNOWN_ID: &str = "00000000-0000-4000-8000-000000000000";
const FORM_HINT: &str = "send multipart/form-data with two parts: `field0`, the JSON {\"componentName\": \"…\"}, \
                    and `template`, the WebAssembly component; a third one, `files`, may be a tar archive of files";

/// A wrong request and the expected answer.
#[derive(Debug)]
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) request: Request,
    /// Whether our token is added to the request.
    pub(crate) with_token: bool,
    pub(crate) status: u16,
    /// The expected message; `*` matches any text.
    pub(crate) message: String,
}

/// The objects that the cases refer to.
#[derive(Debug)]
pub(crate) struct TestData {
    /// Id of the template `counter`.
    pub(crate) counter: String,
    cart: String,
    account: String,
    project: String,
    /// An invocation key of another worker.
    foreign_key: String,
    /// The value of the counter [`WORKER`].
    pub(crate) increments: u64,
}

impl TestData {
    pub(crate) async fn prepare(api: &mut Api) -> Self {
        let counter = api.upload("counter", &guests::bytes(guests::COUNTER)).await;
        let cart = api.upload("cart", &guests::bytes(guests::CART)).await;
        api.create(&counter, WORKER).await;
        let used = Key::Idempotency("used".to_owned());
        let count = invocation("invoke-and-await", &counter, WORKER, guests::INCREMENT, &json!([]), &used);
        api.ok(count).await;
        let fill = format!("{}/initialize-cart", guests::CART_API);
        let filling = invocation("invoke-and-await", &cart, WORKER, &fill, &json!(["user"]), &used);
        api.ok(filling).await;
        let foreign_key = api.key(&counter, "other").await;
        let (account, project) = (api.account().await, api.default_project().await);
        Self { counter, cart, account, project, foreign_key, increments: 1 }
    }
}

/// A case whose request gets our token.
fn case(name: &'static str, request: Request, status: u16, message: impl Into<String>) -> Case {
    Case { name, request, with_token: true, status, message: message.into() }
}

/// All cases.
pub(crate) fn all(data: &TestData) -> Vec<Case> {
    [
        authentication(),
        paths(data),
        identity::cases(data),
        uploads::cases(data),
        workers(data),
        invocations(data),
        values(data),
        keys(data),
        promises(data),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn authentication() -> Vec<Case> {
    let list = || Request::get("/v1/templates");
    let with = |value: &str| list().header("Authorization", value);
    let malformed =
        "Unauthorized: the header Authorization must be `Bearer <token>`, where the token is a UUID";
    let missing = "Unauthorized: the header `Authorization: Bearer <token>` is missing";
    vec![
        Case { with_token: false, ..case("no token", list(), 401, missing) },
        case("another scheme", with("Basic Z29sZW06Z29sZW0="), 401, malformed),
        case("a token that is no UUID", with("Bearer secret"), 401, malformed),
        case("no token after the scheme", with("Bearer"), 401, malformed),
        case(
            "an unknown token",
            list().bearer(UNKNOWN_ID),
            401,
            "Unauthorized: the token is not known to this server",
        ),
    ]
}

fn paths(data: &TestData) -> Vec<Case> {
    let template = &data.counter;
    let below = |rest: &str| format!("/v1/templates/{template}{rest}");
    let no_uuid = "Invalid template id \"counter\": it must be a UUID";
    vec![
        case(
            "an unknown path",
            Request::get("/v1/nothing"),
            404,
            "there is nothing at GET /v1/nothing; docs/rest.md lists the endpoints",
        ),
        case(
            "a wrong method",
            Request::new("DELETE", "/v1/templates"),
            405,
            "/v1/templates does not answer DELETE; the header Allow lists the methods that it does",
        ),
        case("a template id that is no UUID", Request::get("/v1/templates/counter"), 400, no_uuid),
        case("the same in a longer path", Request::get("/v1/templates/counter/workers/w"), 400, no_uuid),
        case(
            "an unknown template",
            Request::get(format!("/v1/templates/{UNKNOWN_ID}")),
            404,
            format!("Template not found: {UNKNOWN_ID}"),
        ),
        case(
            "the latest version of an unknown template",
            Request::get(format!("/v1/templates/{UNKNOWN_ID}/latest")),
            404,
            format!("Template not found: {UNKNOWN_ID}"),
        ),
        case(
            "a version that does not exist",
            Request::get(below("/download?version=7")),
            404,
            format!("Template not found: {template} has no version 7"),
        ),
        case(
            "a version that is no number",
            Request::get(below("/download?version=x")),
            400,
            "Invalid query: *version*",
        ),
        case(
            "an unknown worker",
            Request::get(below("/workers/missing")),
            404,
            format!("Worker not found: {template}/missing"),
        ),
        case(
            "to delete an unknown worker",
            Request::new("DELETE", below("/workers/missing")),
            404,
            format!("Worker not found: {template}/missing"),
        ),
        case(
            "to interrupt an unknown worker",
            Request::post(below("/workers/missing/interrupt")),
            404,
            format!("Worker not found: {template}/missing"),
        ),
        case(
            "to resume an unknown worker",
            Request::post(below("/workers/missing/resume")),
            404,
            format!("Worker not found: {template}/missing"),
        ),
        case(
            "interrupt with a flag that is no boolean",
            Request::post(below("/workers/w/interrupt?recover-immediately=perhaps")),
            400,
            "Invalid query: *",
        ),
        case(
            "a worker id without its name",
            Request::get(format!("/v1/templates/workers/{template}")),
            400,
            format!("Invalid worker id \"{template}\": it must be templateId.workerName"),
        ),
        case(
            "connect without a WebSocket upgrade",
            Request::get(below("/workers/w/connect")),
            426,
            "connect is a WebSocket: *",
        ),
        case(
            "escaped bytes that are not UTF-8",
            Request::get(below("/workers/%ff")),
            400,
            "the path holds escaped bytes that are not UTF-8",
        ),
    ]
}

fn workers(data: &TestData) -> Vec<Case> {
    let create = |body: &Value| Request::post(format!("/v1/templates/{}/workers", data.counter)).json(body);
    let named = |name: &str| create(&json!({ "name": name, "args": [], "env": [] }));
    let long = "x".repeat(101);
    vec![
        case(
            "a worker without a name",
            named(""),
            400,
            "Invalid worker name: it is empty; a name has 1 to 100 characters",
        ),
        case(
            "a name that is too long",
            named(&long),
            400,
            "Invalid worker name: it has 101 characters; at most 100 are allowed",
        ),
        case(
            "a name with a space",
            named("a b"),
            400,
            "Invalid worker name \"a b\": the character ' ' is not allowed; use letters, digits, `_` and `-`",
        ),
        case(
            "a name like an option",
            named("-a"),
            400,
            "Invalid worker name \"-a\": it must not start with `-`",
        ),
        case(
            "a name with a path to the parent folder",
            Request::post(worker_path(&data.counter, "..%2Fa", "key")),
            400,
            "Invalid worker name \"../a\": the character '.' is not allowed; use letters, digits, `_` and `-`",
        ),
        case(
            "a worker that exists",
            named(WORKER),
            409,
            format!("Worker already exists: {}/{WORKER}", data.counter),
        ),
        case(
            "a worker of an unknown template",
            Request::post(format!("/v1/templates/{UNKNOWN_ID}/workers")).json(&json!({ "name": "a" })),
            404,
            format!("Template not found: {UNKNOWN_ID}"),
        ),
        case(
            "a body without a name",
            create(&json!({ "args": [] })),
            400,
            "Invalid request body: missing field `name` at line 1 column 11",
        ),
        case(
            "arguments that are no strings",
            create(&json!({ "name": "a", "args": [1] })),
            400,
            "Invalid request body: invalid type: integer `1`, expected a string at line 1 column *",
        ),
        case(
            "environment that is no pairs",
            create(&json!({ "name": "a", "env": [["A"]] })),
            400,
            "Invalid request body: *",
        ),
        case(
            "a variable with an equals sign in its name",
            create(&json!({ "name": "a", "env": [["A=B", "c"]] })),
            400,
            "Invalid env: \"A=B\" is not a valid name of a variable; it must not be empty or contain `=` or NUL",
        ),
        case(
            "an argument with a NUL",
            create(&json!({ "name": "a", "args": ["a\u{0}b"] })),
            400,
            "Invalid args: an argument holds a NUL character",
        ),
        case(
            "JSON that ends early",
            Request::post(format!("/v1/templates/{}/workers", data.counter))
                .body("application/json", "{\"name\": \"a\",\n\"args\": ["),
            400,
            "Malformed JSON in the request body: EOF while parsing a list at line 2 column 9",
        ),
        case(
            "no body",
            Request::post(format!("/v1/templates/{}/workers", data.counter)),
            400,
            "Invalid request body: it is empty, JSON was expected",
        ),
    ]
}

fn invocations(data: &TestData) -> Vec<Case> {
    let call = |function: &str, params: &Value| {
        invocation("invoke-and-await", &data.counter, WORKER, function, params, &Key::None)
    };
    let known = "The template exports golem:counter/api/get, golem:counter/api/increment";
    let path = worker_path(&data.counter, WORKER, "invoke-and-await");
    let increment = format!("{path}?function={}", percent_encoded(guests::INCREMENT));
    let body = |text: &'static str| Request::post(increment.clone()).body("application/json", text);
    vec![
        case(
            "a misspelled function",
            call("golem:counter/api/incremnt", &json!([])),
            400,
            format!(
                "Unknown function \"golem:counter/api/incremnt\": did you mean \"{}\"? {known}",
                guests::INCREMENT
            ),
        ),
        case(
            "a function without its interface",
            call("get", &json!([])),
            400,
            format!("Unknown function \"get\": did you mean \"{}\"? {known}", guests::GET),
        ),
        case(
            "a function with no similar name",
            call("start-engines", &json!([])),
            400,
            format!("Unknown function \"start-engines\". {known}"),
        ),
        case(
            "no function",
            Request::post(path.clone()).json(&json!({ "params": [] })),
            400,
            "Invalid query: *missing field `function`*",
        ),
        case(
            "a function of an unknown template",
            invocation("invoke-and-await", UNKNOWN_ID, WORKER, guests::GET, &json!([]), &Key::None),
            404,
            format!("Template not found: {UNKNOWN_ID}"),
        ),
        case(
            "an unknown function without waiting",
            invocation("invoke", &data.counter, WORKER, "nothing-here", &json!([]), &Key::None),
            400,
            format!("Unknown function \"nothing-here\". {known}"),
        ),
        case(
            "an invalid worker name",
            invocation("invoke", &data.counter, "a.b", guests::GET, &json!([]), &Key::None),
            400,
            "Invalid worker name \"a.b\": the character '.' is not allowed; use letters, digits, `_` and `-`",
        ),
        case(
            "malformed JSON",
            body("{params: []}"),
            400,
            "Malformed JSON in the request body: key must be a string at line 1 column 2",
        ),
        case(
            "JSON with trailing characters",
            body("{\"params\": []} []"),
            400,
            "Malformed JSON in the request body: trailing characters at line 1 column 16",
        ),
        case(
            "no parameters",
            body("{}"),
            400,
            "Invalid request body: missing field `params` at line 1 column 2",
        ),
        case("a body that is no object", body("7"), 400, "Invalid request body: *"),
        case(
            "an empty body",
            Request::post(increment.clone()),
            400,
            "Invalid request body: it is empty, JSON was expected",
        ),
        case(
            "a body that is too large",
            Request::post(increment.clone()).json(&json!({ "params": ["x".repeat(BODY_BYTES_MAX)] })),
            413,
            format!("the request body is larger than the limit of {BODY_BYTES_MAX} bytes"),
        ),
        case(
            "JSON that is too deep",
            Request::post(increment.clone()).body(
                "application/json",
                format!("{{\"params\": {}{}}}", "[".repeat(1_000), "]".repeat(1_000)),
            ),
            400,
            "Malformed JSON in the request body: recursion limit exceeded at line 1 column *",
        ),
        case(
            "a program call of a function with parameters",
            Request::post(format!(
                "{}?function={}&calling-convention=stdio",
                worker_path(&data.cart, WORKER, "invoke-and-await"),
                percent_encoded(&format!("{}/initialize-cart", guests::CART_API))
            ))
            .json(&json!({ "params": [] })),
            400,
            "The exported function should not have any parameters when using the stdio calling convention",
        ),
        case(
            "an event loop without a key",
            Request::post(format!("{increment}&calling-convention=Stdio-EventLoop"))
                .json(&json!({ "params": [] })),
            400,
            "the calling convention stdio-event-loop needs an invocation key: ask for one with *",
        ),
        case(
            "an unknown calling convention",
            Request::post(format!("{increment}&calling-convention=fast")).json(&json!({ "params": [] })),
            400,
            "Invalid query: *fast*",
        ),
        case(
            "a waiting time that is no number",
            call(guests::GET, &json!([])).header("Golem-Await-Ms", "long"),
            400,
            "the header Golem-Await-Ms must be a number of milliseconds",
        ),
        case(
            "an unknown encoding of bytes",
            call(guests::GET, &json!([])).header("Golem-Bytes", "hex"),
            400,
            "the header Golem-Bytes must be array or base64",
        ),
    ]
}

fn values(data: &TestData) -> Vec<Case> {
    let cart = |function: &str, params: &Value| {
        let function = format!("{}/{function}", guests::CART_API);
        invocation("invoke-and-await", &data.cart, WORKER, &function, params, &Key::None)
    };
    let add = |item: &Value| cart("add-item", &json!([item]));
    let item = |field: &str, value: Value| {
        let mut item = json!({ "product-id": "p", "name": "n", "price": 1.5, "quantity": 2 });
        item[field] = value;
        item
    };
    vec![
        case(
            "too many parameters",
            invocation("invoke-and-await", &data.counter, WORKER, guests::GET, &json!([1]), &Key::None),
            400,
            "Unexpected number of parameters (got 1, expected: 0)",
        ),
        case(
            "too few parameters",
            cart("add-item", &json!([])),
            400,
            "Unexpected number of parameters (got 0, expected: 1)",
        ),
        case(
            "parameters that are no array",
            cart("add-item", &item("quantity", json!(1))),
            400,
            "params: expected an array of 1 parameters, found object",
        ),
        case(
            "null instead of parameters",
            cart("remove-item", &json!(null)),
            400,
            "params: expected an array of 1 parameters, found null",
        ),
        case(
            "a number instead of a string",
            cart("remove-item", &json!([7])),
            400,
            "params[0]: expected string, found number",
        ),
        case(
            "a string instead of a record",
            add(&json!("p")),
            400,
            "params[0]: expected record (an object), found string",
        ),
        case(
            "a string instead of a number in a record",
            add(&item("price", json!("1.5"))),
            400,
            "params[0].price: expected f32, found string",
        ),
        case(
            "null instead of a string in a record",
            add(&item("name", json!(null))),
            400,
            "params[0].name: expected string, found null",
        ),
        case(
            "a negative quantity",
            add(&item("quantity", json!(-1))),
            400,
            "params[0].quantity: value -1 is not within the range of 0 to 4294967295 of u32",
        ),
        case(
            "a quantity that is too large",
            add(&item("quantity", json!(4_294_967_296_u64))),
            400,
            "params[0].quantity: value 4294967296 is not within the range of 0 to 4294967295 of u32",
        ),
        case(
            "a fraction for an integer",
            add(&item("quantity", json!(0.5))),
            400,
            "params[0].quantity: expected u32, found the number 0.5",
        ),
        case(
            "a price beyond the range of f32",
            add(&item("price", json!(1e300))),
            400,
            "params[0].price: value 1e+300 is not within the range of -3.4028235e38 to 3.4028235e38 of f32",
        ),
        case(
            "a record that lacks a field",
            add(&json!({ "product-id": "p", "name": "n", "price": 1 })),
            400,
            "params[0]: missing field \"quantity\" (u32)",
        ),
        case(
            "a field in another spelling",
            add(&json!({ "product_id": "p", "name": "n", "price": 1, "quantity": 1 })),
            400,
            "params[0]: missing field \"product-id\" (string)",
        ),
        case(
            "the second of two parameters",
            cart("update-item-quantity", &json!(["p", true])),
            400,
            "params[1]: expected u32, found boolean",
        ),
    ]
}

fn keys(data: &TestData) -> Vec<Case> {
    let call = |function: &str, key: Key| {
        invocation("invoke-and-await", &data.counter, WORKER, function, &json!([]), &key)
    };
    let used = |function: &str, params: &Value| {
        let function = format!("{}/{function}", guests::CART_API);
        let key = Key::Idempotency("used".to_owned());
        invocation("invoke-and-await", &data.cart, WORKER, &function, params, &key)
    };
    let header = |value: &str| call(guests::GET, Key::Idempotency(value.to_owned()));
    let reused = |first: &str, requested: &str| {
        format!(
            "the invocation key used was used before for {first} with other parameters or for another function; this \
             request asks for {requested}. A key names one invocation: take a new one"
        )
    };
    let initialize = format!("{}/initialize-cart", guests::CART_API);
    vec![
        case(
            "a key that the server did not make",
            call(guests::GET, Key::Invocation(UNKNOWN_ID.to_owned())),
            400,
            format!("Invalid invocation key {UNKNOWN_ID}*"),
        ),
        case(
            "a key that is no UUID",
            call(guests::GET, Key::Invocation("mine".to_owned())),
            400,
            "Invalid invocation key mine*",
        ),
        case(
            "a key of another worker",
            call(guests::GET, Key::Invocation(data.foreign_key.clone())),
            400,
            format!("Invalid invocation key {}*", data.foreign_key),
        ),
        case(
            "a key with a space",
            header("a b"),
            400,
            "Invalid idempotency key: it has 3 bytes and holds a character that is not visible ASCII; use 1 to 255 \
             visible ASCII characters",
        ),
        case(
            "a key that is too long",
            header(&"k".repeat(256)),
            400,
            "Invalid idempotency key: it has 256 bytes; use 1 to 255 visible ASCII characters",
        ),
        case(
            "a key that is empty",
            header(""),
            400,
            "Invalid idempotency key: it has 0 bytes; use 1 to 255 visible ASCII characters",
        ),
        case(
            "two keys",
            call(guests::GET, Key::Invocation(data.foreign_key.clone())).header("Idempotency-Key", "mine"),
            400,
            "the query names the invocation by `invocation-key` and the header Idempotency-Key names it differently; \
             send one of them",
        ),
        case(
            "a key of another function",
            call(guests::GET, Key::Idempotency("used".to_owned())),
            409,
            reused(guests::INCREMENT, guests::GET),
        ),
        case(
            "a key of other parameters",
            used("initialize-cart", &json!(["another"])),
            409,
            reused(&initialize, &initialize),
        ),
        case(
            "a key of another function with the same parameters, without waiting",
            invocation(
                "invoke",
                &data.counter,
                WORKER,
                guests::GET,
                &json!([]),
                &Key::Idempotency("used".to_owned()),
            ),
            409,
            reused(guests::INCREMENT, guests::GET),
        ),
    ]
}

fn promises(data: &TestData) -> Vec<Case> {
    let complete =
        |worker: &str, body: &Value| Request::post(worker_path(&data.counter, worker, "complete")).json(body);
    vec![
        case(
            "a promise that does not exist",
            complete(WORKER, &json!({ "oplogIdx": 99_999, "data": [] })),
            404,
            format!("Promise not found: {}/{WORKER}*99999*", data.counter),
        ),
        case(
            "a position that is no promise",
            complete(WORKER, &json!({ "oplogIdx": "1", "data": [] })),
            404,
            format!("Promise not found: {}/{WORKER}*1*", data.counter),
        ),
        case(
            "a promise of a worker that does not exist",
            complete("missing", &json!({ "oplogIdx": 1, "data": [] })),
            404,
            "* not found: *missing*",
        ),
        case(
            "an index that is no number",
            complete(WORKER, &json!({ "oplogIdx": "ten", "data": [] })),
            400,
            "Invalid request body: *ten*",
        ),
        case(
            "a negative index",
            complete(WORKER, &json!({ "oplogIdx": -1, "data": [] })),
            400,
            "Invalid request body: *-1*",
        ),
        case(
            "no data",
            complete(WORKER, &json!({ "oplogIdx": 1 })),
            400,
            "Invalid request body: missing field `data` *",
        ),
        case(
            "data that is no list of bytes",
            complete(WORKER, &json!({ "oplogIdx": 1, "data": [256] })),
            400,
            "Invalid request body: expected an array of numbers from 0 to 255, or {\"base64\": string} at line 1 column 13",
        ),
        case(
            "data that is a string",
            complete(WORKER, &json!({ "oplogIdx": 1, "data": "text" })),
            400,
            "Invalid request body: *",
        ),
    ]
}
