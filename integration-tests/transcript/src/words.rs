//! A command line: a verb, words, and `key=value` pairs.

use std::str::FromStr;

use berth_schema::WorkspaceId;

/// The words of one command.
#[derive(Clone, Debug)]
pub struct Words<'a> {
    plain: Vec<&'a str>,
    pairs: Vec<(&'a str, &'a str)>,
}

impl<'a> Words<'a> {
    pub(crate) fn new(line: &'a str) -> Self {
        let (pairs, plain): (Vec<_>, Vec<_>) = line.split_whitespace().partition(|word| word.contains('='));
        let pairs = pairs.into_iter().filter_map(|word| word.split_once('=')).collect();
        Self { plain, pairs }
    }

    /// The word at a place; the verb is at 0.
    pub fn word(&self, at: usize) -> Result<&'a str, String> {
        self.plain.get(at).copied().ok_or_else(|| "a word is missing".to_owned())
    }

    /// Every word from a place on.
    pub fn rest(&self, from: usize) -> impl Iterator<Item = &'a str> + '_ {
        self.plain.iter().skip(from).copied()
    }

    /// Whether a word stands anywhere behind the verb.
    pub fn has(&self, word: &str) -> bool {
        self.rest(1).any(|other| other == word)
    }

    /// The value of a key as it stands there.
    pub fn text(&self, key: &str) -> Option<&'a str> {
        self.pairs.iter().find(|(name, _)| *name == key).map(|(_, value)| *value)
    }

    /// The value of a key, read as something.
    pub fn value<T: FromStr>(&self, key: &str) -> Result<Option<T>, String> {
        self.text(key)
            .map(|text| text.parse().map_err(|_| format!("'{text}' is no value of {key}")))
            .transpose()
    }
}

/// The id of a workspace of that name: its bytes, so that the same name is the same workspace everywhere.
pub fn workspace_id(name: &str) -> WorkspaceId {
    let mut bytes = [0; 16];
    for (byte, letter) in bytes.iter_mut().zip(name.bytes()) {
        *byte = letter;
    }
    WorkspaceId::from_uuid(uuid::Uuid::from_bytes(bytes))
}

/// The name that [`workspace_id`] made an id of.
pub fn workspace_name(id: WorkspaceId) -> String {
    let letters = id.as_uuid().as_bytes().iter().take_while(|byte| **byte != 0);
    letters.map(|byte| char::from(*byte)).collect()
}

/// The names that a word stands for: `w1..w30` are thirty.
pub fn expand(word: &str) -> Result<Vec<String>, String> {
    let Some((first, last)) = word.split_once("..") else { return Ok(vec![word.to_owned()]) };
    let stem = first.trim_end_matches(|letter: char| letter.is_ascii_digit());
    let number = |name: &str| {
        let digits = name.strip_prefix(stem).and_then(|digits| digits.parse::<u32>().ok());
        digits.ok_or_else(|| format!("'{word}' is no range of names"))
    };
    Ok((number(first)?..=number(last)?).map(|number| format!("{stem}{number}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_of_names_is_expanded() {
        assert_eq!(expand("w9..w11").expect("a range"), ["w9", "w10", "w11"]);
        assert_eq!(expand("dev").expect("a name"), ["dev"]);
        assert!(expand("w1..v2").is_err());
    }

    #[test]
    fn an_id_knows_its_name() {
        assert_eq!(workspace_name(workspace_id("dev")), "dev");
    }

    #[test]
    fn pairs_and_words_are_told_apart() {
        let words = Words::new("report dev applied=3 stale");
        assert_eq!(words.value("applied"), Ok(Some(3)));
        assert!(words.has("stale") && words.word(1) == Ok("dev"));
        assert!(Words::new("report applied=x").value::<i64>("applied").is_err());
    }
}
