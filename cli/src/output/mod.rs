//! Data goes to stdout, in the form that was asked for.

mod age;
mod audit;
mod connected;
mod elevations;
mod escape;
mod git;
mod identity_providers;
mod idle;
mod members;
mod membership;
mod objects;
mod ports;
mod ssh_keys;
mod table;
mod timeline;
mod tokens;
mod tree;
mod variables;
mod why;

use std::borrow::Cow;
use std::io::{self, IsTerminal as _, Write as _};

use berth_schema::api::Paged;
use berth_schema::timeline::Transition;
use jiff::Timestamp;
use serde::Serialize;

pub(crate) use audit::Recorded;
pub(crate) use elevations::for_a_time;
pub(crate) use escape::escape;
pub(crate) use membership::Membership;
pub(crate) use objects::done;

use crate::args::{Color, Global};
use crate::error::Error;
pub(crate) use table::Cell;

/// The forms of output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    /// For reading
    Table,
    /// For reading, with more columns
    Wide,
    /// The objects of the API
    Json,
    /// The same as YAML
    Yaml,
    /// Names alone, one a line
    Name,
}

/// `-o` of commands that read.
#[derive(Debug, clap::Args)]
pub(crate) struct ReadOutput {
    /// The form of the output
    #[arg(long, short, value_name = "FORM", default_value = "table", hide_possible_values = true)]
    #[arg(help = "The form of the output: table, wide, json, yaml or name")]
    pub(crate) output: Format,
}

/// `-o` of commands that change something: without it the name, fit for a script's variable.
#[derive(Debug, clap::Args)]
pub(crate) struct ChangeOutput {
    /// The form of the output
    #[arg(long, short, value_name = "FORM", default_value = "name", hide_possible_values = true)]
    #[arg(help = "The form of the output: table, wide, json, yaml or name")]
    pub(crate) output: Format,
}

/// An object that can be shown.
pub(crate) trait Show: Serialize {
    /// What `-o name` prints, and other commands take.
    fn name(&self) -> Cow<'_, str>;
    /// Column heads of a list. Those of `wide` begin with those of the narrow one.
    fn columns(wide: bool) -> &'static [&'static str];
    /// One cell for each of the columns.
    fn row(&self, wide: bool, now: Timestamp) -> Vec<Cell>;
    /// Label and value of everything a person may want to know of one object.
    fn details(&self, now: Timestamp) -> Vec<(&'static str, Cell)>;
}

/// Writes to stdout.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Printer {
    is_terminal: bool,
    styled: bool,
}

impl Printer {
    pub(crate) fn new(color: Color) -> Self {
        let stdout = io::stdout();
        Self { is_terminal: stdout.is_terminal(), styled: crate::terminal::is_styled(color, &stdout) }
    }

    pub(crate) fn of(global: &Global) -> Self {
        Self::new(global.color)
    }

    pub(crate) fn list<T: Show>(self, page: &Paged<T>, format: Format, now: Timestamp) -> Result<(), Error> {
        let text = match format {
            Format::Table | Format::Wide => {
                let wide = format == Format::Wide;
                let rows: Vec<_> = page.items.iter().map(|item| item.row(wide, now)).collect();
                self.table(T::columns(wide), &rows)
            }
            Format::Json => json(page)?,
            Format::Yaml => yaml(page)?,
            Format::Name => table::lines(page.items.iter().map(|item| escape(&item.name()))),
        };
        write(&text)
    }

    pub(crate) fn one<T: Show>(self, object: &T, format: Format, now: Timestamp) -> Result<(), Error> {
        let text = match format {
            Format::Table => self.details(&object.details(now)),
            Format::Wide => self.table(T::columns(true), &[object.row(true, now)]),
            Format::Json => json(object)?,
            Format::Yaml => yaml(object)?,
            Format::Name => format!("{}\n", escape(&object.name())),
        };
        write(&text)
    }

    fn table(self, columns: &[&str], rows: &[Vec<Cell>]) -> String {
        if self.is_terminal {
            table::aligned(columns, rows, self.styled)
        } else {
            table::plain(columns, rows)
        }
    }

    fn details(self, details: &[(&'static str, Cell)]) -> String {
        if self.is_terminal {
            table::details_aligned(details, self.styled)
        } else {
            table::details_plain(details)
        }
    }

    /// A page of a timeline that came the newest first; a person reads it the other way round.
    pub(crate) fn timeline(
        self,
        page: &Paged<Transition>,
        format: Format,
        now: Timestamp,
    ) -> Result<(), Error> {
        let text = match format {
            Format::Table | Format::Wide => self.table(&timeline::COLUMNS, &timeline::rows(&page.items, now)),
            Format::Json => json(page)?,
            Format::Yaml => yaml(page)?,
            Format::Name => table::lines(page.items.iter().map(|item| item.number.to_string())),
        };
        write(&text)
    }

    /// For a line at each change, as long as somebody watches.
    pub(crate) const fn rows_of_a_watch(self, format: Format) -> Rows {
        Rows { printer: self, format, widths: Vec::new() }
    }

    /// Label and value pairs that are no object of the API.
    pub(crate) fn pairs(self, pairs: &[(&'static str, Cell)]) -> Result<(), Error> {
        write(&self.details(pairs))
    }

    /// Rows that are no object of the API.
    pub(crate) fn rows(self, columns: &[&str], rows: &[Vec<Cell>]) -> Result<(), Error> {
        write(&self.table(columns, rows))
    }
}

/// Lines that come one after the other.
#[derive(Debug)]
pub(crate) struct Rows {
    printer: Printer,
    format: Format,
    /// Of the columns so far; none before the first line.
    widths: Vec<usize>,
}

impl Rows {
    /// One line, or one document of JSON or YAML. The heads go first.
    pub(crate) fn show<T: Show>(&mut self, object: &T, now: Timestamp) -> Result<(), Error> {
        let wide = self.format == Format::Wide;
        match self.format {
            Format::Table | Format::Wide => {
                let row = object.row(wide, now);
                let heads = self.widths.is_empty().then(|| T::columns(wide));
                let styled = self.printer.styled;
                let text = if self.printer.is_terminal {
                    table::growing(heads, &row, &mut self.widths, styled)
                } else {
                    self.widths.resize(row.len(), 0);
                    table::tabs(heads, &row)
                };
                write(&text)
            }
            // One document a line, as tools read a stream of them.
            Format::Json => {
                let text = serde_json::to_string(object)
                    .map_err(|error| Error::Other(format!("cannot write JSON: {error}")))?;
                write(&(escape::json(&text) + "\n"))
            }
            Format::Yaml => write(&format!("---\n{}", yaml(object)?)),
            Format::Name => write(&format!("{}\n", escape(&object.name()))),
        }
    }
}

/// Writes a document of several lines: to a file as it is, and where a terminal would obey something, escaped.
pub(crate) fn document(text: &str) -> Result<(), Error> {
    if io::stdout().is_terminal() { write(&escape::keep_lines(text)) } else { write(text) }
}

/// Pretty JSON. Control and direction characters are escaped in it, as JSON allows for any character of a string.
pub(crate) fn json(value: &impl Serialize) -> Result<String, Error> {
    let text = serde_json::to_string_pretty(value)
        .map_err(|error| Error::Other(format!("cannot write JSON: {error}")))?;
    Ok(escape::json(&text) + "\n")
}

/// YAML. What it would leave bare although a terminal obeys it, or nobody sees it, needs a form with escapes: JSON, which is YAML
/// too.
pub(crate) fn yaml(value: &impl Serialize) -> Result<String, Error> {
    let text = serde_saphyr::to_string(value)
        .map_err(|error| Error::Other(format!("cannot write YAML: {error}")))?;
    if escape::is_plain(&text) {
        return Ok(text);
    }
    let text = serde_json::to_string_pretty(value)
        .map_err(|error| Error::Other(format!("cannot write YAML: {error}")))?;
    Ok(escape::flow_yaml(&text) + "\n")
}

/// Writes data. A reader that has gone is no error of ours.
pub(crate) fn write(text: &str) -> Result<(), Error> {
    bytes(text.as_bytes())
}

/// Writes what is somebody's own as it is, to a terminal as well.
pub(crate) fn bytes(bytes: &[u8]) -> Result<(), Error> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(bytes).and_then(|()| stdout.flush()).map_err(|error| match error.kind() {
        io::ErrorKind::BrokenPipe => Error::OutputClosed,
        _ => Error::file("write to", "stdout", error),
    })
}
