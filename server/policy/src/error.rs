//! What is wrong with an organisation's rules, and where.

use std::fmt;

use miette::Diagnostic;

/// The longest message, in characters.
const MAX_MESSAGE: usize = 400;

/// One thing that is wrong. Line and column count from 1, in characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleError {
    pub line: usize,
    pub column: usize,
    pub message: String,
}

impl RuleError {
    pub(crate) fn at(text: &str, offset: usize, message: impl Into<String>) -> Self {
        let mut end = offset.min(text.len());
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        let before = &text[..end];
        let start = before.rfind('\n').map_or(0, |at| at + 1);
        let mut message: String = message.into();
        if message.chars().count() > MAX_MESSAGE {
            message = message.chars().take(MAX_MESSAGE).chain("…".chars()).collect();
        }
        Self { line: before.matches('\n').count() + 1, column: before[start..].chars().count() + 1, message }
    }

    /// Where Cedar says that it is, else at the beginning.
    pub(crate) fn of(text: &str, found: &dyn Diagnostic) -> Self {
        let label = found.labels().and_then(|mut labels| labels.next());
        let offset = label.as_ref().map_or(0, miette::LabeledSpan::offset);
        let hint = label.as_ref().and_then(|label| label.label()).map(|label| format!(": {label}"));
        // What it guesses was meant differs from run to run.
        let help = found.help().map(|help| help.to_string()).filter(|help| !help.starts_with("did you mean"));
        let help = help.map(|help| format!(" ({help})")).unwrap_or_default();
        let message = format!("{found}{}{help}", hint.unwrap_or_default());
        Self::at(text, offset, message)
    }
}

impl fmt::Display for RuleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}: {}", self.line, self.column, self.message)
    }
}

impl std::error::Error for RuleError {}
