//! The world outside the platform: a service that workers call over HTTP, without a network.
//!
//! The service counts requests, and recognises a repeated one by its `Idempotency-Key`, as a careful receiver does. It
//! answers late, with an error, or with a body in pieces, and it outlives every crash of the node. It checks what
//! docs/durability.md promises about requests (G4):
//!
//! - all deliveries of one request carry the same key, and no other request carries it;
//! - an activation delivers a request at most once, and a request that must not be repeated is delivered at most once;
//! - a request is not delivered again after the caller of its invocation got the answer.

use super::clock::SimulationClock;
use super::history::History;
use super::locked;
use super::mutants::Mutant;
use crate::rng::Rng;
use async_trait::async_trait;
use golem_host::ports::{Clock, HttpBody, HttpFailure, HttpPart, HttpRequest, HttpResponse, OutboundHttp};
use golem_model::ProjectId;
use golem_runtime::executor::OutboundProvider;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// The host name of the service in the URLs of guests.
pub const HOST: &str = "http://tally.example";
/// The beginning of the path of a request that must not be repeated.
pub const ONCE: &str = "/once/";

/// The service. Clones are one service.
#[derive(Debug, Clone)]
pub struct OutsideService {
    shared: Arc<Shared>,
    mutant: Option<Mutant>,
    clock: SimulationClock,
    history: Arc<Mutex<History>>,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    random: Rng,
    /// Requests by their path, which is different for each.
    requests: BTreeMap<String, DeliveredRequest>,
    /// Paths by key.
    paths: BTreeMap<String, String>,
    /// Number of connections so far, one for each activation of a worker.
    connections: u64,
}

/// A request that was delivered.
#[derive(Debug)]
struct DeliveredRequest {
    key: String,
    /// The count of the service when it was delivered first.
    value: u64,
    connections: BTreeSet<u64>,
}

/// What happens to a delivery.
enum DeliveryOutcome {
    /// The connection breaks before the service has the request.
    Lost,
    /// The connection breaks after the service has counted the request.
    Unanswered,
    Answered {
        pieces: bool,
    },
}

impl OutsideService {
    /// A service that nothing has called yet.
    pub fn new(
        random: Rng,
        clock: SimulationClock,
        history: Arc<Mutex<History>>,
        mutant: Option<Mutant>,
    ) -> Self {
        let state = State { random, requests: BTreeMap::new(), paths: BTreeMap::new(), connections: 0 };
        Self { shared: Arc::new(Shared { state: Mutex::new(state) }), mutant, clock, history }
    }

    fn draw_delivery(&self) -> (DeliveryOutcome, [Duration; 2]) {
        let random = &mut locked(&self.shared.state).random;
        let outcome = match random.below(12) {
            0 => DeliveryOutcome::Lost,
            1 => DeliveryOutcome::Unanswered,
            2..4 => DeliveryOutcome::Answered { pieces: true },
            _ => DeliveryOutcome::Answered { pieces: false },
        };
        let delays = [(); 2].map(|()| Duration::from_millis(*random.pick(&[0, 0, 3, 70, 900, 4_000])));
        (outcome, delays)
    }

    async fn wait(&self, time: Duration) {
        if !time.is_zero() {
            self.clock.sleep_until(self.clock.elapsed() + time).await;
        }
    }

    /// Counts a delivery, and returns the number of its request.
    fn deliver(&self, connection: u64, request: &HttpRequest) -> u64 {
        let path = request.uri.path().to_owned();
        let key = request.headers.get("idempotency-key").and_then(|key| key.to_str().ok());
        let mut key = key.unwrap_or_default().to_owned();
        if self.mutant == Some(Mutant::ChangesHttpKeys) {
            key = format!("{key} of {connection}");
        }
        let mut wrong = None;
        let (value, is_repeated) = {
            let mut state = locked(&self.shared.state);
            let of_key = state.paths.entry(key.clone()).or_insert_with(|| path.clone()).clone();
            if of_key != path {
                wrong = Some(format!("{path} was sent with the key {key} of {of_key}"));
            }
            let count = state.requests.len() as u64;
            let delivered = state.requests.entry(path.clone()).or_insert_with(|| DeliveredRequest {
                key: key.clone(),
                value: count + 1,
                connections: BTreeSet::new(),
            });
            let is_repeated = !delivered.connections.is_empty();
            if delivered.key != key {
                wrong = Some(format!("{path} was sent with the keys {} and {key}", delivered.key));
            }
            if !delivered.connections.insert(connection) {
                wrong = Some(format!("{path} was sent twice by one activation"));
            }
            if is_repeated && path.starts_with(ONCE) {
                wrong = Some(format!("{path} was sent again, although it must not be repeated"));
            }
            (delivered.value, is_repeated)
        };
        let mut history = locked(&self.history);
        history.note(&format!("{path} is delivered by activation {connection}, as number {value}"));
        if is_repeated {
            history.count_operation("repeated HTTP request");
        }
        if history.has_http_ended(&path) {
            wrong = Some(format!("{path} was sent again after its caller got the answer"));
        }
        if let Some(wrong) = wrong {
            history.fail(wrong);
        }
        value
    }

    /// The number that the service has given to the request with this path.
    pub fn request_number(&self, path: &str) -> Option<u64> {
        locked(&self.shared.state).requests.get(path).map(|delivered| delivered.value)
    }
}

impl OutboundProvider for OutsideService {
    fn for_project(&self, _: ProjectId) -> Arc<dyn OutboundHttp> {
        let number = {
            let mut state = locked(&self.shared.state);
            state.connections += 1;
            state.connections
        };
        Arc::new(Connection { outside: self.clone(), number })
    }
}

/// The connection of one activation of a worker.
#[derive(Debug)]
struct Connection {
    outside: OutsideService,
    number: u64,
}

#[async_trait]
impl OutboundHttp for Connection {
    fn admit_request(&self, _: &HttpRequest) -> Result<(), HttpFailure> {
        Ok(())
    }

    async fn send(&self, request: &HttpRequest) -> Result<HttpResponse, HttpFailure> {
        let outside = &self.outside;
        let (outcome, [before, after]) = outside.draw_delivery();
        outside.wait(before).await;
        if matches!(outcome, DeliveryOutcome::Lost) {
            return Err(HttpFailure::Refused);
        }
        let value = outside.deliver(self.number, request);
        if outside.mutant == Some(Mutant::RepeatsHttpRequests)
            && locked(&outside.shared.state).random.once_in(10)
        {
            outside.deliver(self.number, request);
        }
        outside.wait(after).await;
        let text = format!("{value:06}").into_bytes();
        match outcome {
            DeliveryOutcome::Lost | DeliveryOutcome::Unanswered => Err(HttpFailure::Terminated),
            DeliveryOutcome::Answered { pieces } => {
                let chunks =
                    if pieces { text.chunks(2).map(<[u8]>::to_vec).collect() } else { [text.clone()].into() };
                let length = (!pieces).then_some(text.len() as u64);
                let body = Body { outside: outside.clone(), chunks, pause: after };
                Ok(HttpResponse {
                    status: 200,
                    headers: request.headers.clone(),
                    length,
                    body: Box::new(body),
                })
            }
        }
    }
}

struct Body {
    outside: OutsideService,
    chunks: VecDeque<Vec<u8>>,
    pause: Duration,
}

#[async_trait]
impl HttpBody for Body {
    async fn next(&mut self) -> Result<HttpPart, HttpFailure> {
        if let Some(chunk) = self.chunks.pop_front() {
            return Ok(HttpPart::Data(chunk.into()));
        }
        self.outside.wait(self.pause).await;
        Ok(HttpPart::End(None))
    }
}
