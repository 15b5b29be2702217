//! Logs on standard error: standard output is for scripts.
//!
//! Messages contain everything that matters, so a line of text is the time, the level and the message. Fields are for
//! programs; a line shows them only if the message does not contain them.

use std::fmt;

use tracing::field::{Field, Visit};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::field::RecordFields;
use tracing_subscriber::fmt::FormatFields;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::FormatTime;

use super::arguments::Log;

/// The default filter: requests and outcomes of this project, warnings of everything else. In text a request is one line:
/// other lines of functions are left out unless they are warnings.
fn filter(log: Log) -> EnvFilter {
    let functions = crate::functions::all().into_iter().map(|function| function.name.replace('-', "_"));
    let ours = ["local", "shared"].map(str::to_owned).into_iter().chain(functions);
    let mut filter = ours.fold("warn".to_owned(), |all, name| format!("{all},{name}=info"));
    if log == Log::Text {
        filter.push_str(",runtime::obs=warn");
    }
    EnvFilter::new(filter)
}

/// Starts logging.
pub(super) fn start(log: Log) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| filter(log));
    let subscriber = tracing_subscriber::fmt().with_writer(std::io::stderr).with_target(false).with_env_filter(filter);
    match log {
        Log::Text => subscriber.with_timer(TimeOfDay).fmt_fields(Readable).init(),
        Log::Json => subscriber.json().flatten_event(true).with_current_span(true).with_span_list(false).init(),
    }
}

/// The time of the day, in UTC.
struct TimeOfDay;

impl FormatTime for TimeOfDay {
    fn format_time(&self, writer: &mut Writer<'_>) -> fmt::Result {
        write!(writer, "{}", system::clock::system().now().format("%H:%M:%S%.3f"))
    }
}

/// The message, and the fields that it does not contain.
pub(crate) struct Readable;

impl<'writer> FormatFields<'writer> for Readable {
    fn format_fields<R: RecordFields>(&self, mut writer: Writer<'writer>, fields: R) -> fmt::Result {
        let mut read = Read::default();
        fields.record(&mut read);
        writer.write_str(&read.message)?;
        let mut separator = if read.message.is_empty() { "" } else { " " };
        // Only errors need the request id.
        let is_said = |name: &str, value: &str| name == "requestId" || read.message.contains(value);
        let others = read.others.iter().filter(|(name, value)| read.message.is_empty() || !is_said(name, value));
        for (name, value) in others {
            write!(writer, "{separator}{name}={value}")?;
            separator = " ";
        }
        Ok(())
    }
}

#[derive(Default)]
struct Read {
    message: String,
    others: Vec<(&'static str, String)>,
}

impl Visit for Read {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.message = format!("{value:?}");
        } else {
            self.others.push((field.name(), format!("{value:?}")));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Captured;

    #[test]
    fn a_line_of_text_repeats_no_field() {
        let captured = Captured::start();
        let subscriber = tracing_subscriber::fmt().without_time().with_target(false).fmt_fields(Readable);
        let subscriber = subscriber.with_ansi(false).with_writer(captured.clone()).finish();
        tracing::subscriber::with_default(subscriber, || {
            tracing::info!(method = "GET", status = 200, requestId = "r0", "GET /x 200");
            tracing::error!(code = 7, why = "elsewhere", "it failed");
            let _span = tracing::info_span!("invocation", requestId = "r1").entered();
            tracing::warn!("inside");
        });
        assert_eq!(
            captured.text(),
            " INFO GET /x 200\nERROR it failed code=7 why=elsewhere\n WARN invocation{requestId=r1}: inside\n"
        );
    }
}
