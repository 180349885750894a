//! Text that crosses a boundary: from an agent, a cluster, a registry, a server or a user.
//!
//! Somebody else wrote it, and it ends up in Postgres, in JSON, in logs and on terminals. There is one rule for all of them,
//! [`is_plain`]: what is not plain either cannot be stored (NUL), is obeyed instead of shown (control characters, what turns
//! the reading direction), or is not seen at all (zero-width and tag characters).
//!
//! What a cluster says in its own words is a [`Text`], which leaves that out: half of a message is better than none. What a
//! person or a machine chose as a name is refused instead ([`check_plain`]): another name than the one that was meant is worse
//! than none.

use std::borrow::Cow;
use std::convert::Infallible;
use std::fmt;
use std::ops::Deref;
use std::str::FromStr;

use icu_properties::props::{DefaultIgnorableCodePoint, GeneralCategory};
use icu_properties::{CodePointMapData, CodePointSetData};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Visitor;
use serde::{Deserialize, Deserializer, Serialize};

/// Whether a character is shown, and nothing but shown. Spaces are plain; line ends and tabs are not.
pub fn is_plain(character: char) -> bool {
    if character.is_ascii() {
        return !character.is_ascii_control();
    }
    let category = CodePointMapData::<GeneralCategory>::new().get(character);
    !matches!(
        category,
        GeneralCategory::Control
            | GeneralCategory::Format
            | GeneralCategory::LineSeparator
            | GeneralCategory::ParagraphSeparator
    ) && !CodePointSetData::new::<DefaultIgnorableCodePoint>().contains(character)
}

/// A text that holds a character that is not plain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must not hold control or invisible characters; it holds U+{:04X}", u32::from(*.0))]
pub struct NotPlain(pub char);

/// Whether a name or value that somebody chose can be taken as it is.
pub fn check_plain(text: &str) -> Result<(), NotPlain> {
    text.chars().find(|character| !is_plain(*character)).map_or(Ok(()), |character| Err(NotPlain(character)))
}

/// The same without what is not plain, in at most `max` bytes. Line ends and tabs become spaces, so that words stay apart.
pub fn plain(text: &str, max: usize) -> Cow<'_, str> {
    if text.len() <= max && text.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
        return Cow::Borrowed(text);
    }
    let mut kept = String::with_capacity(text.len().min(max));
    for character in text.chars() {
        let shown = match character {
            '\n' | '\r' | '\t' | '\u{85}' | '\u{2028}' | '\u{2029}' => ' ',
            character => character,
        };
        if !is_plain(shown) {
            continue;
        }
        if kept.len() + shown.len_utf8() > max {
            break;
        }
        kept.push(shown);
    }
    Cow::Owned(kept)
}

/// Somebody else's text: plain, on one line, at most `MAX` bytes long. What does not fit is left out when it is made, wherever
/// it comes from; JSON included.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Text<const MAX: usize>(String);

/// What a cluster, a registry or a program said: an error, a condition's message.
pub type Message = Text<2_000>;
/// A word or a name as a cluster gives it: a reason, a condition's type, a container, a version.
pub type Word = Text<500>;
/// A Kubernetes resource version: opaque, and only compared with another.
pub type ResourceVersion = Text<256>;

impl<const MAX: usize> Text<MAX> {
    /// The most bytes that it holds.
    pub const MAX: usize = MAX;

    pub fn new(text: &str) -> Self {
        Self(plain(text, MAX).into_owned())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<const MAX: usize> Deref for Text<MAX> {
    type Target = str;
    fn deref(&self) -> &str {
        &self.0
    }
}

impl<const MAX: usize> From<&str> for Text<MAX> {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

impl<const MAX: usize> From<String> for Text<MAX> {
    fn from(text: String) -> Self {
        match plain(&text, MAX) {
            Cow::Borrowed(_) => Self(text),
            Cow::Owned(kept) => Self(kept),
        }
    }
}

impl<const MAX: usize> FromStr for Text<MAX> {
    type Err = Infallible;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self::new(text))
    }
}

impl<const MAX: usize> From<Text<MAX>> for String {
    fn from(text: Text<MAX>) -> Self {
        text.0
    }
}

impl<const MAX: usize> fmt::Display for Text<MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl<const MAX: usize> fmt::Debug for Text<MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<const MAX: usize> PartialEq<str> for Text<MAX> {
    fn eq(&self, other: &str) -> bool {
        self.0 == other
    }
}

impl<const MAX: usize> PartialEq<&str> for Text<MAX> {
    fn eq(&self, other: &&str) -> bool {
        self.0 == *other
    }
}

impl<const MAX: usize> JsonSchema for Text<MAX> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Text".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "maxLength": MAX })
    }
}

impl<'de, const MAX: usize> Deserialize<'de> for Text<MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader<const MAX: usize>;

        impl<const MAX: usize> Visitor<'_> for Reader<MAX> {
            type Value = Text<MAX>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Text::new(text))
            }

            fn visit_string<E>(self, text: String) -> Result<Self::Value, E> {
                Ok(text.into())
            }
        }

        deserializer.deserialize_string(Reader)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_cannot_be_stored_or_would_be_obeyed_is_left_out() {
        let message = Message::new("403 No\0pe\ndenied: \u{1b}[31mja\u{202e}wohl\u{9b}2J\u{feff}");
        assert_eq!(message, "403 Nope denied: [31mjawohl2J");
        assert_eq!(Message::new("grün – “fein” 語 🦀"), "grün – “fein” 語 🦀");
    }

    #[test]
    fn what_is_not_seen_is_not_plain() {
        let unseen = [
            '\0',
            '\u{7f}',
            '\u{85}',
            '\u{ad}',
            '\u{34f}',
            '\u{61c}',
            '\u{115f}',
            '\u{180e}',
            '\u{200b}',
            '\u{200d}',
            '\u{2028}',
            '\u{2029}',
            '\u{202e}',
            '\u{2060}',
            '\u{2066}',
            '\u{3164}',
            '\u{fe0f}',
            '\u{feff}',
            '\u{ffa0}',
            '\u{fff9}',
            '\u{e0001}',
            '\u{e0041}',
            '\u{e01ef}',
        ];
        for character in unseen {
            assert_eq!(check_plain(&format!("a{character}b")), Err(NotPlain(character)), "{character:?}");
        }
        assert_eq!(
            NotPlain('\u{202e}').to_string(),
            "must not hold control or invisible characters; it holds U+202E"
        );
        assert_eq!(check_plain("Ada “Countess” Łovelace ~ 語"), Ok(()));
    }

    #[test]
    fn a_text_ends_before_the_character_that_does_not_fit() {
        assert_eq!(Text::<4>::new("äää"), "ää");
        assert_eq!(Text::<3>::new("äää"), "ä");
        assert_eq!(Text::<3>::from("abcd".to_owned()), "abc");
    }

    proptest! {
        #[test]
        fn every_text_is_plain_bounded_and_the_same_through_json(given: String) {
            let text = Text::<40>::new(&given);
            prop_assert!(text.len() <= 40 && text.chars().all(is_plain), "{:?}", text);
            prop_assert_eq!(&Text::<40>::new(&text), &text);
            prop_assert_eq!(&Text::<40>::from(given.clone()), &text);
            let read: Text<40> = serde_json::from_value(serde_json::Value::String(given)).expect("a string");
            prop_assert_eq!(read, text);
        }
    }
}
