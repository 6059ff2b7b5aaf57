//! The log on standard error: never waited for, and bounded in what others may fill.

use std::fmt::Debug;
use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tracing::Subscriber;
use tracing::field::Field;
use tracing_subscriber::field::MakeExt;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::{Writer, debug_fn};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

use super::Failure;
use super::clean::{printable, printable_colours, printable_lines};
use super::gate::{ByPlace, Gate};
use super::lossy::{Lines, Remarks};

/// Bytes of the log that may wait for standard error.
const WAITING_BYTES_MAX: usize = 1024 * 1024;
/// Longest line; the rest of a longer one is left out.
const LINE_BYTES_MAX: usize = 2 * 1024;
/// What a slow reader gets at the end.
const PATIENCE: Duration = Duration::from_secs(1);

/// The log, until dropped.
pub struct Log {
    lines: Lines,
    /// What may be logged of each kind of event.
    pub gate: Arc<Gate>,
}

impl Drop for Log {
    fn drop(&mut self) {
        self.lines.close(PATIENCE);
    }
}

/// Logs what `filter` lets through.
pub fn start(filter: &str) -> Result<Log, Failure> {
    let filter = EnvFilter::try_new(filter).map_err(|error| {
        Failure::Input(format!(
            "--log `{filter}`: {error}; write for example `info` or `orrery_node=debug`"
        ))
    })?;
    let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let ansi = !no_color && io::stderr().is_terminal();
    let gate = Arc::<Gate>::default();
    let remarks = LogRemarks(Arc::clone(&gate));
    let lines = duplicate(io::stderr())
        .and_then(|out| Lines::start("log", out, WAITING_BYTES_MAX, remarks))
        .map_err(|error| Failure::Other(format!("cannot start the log: {error}")))?;
    let layer = layer(lines.clone(), ansi).with_filter(ByPlace(Arc::clone(&gate)));
    tracing_subscriber::registry()
        .with(filter)
        .with(layer)
        .init();
    Ok(Log { lines, gate })
}

/// Writes to `lines`, in colours if `ansi`. Fields are others' words, and tracing's own formatter
/// escapes only some of them: it is the one thing that may write escape sequences.
fn layer<S>(lines: Lines, ansi: bool) -> impl Layer<S>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    let field = |out: &mut Writer<'_>, field: &Field, value: &dyn Debug| {
        let text = printable(&format!("{value:?}"));
        match field.name() {
            "message" => write!(out, "{text}"),
            name => write!(out, "{name}={text}"),
        }
    };
    tracing_subscriber::fmt::layer()
        .fmt_fields(debug_fn(field).delimited(" "))
        .with_writer(LogWriter { lines, ansi })
        .with_ansi(ansi)
}

/// A handle of its own to where `stream` goes: writing to it takes no lock that others wait for.
pub fn duplicate(stream: impl AsFd) -> io::Result<File> {
    Ok(File::from(stream.as_fd().try_clone_to_owned()?))
}

struct LogRemarks(Arc<Gate>);

impl Remarks for LogRemarks {
    fn after_loss(&mut self, lost: u64) -> Option<String> {
        Some(format!(
            "WARN {lost} lines of the log were left out: standard error takes them too slowly"
        ))
    }

    fn due(&mut self, is_end: bool) -> Vec<String> {
        let left_out = self.0.left_out(Instant::now(), is_end);
        let tell = |(kind, lines)| {
            format!("WARN {lines} more lines of `{kind}` were left out: there were too many")
        };
        left_out.into_iter().map(tell).collect()
    }
}

struct LogWriter {
    lines: Lines,
    ansi: bool,
}

impl<'a> MakeWriter<'a> for LogWriter {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Line<'a> {
        Line {
            to: self,
            bytes: Vec::new(),
        }
    }
}

/// One entry of the log, given on when it is complete.
struct Line<'a> {
    to: &'a LogWriter,
    bytes: Vec<u8>,
}

impl Write for Line<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Line<'_> {
    fn drop(&mut self) {
        if self.bytes.is_empty() {
            return;
        }
        if self.bytes.len() > LINE_BYTES_MAX {
            self.bytes.truncate(LINE_BYTES_MAX);
            self.bytes.extend_from_slice(b" ...\n");
        }
        let text = String::from_utf8_lossy(&self.bytes);
        let text = if self.to.ansi {
            printable_colours(&text)
        } else {
            printable_lines(&text)
        };
        self.to.lines.push(text.into_bytes());
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::os::fd::OwnedFd;

    use super::*;

    #[test]
    fn fields_of_others_do_not_steer_the_terminal() {
        for ansi in [true, false] {
            let (mut reader, writer) = io::pipe().expect("a pipe");
            let out = File::from(OwnedFd::from(writer));
            let remarks = LogRemarks(Arc::default());
            let lines = Lines::start("test", out, WAITING_BYTES_MAX, remarks).expect("starts");
            let subscriber = tracing_subscriber::registry().with(layer(lines.clone(), ansi));
            let theirs = "\u{1b}]0;x\u{7}\u{202e}";
            tracing::subscriber::with_default(subscriber, || {
                let span = tracing::error_span!("work", of = %theirs);
                let _within = span.enter();
                tracing::error!(error = %theirs, raw = ?theirs, "it says {theirs}");
            });
            lines.close(Duration::from_secs(10));
            let mut text = String::new();
            reader.read_to_string(&mut text).expect("reads");
            for bad in ["\u{1b}]", "\u{7}", "\u{202e}"] {
                assert!(!text.contains(bad), "{text:?}");
            }
            assert!(text.contains("error=") && text.contains("]0;x"), "{text:?}");
            assert_eq!(text.contains('\u{1b}'), ansi, "{text:?}");
        }
    }
}
