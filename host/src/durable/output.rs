//! Printed events that wait for the entries that were recorded before them.
//!
//! A line tells a reader what the guest did, so it must not be visible before that is durable. It
//! leaves with the buffered entries, which are appended within the time that entries may wait. It
//! causes an append of its own only if the buffer of events is full.

use crate::ports::{LogEvent, PrintedEvent};
use golem_model::OplogIndex;

/// Number of events that wait for the buffered entries; the event that reaches it appends the
/// entries.
const EVENTS_BUFFERED_MAX: usize = 256;
/// Bytes of text that wait for the buffered entries; the event that reaches them appends the
/// entries.
const TEXT_BUFFERED_BYTES_MAX: usize = 256 << 10;

/// The printed events of an activation that were not passed to the sink.
#[derive(Debug, Default)]
pub(super) struct OutputBuffer {
    events: Vec<PrintedEvent>,
    bytes: usize,
    /// The place of the last event.
    after: OplogIndex,
    number: u64,
}

impl OutputBuffer {
    /// Adds an event after the entry `after`.
    pub(super) fn push(&mut self, after: OplogIndex, event: LogEvent) {
        if after != self.after {
            (self.after, self.number) = (after, 0);
        }
        self.number += 1;
        self.bytes += event.text_bytes();
        self.events.push(PrintedEvent { after, number: self.number, event });
    }

    /// Whether the events must leave now.
    pub(super) fn is_full(&self) -> bool {
        self.events.len() >= EVENTS_BUFFERED_MAX || self.bytes >= TEXT_BUFFERED_BYTES_MAX
    }

    /// Takes the events.
    pub(super) fn take(&mut self) -> Vec<PrintedEvent> {
        self.bytes = 0;
        std::mem::take(&mut self.events)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(bytes: usize) -> LogEvent {
        LogEvent::Stdout("x".repeat(bytes).into())
    }

    #[test]
    fn events_are_numbered_after_each_entry() {
        let mut output = OutputBuffer::default();
        for after in [7, 7, 8] {
            output.push(OplogIndex(after), event(1));
        }
        let places = |events: Vec<PrintedEvent>| {
            events.iter().map(|printed| (printed.after.0, printed.number)).collect::<Vec<_>>()
        };
        assert_eq!(places(output.take()), [(7, 1), (7, 2), (8, 1)]);
        output.push(OplogIndex(8), event(1));
        assert_eq!(places(output.take()), [(8, 2)], "the number continues when events have left");
    }

    #[test]
    fn events_and_their_text_are_bounded() {
        let mut output = OutputBuffer::default();
        for _ in 1..EVENTS_BUFFERED_MAX {
            output.push(OplogIndex(1), event(1));
        }
        assert!(!output.is_full());
        output.push(OplogIndex(1), event(1));
        assert!(output.is_full());
        output.take();
        assert!(!output.is_full());
        output.push(OplogIndex(1), event(TEXT_BUFFERED_BYTES_MAX));
        assert!(output.is_full());
    }
}
