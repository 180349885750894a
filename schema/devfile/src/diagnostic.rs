//! What is wrong with a file, and where.

use std::cell::RefCell;
use std::fmt;

use berth_schema::{FieldError, Warning, WorkspaceSpec};
use serde::{Deserialize, Serialize};

/// The most diagnostics that one reading gives.
pub const MAX_DIAGNOSTICS: usize = 50;

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Diagnostic {
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
    /// The place in the document, as in `components[1].container.image`; empty for the document itself.
    pub path: String,
    /// What is wrong and what would be right.
    pub message: String,
}

impl Diagnostic {
    /// For an HTTP answer: the path goes behind `field` (`devfile.components[0].name`), the position into the message.
    pub fn to_field_error(&self, field: &str) -> FieldError {
        let separator = if self.path.is_empty() || self.path.starts_with('[') { "" } else { "." };
        FieldError::new(
            format!("{field}{separator}{}", self.path),
            format!("{} (line {}, column {})", self.message, self.line, self.column),
        )
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}: ", self.line, self.column)?;
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.message)
    }
}

impl std::error::Error for Diagnostic {}

/// A place in the text; both from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Position {
    pub(crate) line: usize,
    pub(crate) column: usize,
}

impl Position {
    pub(crate) const START: Self = Self { line: 1, column: 1 };
}

/// Collects diagnostics while a document is read. Shared by all cursors into it, therefore behind a cell.
#[derive(Debug, Default)]
pub(crate) struct Report {
    found: RefCell<Vec<Diagnostic>>,
    warnings: RefCell<Vec<Warning>>,
}

impl Report {
    pub(crate) fn add(&self, at: Position, path: impl Into<String>, message: impl Into<String>) {
        let Position { line, column } = at;
        self.found.borrow_mut().push(Diagnostic { line, column, path: path.into(), message: message.into() });
    }

    /// Of something that is accepted: `what` is done with it, and `why`.
    pub(crate) fn warn(&self, at: Position, path: impl Into<String>, what: &str, why: impl Into<String>) {
        let Position { line, column } = at;
        let (what, why) = (what.to_owned(), why.into());
        self.warnings.borrow_mut().push(Warning { line, column, path: path.into(), what, why });
    }

    /// The spec with its warnings, or what is wrong.
    pub(crate) fn conclude_spec(self, spec: Option<WorkspaceSpec>) -> Result<WorkspaceSpec, Vec<Diagnostic>> {
        let mut warnings = self.warnings.take();
        warnings.sort();
        warnings.dedup();
        if warnings.len() > MAX_DIAGNOSTICS {
            let more = warnings.len() - (MAX_DIAGNOSTICS - 1);
            warnings.truncate(MAX_DIAGNOSTICS);
            if let Some(last) = warnings.last_mut() {
                last.path = String::new();
                (last.what, last.why) =
                    ("and more".to_owned(), format!("{more} more warnings from here on are not shown"));
            }
        }
        self.conclude(spec.map(|spec| WorkspaceSpec { warnings, ..spec }))
    }

    /// `value` when nothing was found, otherwise the first diagnostics of the text. What does not fit is counted.
    pub(crate) fn conclude<T>(self, value: Option<T>) -> Result<T, Vec<Diagnostic>> {
        let mut found = self.found.into_inner();
        match value {
            Some(value) if found.is_empty() => return Ok(value),
            _ => {}
        }
        found.sort();
        found.dedup();
        if found.len() > MAX_DIAGNOSTICS {
            let more = found.len() - (MAX_DIAGNOSTICS - 1);
            found.truncate(MAX_DIAGNOSTICS);
            if let Some(last) = found.last_mut() {
                last.path = String::new();
                last.message = format!("{more} more errors from here on are not shown");
            }
        }
        Err(found)
    }
}

/// A text as it may stand in a message: bounded, without control characters.
pub(crate) fn shown(text: &str) -> String {
    const MAX: usize = 60;
    let mut escaped: String = text.chars().take(MAX).flat_map(char::escape_debug).collect();
    if text.chars().nth(MAX).is_some() {
        escaped.push('…');
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn diagnostics_come_in_the_order_of_the_text_and_the_rest_is_counted() {
        let report = Report::default();
        for line in (1..=60).rev() {
            report.add(Position { line, column: 1 }, "a", "is wrong");
        }
        let found = report.conclude(Some(())).expect_err("sixty errors");
        assert_eq!(found.len(), MAX_DIAGNOSTICS);
        assert_eq!(found[0].line, 1);
        assert_eq!(found[48].to_string(), "line 49, column 1: a: is wrong");
        assert_eq!(found[49].to_string(), "line 50, column 1: 11 more errors from here on are not shown");
    }

    #[test]
    fn a_diagnostic_becomes_a_field_of_the_request() {
        let of = |path: &str| Diagnostic {
            line: 2,
            column: 3,
            path: path.to_owned(),
            message: "is wrong".to_owned(),
        };
        assert_eq!(of("").to_field_error("devfile").field, "devfile");
        let error = of("components[0]").to_field_error("devfile");
        assert_eq!(error.field, "devfile.components[0]");
        assert_eq!(error.message, "is wrong (line 2, column 3)");
    }

    #[test]
    fn what_is_shown_of_a_text_is_bounded_and_printable() {
        assert_eq!(shown("a\u{7}b"), "a\\u{7}b");
        assert_eq!(shown(&"x".repeat(1000)).chars().count(), 61);
    }
}
