//! An entry, formatted for people: in a page with long fields cut, alone as a whole.

use super::field::{EntryField, WordSearch};
use super::value::{EscapedBytes, UntypedValue, values_bytes, write_params};
use crate::catalog::Template;
use golem_api::oplog as api;
use golem_api::worker::CallingConvention;
use golem_model::oplog::{
    ClockKind, ClockReadings, CountedReadings, FailureCause, HostCall, HostCallRequest, InvocationSource,
    LifecycleEvent, RevertReason, SavedState, SnapshotImage, Suspension,
};
use golem_model::{Entry, OplogIndex, Timestamp, excerpt};
use serde_json::{Value as AnyJson, json};
use std::io::{self, Write};

/// Bytes of a text about an entry, at most.
const TEXT_BYTES_MAX: usize = 1_000;
/// Bytes of an entry in a page that its fields do not account for: its other fields, and names.
const ENTRY_BYTES: usize = 500;

/// An entry in a readable form.
pub(super) struct ShownEntry<'a> {
    index: OplogIndex,
    kind: &'static str,
    at: Option<Timestamp>,
    text: String,
    details: Vec<EntryField<'a>>,
}

impl ShownEntry<'_> {
    /// The entry in a page, and its size in bytes.
    pub(super) fn in_page(&self) -> (api::OplogEntry, usize) {
        let mut cut = false;
        let mut bytes = ENTRY_BYTES + self.text.len();
        let mut details = serde_json::Map::new();
        for field in &self.details {
            let shown = field.in_page();
            cut |= shown.is_cut;
            bytes += shown.bytes;
            details.insert(field.name.to_owned(), shown.value);
        }
        let (index, kind, text) = (self.index.0, self.kind.to_owned(), self.text.clone());
        (api::OplogEntry { index, kind, at: self.at, text, details: details.into(), cut }, bytes)
    }

    /// Writes the whole entry as JSON.
    pub(super) fn write_whole(&self, out: &mut dyn Write) -> io::Result<()> {
        let Self { index, kind, at, text, details: _ } = self;
        let head = api::OplogEntry {
            index: index.0,
            kind: (*kind).to_owned(),
            at: *at,
            text: text.clone(),
            details: AnyJson::Object(serde_json::Map::new()),
            cut: false,
        };
        // The details are the last field of the head. They are written one after another, never as a tree.
        let head = serde_json::to_string(&head)?;
        let head = head.strip_suffix("{}}").unwrap_or(&head);
        out.write_all(head.as_bytes())?;
        for (position, field) in self.details.iter().enumerate() {
            out.write_all(if position == 0 { b"{" } else { b"," })?;
            serde_json::to_writer(&mut *out, field.name)?;
            out.write_all(b":")?;
            field.write(out)?;
        }
        out.write_all(if self.details.is_empty() { b"{}}" } else { b"}}" })
    }

    /// Whether kind, text and whole details together contain all these words in lower case.
    pub(super) fn contains(&self, words: &[String]) -> bool {
        let mut search = WordSearch::new(words);
        // An error ends the search early, when all words were found.
        let _ended = self.write_searched(&mut search);
        search.finish()
    }

    fn write_searched(&self, out: &mut dyn Write) -> io::Result<()> {
        write!(out, "{} {} ", self.kind, self.text)?;
        for field in &self.details {
            write!(out, " {}:", field.name)?;
            field.write(out)?;
        }
        Ok(())
    }
}

/// Formats an entry.
pub(super) fn show_entry<'a>(template: &'a Template, index: OplogIndex, entry: &'a Entry) -> ShownEntry<'a> {
    let (kind, at, text, details) = match entry {
        Entry::Created { at, id, project, account, template_version, args, env, seed: _ } => {
            let args_bytes = args.iter().map(String::len).sum();
            let env_bytes = env.iter().map(|(name, value)| name.len() + value.len()).sum();
            (
                "created",
                Some(*at),
                format!("worker {} of template version {template_version}", id.name),
                vec![
                    EntryField::small("worker", &id.name),
                    EntryField::small("template", id.template),
                    EntryField::small("templateVersion", template_version),
                    EntryField::small("project", project),
                    EntryField::small("account", account),
                    EntryField::sized("args", args_bytes, args),
                    EntryField::sized("env", env_bytes, env),
                ],
            )
        }
        Entry::Activated { at, engine } => {
            let text = format!("loaded by {engine}");
            ("activated", Some(*at), text, vec![EntryField::small("engine", engine)])
        }
        Entry::InvocationStarted { at, key, source } => {
            let key = EntryField::small("key", (!key.is_anonymous()).then(|| key.as_str()));
            let (text, details) = show_source(template, source);
            ("invocation-started", Some(*at), text, std::iter::once(key).chain(details).collect())
        }
        Entry::HostCall { call, response } => {
            let answer = EntryField::sized("answer", response.len(), EscapedBytes(response));
            (
                "host-call",
                None,
                format!("{call} = {}", answer.excerpt()),
                vec![
                    EntryField::small("function", call.function.name()),
                    EntryField::small("request", request_text(call)),
                    answer,
                    EntryField::small("answerBytes", response.len()),
                ],
            )
        }
        Entry::ClockReadings(readings) => show_readings(readings),
        Entry::InvocationCompleted { at, result } => {
            let bytes = result.as_slice();
            let result = EntryField::sized("result", values_bytes(bytes), result.as_ref().map(UntypedValue));
            ("invocation-completed", Some(*at), format!("returned {}", result.excerpt()), vec![result])
        }
        Entry::AttemptFailed { at, details, retry_at } => (
            "attempt-failed",
            Some(*at),
            format!("failed, to be tried again at {retry_at}: {details}"),
            vec![
                EntryField::sized("details", details.len(), details),
                EntryField::small("retryAt", retry_at),
            ],
        ),
        Entry::InvocationFailed { at, cause } => {
            let details = cause_text(cause);
            let field = EntryField::sized("details", details.len(), details.clone());
            ("invocation-failed", Some(*at), details, vec![field])
        }
        Entry::ProgramEnded { at } => {
            ("program-ended", Some(*at), "the worker's program has ended".to_owned(), Vec::new())
        }
        Entry::Suspended(Suspension { at, monotonic_nanos, wake_at, promises }) => {
            let promises: Vec<String> = promises.iter().map(ToString::to_string).collect();
            let until = wake_at.map_or_else(|| "it is woken".to_owned(), |at| at.to_string());
            let text = format!("waits outside memory until {until}, for {} promises", promises.len());
            let bytes = promises.iter().map(String::len).sum();
            let details = vec![
                EntryField::small("wakeAt", wake_at),
                EntryField::sized("promises", bytes, promises),
                EntryField::small("monotonicNanos", monotonic_nanos),
            ];
            ("parked", Some(*at), text, details)
        }
        Entry::Configured { at, options } => {
            let details = vec![
                EntryField::small("retryPolicy", options.retry_policy),
                EntryField::small("onFailure", options.on_failure),
            ];
            ("configured", Some(*at), "the worker's failure policy".to_owned(), details)
        }
        Entry::Revert { at, from, reason } => {
            let reason = match reason {
                RevertReason::RegionRetry => "region",
                RevertReason::Jump => "jump",
                RevertReason::OperatorRecovery => "recovered",
                RevertReason::FailureRollback => "rolled-back",
                RevertReason::OperatorRevert => "reverted",
            };
            let text = format!("from {from} up to here is not replayed any more ({reason})");
            let details = vec![EntryField::small("from", from.0), EntryField::small("reason", reason)];
            ("set-aside", Some(*at), text, details)
        }
        Entry::LifecycleEvent(event) => show_lifecycle_event(event),
    };
    ShownEntry { index, kind, at, text: excerpt(TEXT_BYTES_MAX, format_args!("{text}")), details }
}

fn show_readings(readings: &ClockReadings) -> ShownEvent<'static> {
    let mut texts = Vec::new();
    let mut details = Vec::new();
    for (clock, name) in [(ClockKind::Wall, "wall"), (ClockKind::Monotonic, "monotonic")] {
        let CountedReadings { first, count } = readings.of(clock);
        if count > 0 {
            texts.push(format!("{} read {count} times, first {first} ns", clock.function()));
            details.push(EntryField::small(name, json!({ "count": count, "firstNanos": first })));
        }
    }
    ("clock-readings", None, texts.join("; "), details)
}

fn show_source<'a>(template: &'a Template, source: &'a InvocationSource) -> (String, Vec<EntryField<'a>>) {
    match source {
        InvocationSource::Inline { function, params } => {
            let shown = EntryField::from_writer("params", values_bytes(params), move |out| {
                write_params(template, function, params, out)
            });
            let text = format!("{function} with {}", shown.excerpt());
            (text, vec![EntryField::small("function", function.as_ref()), shown])
        }
        InvocationSource::Program { function, convention, input } => {
            let convention = CallingConvention::from(*convention);
            let shown = EntryField::sized("input", input.len(), input);
            let text = format!("{function} by {convention} with {}", shown.excerpt());
            let details = vec![
                EntryField::small("function", function.as_ref()),
                EntryField::small("callingConvention", convention),
                shown,
            ];
            (text, details)
        }
        InvocationSource::Queued { row: accepted_row } => {
            (format!("the invocation of row {accepted_row}"), vec![EntryField::small("row", accepted_row)])
        }
    }
}

type ShownEvent<'a> = (&'static str, Option<Timestamp>, String, Vec<EntryField<'a>>);

fn show_lifecycle_event(event: &LifecycleEvent) -> ShownEvent<'_> {
    let (kind, text, details) = match event {
        LifecycleEvent::Snapshot { at: _, state } => {
            let text = format!("saved and loaded {} bytes", image_bytes(state));
            let details = vec![
                EntryField::small("version", state.version),
                EntryField::small("invocations", state.invocations),
                EntryField::small("bytes", image_bytes(state)),
                EntryField::small("digest", digest(state)),
            ];
            ("snapshot", text, details)
        }
        LifecycleEvent::SnapshotRefused { at: _, details } => (
            "snapshot-refused",
            format!("cannot be saved: {details}"),
            vec![EntryField::sized("details", details.len(), details)],
        ),
        LifecycleEvent::Updated { at: _, from, to, state, files } => {
            let saved = state.as_ref().map(|state| {
                json!({
                    "version": state.version, "invocations": state.invocations,
                    "bytes": image_bytes(state), "digest": digest(state),
                })
            });
            let details = vec![
                EntryField::small("from", from),
                EntryField::small("to", to),
                EntryField::small("saved", saved),
                EntryField::small("fileConflicts", files.as_ref().map(|files| files.total)),
            ];
            ("updated", format!("runs version {to} instead of {from}"), details)
        }
        LifecycleEvent::UpdateRefused { at: _, from, to, mode, index, details } => (
            "update-refused",
            format!("stays on version {from}, the update to {to} would fail: {details}"),
            vec![
                EntryField::small("from", from),
                EntryField::small("to", to),
                EntryField::small("mode", mode),
                EntryField::small("index", index.map(|index| index.0)),
                EntryField::sized("details", details.len(), details),
            ],
        ),
    };
    (kind, Some(event.at()), text, details)
}

fn image_bytes(state: &SavedState) -> u64 {
    match &state.image {
        SnapshotImage::Inline(bytes) => bytes.len() as u64,
        SnapshotImage::Blob { length, hash: _ } => *length,
    }
}

fn digest(state: &SavedState) -> String {
    blake3::Hash::from_bytes(state.image.digest()).to_hex().to_string()
}

fn cause_text(cause: &FailureCause) -> String {
    match cause {
        FailureCause::Trap { details } => details.clone(),
        FailureCause::Discarded { details } => format!("discarded: {details}"),
        FailureCause::ProcessEnded { times } => FailureCause::process_ended_text(*times),
        FailureCause::Exited { code } => format!("the program called exit with code {code}"),
        FailureCause::ExitedWithStderr { code, stderr } => {
            format!("the program exited with code {code}\nstandard error:\n{stderr}")
        }
        FailureCause::Diverged { index, recorded, requested } => format!(
            "replay diverged at {index}: the oplog holds {recorded}, the program asked for {requested}"
        ),
    }
}

fn request_text(call: &HostCall) -> String {
    match &call.request {
        HostCallRequest::Inline(bytes) => bytes.escape_ascii().to_string(),
        HostCallRequest::Digest { length, hash } => {
            format!("{length} bytes, blake3 {}", blake3::Hash::from_bytes(*hash).to_hex())
        }
    }
}
