//! How the server and the agent write their logs: as JSON, where every value is quoted, or as text for people, where nothing
//! that somebody else chose can end a line or move a terminal's cursor.

use std::fmt::{self, Write as _};

use tracing::field::Field;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::field::MakeExt as _;
use tracing_subscriber::fmt::format::{Writer, debug_fn};
use tracing_subscriber::fmt::{FormatFields, MakeWriter};
use tracing_subscriber::util::{SubscriberInitExt as _, TryInitError};

/// What a log looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Json,
    Text,
}

/// Starts the process's log on standard error; to be called once.
pub fn start(filter: EnvFilter, format: Format) -> Result<(), TryInitError> {
    subscriber(filter, format, std::io::stderr).try_init()
}

/// The same, written to wherever `writer` says.
pub fn subscriber<W>(
    filter: EnvFilter,
    format: Format,
    writer: W,
) -> Box<dyn tracing::Subscriber + Send + Sync>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(writer);
    match format {
        Format::Json => Box::new(builder.json().flatten_event(true).finish()),
        Format::Text => Box::new(builder.fmt_fields(fields()).finish()),
    }
}

/// An error's own words and those of everything beneath it, for a log: an error as a field of an event shows its own alone.
pub fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

/// The one place where values become text: of events and of spans.
fn fields() -> impl for<'writer> FormatFields<'writer> + Send + Sync + 'static {
    debug_fn(|writer: &mut Writer<'_>, field: &Field, value: &dyn fmt::Debug| {
        let mut escaping = Escaping(writer);
        match field.name() {
            "message" => write!(escaping, "{value:?}"),
            name => write!(escaping, "{}={value:?}", name.strip_prefix("r#").unwrap_or(name)),
        }
    })
    .delimited(" ")
}

/// Shows what would be obeyed: control characters, line and paragraph separators, and what changes the reading direction.
struct Escaping<'a, 'writer>(&'a mut Writer<'writer>);

impl fmt::Write for Escaping<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for character in text.chars() {
            if is_obeyed(character) {
                write!(self.0, "{}", character.escape_default())?;
            } else {
                self.0.write_char(character)?;
            }
        }
        Ok(())
    }
}

fn is_obeyed(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{200e}' | '\u{200f}' | '\u{061c}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
        )
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("unbroken").extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    const HOSTILE: &str = "x\n2026-11-28T00:00:00Z  INFO all is well\r\u{1b}[2J\u{9b}2J\u{2028}\u{202e}";

    fn logged(format: Format) -> String {
        let lines = Lines::default();
        let there = lines.clone();
        let subscriber = subscriber(EnvFilter::new("info"), format, move || there.clone());
        tracing::subscriber::with_default(subscriber, || {
            let span = tracing::info_span!("request", organization = HOSTILE);
            let _entered = span.enter();
            tracing::warn!(detail = HOSTILE, shown = %HOSTILE, debugged = ?HOSTILE, "said {HOSTILE}");
            tracing::warn!(error = &io::Error::other(HOSTILE) as &dyn std::error::Error, "failed");
        });
        let bytes = lines.0.lock().expect("unbroken").clone();
        String::from_utf8(bytes).expect("UTF-8")
    }

    #[test]
    fn an_error_is_told_with_everything_beneath_it() {
        assert_eq!(causes(&io::Error::other("the file is gone")), "the file is gone");
        assert_eq!(causes(&stays()), "the certificate stays: the key is another one's");
    }

    /// One whose words are not its source's.
    fn stays() -> impl std::error::Error {
        #[derive(Debug)]
        struct Stays(io::Error);
        impl fmt::Display for Stays {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the certificate stays")
            }
        }
        impl std::error::Error for Stays {
            fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
                Some(&self.0)
            }
        }
        Stays(io::Error::other("the key is another one's"))
    }

    #[test]
    fn no_text_of_others_ends_a_line_or_moves_the_cursor() {
        let text = logged(Format::Text);
        assert_eq!(text.lines().count(), 2, "{text}");
        // The colours are ours: `\u{1b}[` and a number with `m`.
        assert!(!text.contains("\u{1b}[2J") && !text.contains('\u{9b}') && !text.contains('\r'), "{text}");
        assert!(!text.contains('\u{2028}') && !text.contains('\u{202e}'), "{text}");
        assert!(text.contains(r"x\n2026-11-28T00:00:00Z  INFO all is well"), "{text}");
        assert!(text.contains("said x") && text.contains("organization="), "{text}");
    }

    #[test]
    fn as_json_every_event_is_one_line() {
        let text = logged(Format::Json);
        assert_eq!(text.lines().count(), 2, "{text}");
        for line in text.lines() {
            serde_json::from_str::<serde_json::Value>(line).expect("JSON");
        }
    }
}
