//! Text of others on its way to a terminal. A workspace's failure message may quote what a stranger's program printed;
//! it must not move the cursor, change the title or reverse the reading direction.

use std::fmt::Write as _;

/// Shows control and direction characters as escapes, line ends and tabs included: the result is one line.
pub(crate) fn escape(text: &str) -> String {
    escape_where(text, is_obeyed)
}

/// The same for text of several lines.
pub(super) fn keep_lines(text: &str) -> String {
    escape_where(text, |c| c != '\n' && is_obeyed(c))
}

/// The same inside a JSON document, where the line ends are the document's own and `\u` means itself.
pub(super) fn json(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut out, c| {
        if c != '\n' && is_obeyed(c) {
            // All of them are in the basic plane, so one unit is enough.
            let _ = write!(out, "\\u{:04x}", u32::from(c));
        } else {
            out.push(c);
        }
        out
    })
}

fn escape_where(text: &str, is_escaped: impl Fn(char) -> bool) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut out, c| {
        if is_escaped(c) {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
        out
    })
}

/// C0 and C1 controls, line and paragraph separators, and what overrides the reading direction.
fn is_obeyed(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{061c}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_sequence_is_shown_and_not_obeyed() {
        assert_eq!(escape("\u{1b}]0;owned\u{7}\u{9b}2J a\nb\tc"), r"\u{1b}]0;owned\u{7}\u{9b}2J a\nb\tc");
        assert_eq!(escape("grün – “fein”"), "grün – “fein”");
    }

    #[test]
    fn json_stays_the_same_json() {
        let value = serde_json::json!({ "message": "\u{1b}[31m\u{9b}2J\u{7f}\u{202e}end\n" });
        let text = json(&serde_json::to_string_pretty(&value).expect("JSON"));
        assert!(!text.chars().any(|c| c != '\n' && is_obeyed(c)), "{text:?}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&text).expect("still JSON"), value);
    }
}
