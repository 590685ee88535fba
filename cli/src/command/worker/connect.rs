//! `worker connect`: prints the log stream of a worker.

use crate::args::Format;
use crate::command::Context;
use crate::error::CliError;
use crate::output;
use golem_api::connect::{ConnectFormat, ConnectFrame, MessageFrame};
use golem_model::WorkerId;
use std::io::Write;

/// Prints the output of the worker until the stream ends: as text, or as one JSON event per line.
pub(super) async fn connect(
    context: &Context,
    worker: &WorkerId,
    out: &mut (impl Write + Send),
) -> Result<(), CliError> {
    let mut stream = context.client.worker_connect(worker, ConnectFormat::Events).await?;
    while let Some(frame) = stream.next().await {
        print_frame(out, context.format, frame?)?;
    }
    eprintln!("The worker was unloaded from memory; run `worker connect` again to follow it.");
    Ok(())
}

/// Prints one frame.
fn print_frame(out: &mut impl Write, format: Format, frame: ConnectFrame) -> Result<(), CliError> {
    match (frame, format) {
        (ConnectFrame::Message(MessageFrame::Error { error }), _) => Err(error.into()),
        (ConnectFrame::Message(MessageFrame::Message { message }), Format::Yaml) => {
            output::write(out, &message)
        }
        (ConnectFrame::Event(frame), Format::Yaml) => match MessageFrame::of(&frame.event) {
            MessageFrame::Message { message } => output::write(out, &message),
            MessageFrame::Error { error } => Err(error.into()),
        },
        (ConnectFrame::Message(message), Format::Json) => print_json_line(out, &message),
        (ConnectFrame::Event(frame), Format::Json) => print_json_line(out, &frame.event),
    }
}

fn print_json_line(out: &mut impl Write, value: &impl serde::Serialize) -> Result<(), CliError> {
    let text = serde_json::to_string(value).map_err(std::io::Error::other).map_err(CliError::WriteResult)?;
    output::write(out, &(text + "\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(format: Format, frame: &str) -> Result<String, String> {
        let mut out = Vec::new();
        let frame = serde_json::from_str(frame).expect("the text is a frame");
        print_frame(&mut out, format, frame).map_err(|error| error.report())?;
        Ok(String::from_utf8(out).expect("the output is text"))
    }

    #[test]
    fn frames_of_both_generations_are_printed() {
        let log = r#"{"event":{"Log":{"level":3,"context":"cart","message":"low"}}}"#;
        for (format, frame, text) in [
            (Format::Yaml, r#"{"Message":{"message":"half a li"}}"#, "half a li"),
            (Format::Yaml, r#"{"event":{"Stdout":{"message":"out\n"}}}"#, "out\n"),
            (Format::Yaml, r#"{"event":{"Stderr":{"message":"err\n"}}}"#, "err\n"),
            (Format::Yaml, log, "[WARN] [cart] low\n"),
            (Format::Json, log, "{\"Log\":{\"level\":3,\"context\":\"cart\",\"message\":\"low\"}}\n"),
        ] {
            assert_eq!(printed(format, frame).as_deref(), Ok(text), "{frame}");
        }
        assert_eq!(
            printed(Format::Yaml, r#"{"Error":{"error":{"NotFound":{"error":"no worker"}}}}"#),
            Err("Not found: no worker".to_owned())
        );
        assert_eq!(
            printed(
                Format::Yaml,
                r#"{"Error":{"error":{"golem":{"golem_error":{"PreviousInvocationFailed":{}}}}}}"#
            ),
            Err("Internal server error: The previously invoked function failed".to_owned())
        );
    }
}
