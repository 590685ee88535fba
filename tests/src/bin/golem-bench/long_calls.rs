//! Long calls that read the clock all the time: what their durable progress costs in commits.

use crate::StoreCounters;
use crate::load::{self, PhaseLimit};
use golem_tests::rest::{Api, Key, invocation};
use golem_tests::server::Server;
use golem_tests::{guests, wait};
use serde_json::json;

/// Numbers of workers that run such a call at the same time.
const WORKERS: [usize; 2] = [1, 32];
/// Sleeps of a call. For each one, the guest reads the clock three times.
const SLEEPS: u32 = 333;
/// Milliseconds of a sleep.
const SLEEP_MS: u32 = 30;

/// Measures, and returns the commits per second of the single call.
pub(crate) async fn measure(server: &Server, api: &mut Api, quick: bool) -> anyhow::Result<f64> {
    let sleeps = if quick { SLEEPS / 5 } else { SLEEPS };
    println!(
        "\nlong calls: {} clock readings in about {:.0} s each",
        3 * sleeps,
        f64::from(sleeps * SLEEP_MS) / 1e3
    );
    let template = api.upload("sleeps", &guests::bytes(guests::SLEEPS)).await;
    let caller = server.api();
    let mut single = None;
    for workers in WORKERS {
        let request = |client: usize| {
            let (worker, params) = (format!("long-{workers}-{client}"), json!([sleeps, SLEEP_MS]));
            let request =
                invocation("invoke-and-await", &template, &worker, guests::SLEEP_OFTEN, &params, &Key::None);
            caller.with_token(request).bytes()
        };
        let before = StoreCounters::read(api).await?;
        let begin = wait::now();
        load::run(server.address, workers, PhaseLimit::one_call_each(workers), request).await?;
        let seconds = begin.elapsed().as_secs_f64();
        let after = StoreCounters::read(api).await?;
        let commits = (after.commits - before.commits) / seconds;
        println!("  {workers:>3} calls: {seconds:>5.1} s, {commits:>5.0} commits/s of the node");
        single.get_or_insert(commits);
    }
    Ok(single.unwrap_or_default())
}
