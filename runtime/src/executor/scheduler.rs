//! The task that advances the time of the timers (`state/timers.rs`). It also appends the acceptances of invocations that
//! are due (`progress`).

use super::core::Core;
use super::state::TimerEvent;
use std::sync::Arc;
use std::time::Duration;

/// Maximum time to sleep, because the wall clock may jump.
const SLEEP_MAX: Duration = Duration::from_secs(1);

/// Wakes workers when their timers elapse, and appends acceptances when they are due, until the core stops.
pub(crate) async fn run(core: Arc<Core>) {
    loop {
        let changed = core.timers_changed.notified();
        let (wait, elapsed, due) = {
            let mut state = core.lock();
            if state.stopping {
                return;
            }
            let now = core.clock.now();
            for timer in state.scheduler.step(now, TimerEvent::Tick) {
                core.handle_timer(&mut state, timer);
            }
            let elapsed = core.clock.elapsed();
            let due = Core::due_acceptances(&state, elapsed);
            let timer = state.scheduler.next_due().map(|at| at.since(now).min(SLEEP_MAX));
            let acceptance = state.acceptances.next_due_after(elapsed).map(|due| due.saturating_sub(elapsed));
            (timer.into_iter().chain(acceptance).min(), elapsed, due)
        };
        core.append_due_acceptances(due);
        match wait {
            None => tokio::select! {
                biased;
                () = core.stop.cancelled() => return,
                () = changed => {}
            },
            Some(wait) => {
                tokio::select! {
                    biased;
                    () = core.stop.cancelled() => return,
                    () = changed => {}
                    () = core.clock.sleep_until(elapsed + wait) => {}
                }
            }
        }
    }
}
