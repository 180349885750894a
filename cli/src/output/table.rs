//! Tables: aligned and coloured on a terminal, separated by tabs otherwise.

use comfy_table::{Attribute, Color, ContentArrangement, Table, TableStyle};

use super::escape::escape;

/// A text and what it means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cell {
    text: String,
    tone: Tone,
}

/// What a cell means for the eye.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Tone {
    #[default]
    Plain,
    Good,
    Busy,
    Bad,
    Faint,
}

impl Cell {
    /// Escapes the text: it may come from anywhere.
    pub(crate) fn new(text: impl AsRef<str>, tone: Tone) -> Self {
        Self { text: escape(text.as_ref()), tone }
    }

    fn styled(&self) -> comfy_table::Cell {
        let cell = comfy_table::Cell::new(&self.text);
        match self.tone {
            Tone::Plain => cell,
            Tone::Good => cell.fg(Color::Green),
            Tone::Busy => cell.fg(Color::Yellow),
            Tone::Bad => cell.fg(Color::Red),
            Tone::Faint => cell.add_attribute(Attribute::Dim),
        }
    }
}

impl<T: ToString> From<T> for Cell {
    fn from(value: T) -> Self {
        Self::new(value.to_string(), Tone::Plain)
    }
}

/// One line a row, however narrow the terminal: a name in two halves could not be copied.
pub(super) fn aligned(columns: &[&str], rows: &[Vec<Cell>], styled: bool) -> String {
    let mut table = empty(styled);
    table.set_content_arrangement(ContentArrangement::Disabled);
    let heads = columns.iter().map(|head| comfy_table::Cell::new(head).add_attribute(Attribute::Bold));
    table.set_header(heads);
    table.add_rows(rows.iter().map(|row| row.iter().map(Cell::styled)));
    finish(&mut table)
}

/// One line a row, the heads first, tabs between: for `cut` and `awk`.
pub(super) fn plain(columns: &[&str], rows: &[Vec<Cell>]) -> String {
    let heads = columns.join("\t");
    let rows =
        rows.iter().map(|row| row.iter().map(|cell| cell.text.as_str()).collect::<Vec<_>>().join("\t"));
    lines(std::iter::once(heads).chain(rows))
}

/// The same for a line that comes alone; the heads, if any, go before it.
pub(super) fn tabs(heads: Option<&[&str]>, row: &[Cell]) -> String {
    let heads = heads.map(|heads| heads.join("\t"));
    let row = row.iter().map(|cell| cell.text.as_str()).collect::<Vec<_>>().join("\t");
    lines(heads.into_iter().chain(std::iter::once(row)))
}

/// A line that comes alone, below those that came before: its columns are as wide as those were, or wider.
pub(super) fn growing(heads: Option<&[&str]>, row: &[Cell], widths: &mut Vec<usize>, styled: bool) -> String {
    widths.resize(row.len(), 0);
    let texts = heads.into_iter().flatten().copied().chain(row.iter().map(|cell| cell.text.as_str()));
    for (place, text) in texts.enumerate() {
        let width = &mut widths[place % row.len()];
        *width = (*width).max(console::measure_text_width(text));
    }
    let padded = |cells: &[Cell]| {
        let cells = cells.iter().zip(widths.iter()).map(|(cell, width)| {
            let padded = console::pad_str(&cell.text, *width, console::Alignment::Left, None).into_owned();
            console::style(padded).apply_tone(cell.tone).force_styling(styled).to_string()
        });
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    let heads = heads.map(|heads| heads.iter().map(|head| Cell::new(head, Tone::Plain)).collect::<Vec<_>>());
    lines(heads.iter().map(|heads| padded(heads)).chain(std::iter::once(padded(row))))
}

/// How a tone looks outside of a table.
trait ApplyTone {
    fn apply_tone(self, tone: Tone) -> Self;
}

impl ApplyTone for console::StyledObject<String> {
    fn apply_tone(self, tone: Tone) -> Self {
        match tone {
            Tone::Plain => self,
            Tone::Good => self.green(),
            Tone::Busy => self.yellow(),
            Tone::Bad => self.red(),
            Tone::Faint => self.dim(),
        }
    }
}

/// Label and value, long values wrapped to the terminal.
pub(super) fn details_aligned(details: &[(&'static str, Cell)], styled: bool) -> String {
    let mut table = empty(styled);
    // A terminal that does not know its width says 0: then nothing can be wrapped to it.
    let is_known = table.width().is_some_and(|width| width > 0);
    let arrangement = if is_known { ContentArrangement::Dynamic } else { ContentArrangement::Disabled };
    table.set_content_arrangement(arrangement);
    for (label, cell) in details {
        let label = comfy_table::Cell::new(format!("{label}:")).add_attribute(Attribute::Bold);
        table.add_row([label, cell.styled()]);
    }
    finish(&mut table)
}

pub(super) fn details_plain(details: &[(&'static str, Cell)]) -> String {
    lines(details.iter().map(|(label, cell)| format!("{label}\t{}", cell.text)))
}

fn empty(styled: bool) -> Table {
    let mut table = Table::new();
    table.load_style(TableStyle::new());
    if styled {
        table.enforce_styling();
    } else {
        // Without this comfy-table would judge by itself; the width must still be the terminal's.
        let width = table.width();
        table.force_no_tty();
        if let Some(width) = width {
            table.set_width(width);
        }
    }
    table
}

fn finish(table: &mut Table) -> String {
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    lines(table.lines().map(|line| line.trim_end().to_owned()))
}

/// Each with an end of line.
pub(super) fn lines(lines: impl Iterator<Item = String>) -> String {
    lines.map(|line| line + "\n").collect()
}
