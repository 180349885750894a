//! Text of others on its way to a terminal. A workspace's failure message may quote what a stranger's program printed; it must
//! not move the cursor, change the title, reverse the reading direction, or look like something that it is not.

use std::fmt::Write as _;

use berth_schema::text;
use icu_properties::CodePointMapData;
use icu_properties::props::GeneralCategory;
use unicode_width::UnicodeWidthChar as _;

/// Marks on one character. Scripts need up to four; more of them paint over the lines around.
const MAX_MARKS: usize = 4;

/// Shows what is obeyed or not seen as escapes, line ends and tabs included: the result is one line.
pub(crate) fn escape(text: &str) -> String {
    rewritten(text, |_| false, |out, c| out.push_str(&c.escape_unicode_or_short()))
}

/// The same for text of several lines.
pub(super) fn keep_lines(text: &str) -> String {
    rewritten(text, |c| c == '\n', |out, c| out.push_str(&c.escape_unicode_or_short()))
}

/// The same inside a JSON document, where the line ends are the document's own and `\u` means itself.
pub(super) fn json(text: &str) -> String {
    rewritten(
        text,
        |c| c == '\n',
        |out, c| {
            for unit in c.encode_utf16(&mut [0; 2]) {
                let _ = write!(out, "\\u{unit:04x}");
            }
        },
    )
}

/// The same inside a JSON document that is read as YAML, which knows no surrogates.
pub(super) fn flow_yaml(text: &str) -> String {
    rewritten(
        text,
        |c| c == '\n',
        |out, c| {
            let _ = match u32::from(c) {
                code @ ..=0xffff => write!(out, "\\u{code:04x}"),
                code => write!(out, "\\U{code:08x}"),
            };
        },
    )
}

/// Whether [`keep_lines`] leaves the text as it is.
pub(super) fn is_plain(text: &str) -> bool {
    keep_lines(text) == text
}

fn rewritten(text: &str, is_kept: impl Fn(char) -> bool, show: impl Fn(&mut String, char)) -> String {
    let mut out = String::with_capacity(text.len());
    // How many marks the last character has; none is behind what has nothing to carry them.
    let mut marks = None;
    for c in text.chars() {
        let is_mark = c.width() == Some(0);
        let room = marks.is_some_and(|marks| marks < MAX_MARKS);
        if is_kept(c) {
            out.push(c);
            marks = None;
        } else if is_hidden(c) || (is_mark && !room) {
            show(&mut out, c);
            marks = if is_mark { marks } else { None };
        } else {
            out.push(c);
            marks = match marks {
                Some(marks) if is_mark => Some(marks + 1),
                _ => (c != ' ').then_some(0),
            };
        }
    }
    out
}

/// What a terminal obeys, what nobody sees, and what looks like the space between words or means what two machines do not agree on.
fn is_hidden(c: char) -> bool {
    let is_unclear = || {
        matches!(
            CodePointMapData::<GeneralCategory>::new().get(c),
            GeneralCategory::SpaceSeparator | GeneralCategory::PrivateUse | GeneralCategory::Unassigned
        )
    };
    // An empty braille cell and the place of an object are symbols by their category.
    !text::is_plain(c) || matches!(c, '\u{2800}' | '\u{fffc}') || (c != ' ' && is_unclear())
}

/// `\n` for what has a short form, `\u{…}` for all else.
trait Escaped {
    fn escape_unicode_or_short(self) -> String;
}

impl Escaped for char {
    fn escape_unicode_or_short(self) -> String {
        if self.is_ascii() { self.escape_default().collect() } else { self.escape_unicode().collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_terminal_sequence_is_shown_and_not_obeyed() {
        assert_eq!(escape("\u{1b}]0;owned\u{7}\u{9b}2J a\nb\tc"), r"\u{1b}]0;owned\u{7}\u{9b}2J a\nb\tc");
        assert_eq!(escape("grün – “fein”"), "grün – “fein”");
    }

    #[test]
    fn what_nobody_sees_is_shown() {
        for hidden in [
            '\u{ad}',
            '\u{34f}',
            '\u{61c}',
            '\u{115f}',
            '\u{17b4}',
            '\u{180e}',
            '\u{200b}',
            '\u{200d}',
            '\u{200e}',
            '\u{2028}',
            '\u{202e}',
            '\u{2060}',
            '\u{2066}',
            '\u{206f}',
            '\u{2800}',
            '\u{3164}',
            '\u{fe0f}',
            '\u{feff}',
            '\u{ffa0}',
            '\u{fff9}',
            '\u{fffc}',
            '\u{fffe}',
            '\u{1d173}',
            '\u{e0001}',
            '\u{e0041}',
            '\u{e0100}',
            '\u{e000}',
            '\u{a0}',
            '\u{2003}',
            '\u{3000}',
            '\u{85}',
            '\u{7f}',
        ] {
            let shown = escape(&format!("a{hidden}b"));
            assert!(shown.is_ascii(), "{:x}: {shown}", u32::from(hidden));
            assert!(shown.contains(&format!("{:x}", u32::from(hidden))), "{shown}");
        }
    }

    #[test]
    fn scripts_that_people_write_stay_as_they_are() {
        for text in [
            "Việt Nam",
            "e\u{301}",
            "हिन्दी",
            "ไทยสวัสดี",
            "日本語",
            "\u{1112}\u{1161}\u{11ab}",
            "שָׁלוֹם",
            "مرحبا",
            "naïve ☂ 😀",
            "k\u{307}\u{323}",
        ] {
            assert_eq!(escape(text), text);
        }
    }

    #[test]
    fn marks_stand_on_something_and_do_not_flood() {
        assert_eq!(escape("\u{301}a"), r"\u{301}a");
        assert_eq!(escape("a \u{301}b"), r"a \u{301}b");
        assert_eq!(keep_lines("a\n\u{301}b"), "a\n\\u{301}b");
        let flood = format!("a{}", "\u{301}".repeat(100));
        assert_eq!(escape(&flood).matches(r"\u{301}").count(), 96);
    }

    #[test]
    fn json_stays_the_same_json() {
        let value = serde_json::json!({ "message": "\u{1b}[31m\u{9b}2J\u{7f}\u{202e}end\n\u{e0041}\u{301}" });
        let text = json(&serde_json::to_string_pretty(&value).expect("JSON"));
        assert!(is_plain(&text), "{text:?}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&text).expect("still JSON"), value);
    }

    proptest! {
        #[test]
        fn whatever_comes_is_plain_afterwards_and_json_and_yaml_mean_the_same(text in any::<String>(), key in any::<String>()) {
            prop_assert!(is_plain(&escape(&text)) && !escape(&text).contains('\n'));
            let value = serde_json::json!({ key: [text] });
            let written = serde_json::to_string_pretty(&value).expect("JSON");
            prop_assert_eq!(serde_json::from_str::<serde_json::Value>(&json(&written)).expect("JSON"), value.clone());
            let yaml = super::super::yaml(&value).expect("YAML");
            prop_assert!(is_plain(&yaml));
            let read: serde_json::Value = serde_saphyr::from_str(&yaml).expect("YAML");
            prop_assert_eq!(read, value);
        }
    }
}
