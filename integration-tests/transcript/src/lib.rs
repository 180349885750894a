//! Scenario files: commands, each followed by what it is expected to print.
//!
//! ```text
//! # What it is about.
//! workspace dev desired=Running
//! reconcile partial
//! | dev: create generation 1
//! ```
//!
//! Lines that begin with `|` are the transcript of the command above them. With `BLESS=1` in the environment they are
//! written anew; without, a file whose transcript differs (or that has none) fails. A new case is a new file.

mod words;

use std::fmt::Write as _;
use std::path::Path;
use std::{env, fs};

pub use words::{Words, expand, workspace_id, workspace_name};

/// A world in which commands are done.
pub trait World {
    /// Does one command and returns its transcript, or says what is wrong with the command.
    fn command(&mut self, words: &Words<'_>) -> Result<String, String>;
}

/// Runs every `*.scenario` of a directory, each in a world of its own. Panics with all differences.
pub fn check<W: World>(directory: &Path, world: impl Fn() -> W) {
    let entries = fs::read_dir(directory).expect("a directory of scenarios");
    let mut files: Vec<_> = entries
        .map(|entry| entry.expect("a directory entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "scenario"))
        .collect();
    files.sort();
    assert!(!files.is_empty(), "no scenario in {}", directory.display());
    let bless = env::var_os("BLESS").is_some_and(|value| value == "1");
    let mut failures = String::new();
    for file in files {
        let text = fs::read_to_string(&file).expect("a scenario is text");
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let actual = replay(&name, &text, &mut world());
        if bless {
            fs::write(&file, &actual).expect("the directory is writable");
        } else if actual != text || !text.lines().any(is_transcript) {
            let _ = write!(failures, "\n{name} (BLESS=1 writes it anew):\n{}", difference(&text, &actual));
        }
    }
    assert!(failures.is_empty(), "{failures}");
}

fn is_transcript(line: &str) -> bool {
    line.starts_with('|')
}

/// The same file with the transcript as it is now.
fn replay(name: &str, text: &str, world: &mut impl World) -> String {
    let mut actual = String::new();
    for (at, line) in text.lines().enumerate().filter(|(_, line)| !is_transcript(line)) {
        actual.push_str(line);
        actual.push('\n');
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        match world.command(&Words::new(line)) {
            Ok(output) => output.lines().for_each(|line| {
                let _ = writeln!(actual, "| {line}");
            }),
            Err(problem) => panic!("{name}, line {}: {problem}: {line}", at + 1),
        }
    }
    actual
}

/// The lines from the first to the last that differ, old and new.
fn difference(old: &str, new: &str) -> String {
    let (old, new): (Vec<_>, Vec<_>) = (old.lines().collect(), new.lines().collect());
    let same = |pairs: &mut dyn Iterator<Item = (&&str, &&str)>| pairs.take_while(|(a, b)| a == b).count();
    let head = same(&mut old.iter().zip(&new));
    let tail = same(&mut old[head..].iter().rev().zip(new[head..].iter().rev()));
    let mut text = String::new();
    for (sign, lines) in [('-', &old), ('+', &new)] {
        for line in &lines[head..lines.len() - tail] {
            let _ = writeln!(text, "{sign} {line}");
        }
    }
    if text.is_empty() { "it has no transcript\n".to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Echo;

    impl World for Echo {
        fn command(&mut self, words: &Words<'_>) -> Result<String, String> {
            words.word(1).map(str::to_owned)
        }
    }

    #[test]
    fn a_transcript_is_replaced_by_what_is_printed_now() {
        assert_eq!(
            replay("x", "# about\nsay a\n| b\n| c\n\nsay d\n", &mut Echo),
            "# about\nsay a\n| a\n\nsay d\n| d\n"
        );
    }

    #[test]
    fn a_difference_is_told_without_what_is_the_same() {
        assert_eq!(difference("a\n| b\nc\n", "a\n| x\nc\n"), "- | b\n+ | x\n");
    }

    #[test]
    #[should_panic(expected = "line 2: a word is missing: say")]
    fn a_command_that_cannot_be_done_is_told_with_its_line() {
        replay("x", "# about\nsay\n", &mut Echo);
    }
}
