//! Many files at once: which share of them is accepted, and by what the others are held up.

use std::collections::BTreeMap;

use berth_schema::{Warning, WorkspaceSpec};
use serde::Serialize;

use crate::{Diagnostic, Options, devcontainer, parse};

/// What a file is, by its name and text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Devfile,
    Devcontainer,
}

impl Kind {
    /// The kind of the file at `path`, with `/` between its parts: a YAML file that says a `schemaVersion`, or a JSON file that
    /// is named as a `devcontainer.json` or lies where one does. `None`: neither.
    pub fn of(path: &str, text: &str) -> Option<Self> {
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        let name = name.to_lowercase();
        let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
        match extension {
            "yaml" | "yml" => {
                let says = text.lines().any(|line| {
                    line.trim_start_matches(['\u{feff}', '"', '\'']).starts_with("schemaVersion")
                });
                (says || name.contains("devfile")).then_some(Self::Devfile)
            }
            "json" => {
                let lies = folder.split('/').any(|part| part == ".devcontainer");
                (lies && name.starts_with("dev") || name.contains("devcontainer"))
                    .then_some(Self::Devcontainer)
            }
            _ => None,
        }
    }

    /// Reads a file of this kind.
    ///
    /// # Errors
    /// As [`parse`].
    pub fn read(self, text: &str, options: &Options) -> Result<WorkspaceSpec, Vec<Diagnostic>> {
        match self {
            Self::Devfile => parse(text, options),
            Self::Devcontainer => devcontainer::translate(text, options),
        }
    }
}

/// What became of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    Accepted,
    /// Accepted, with warnings.
    Warned,
    Refused,
}

impl Outcome {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Warned => "warned",
            Self::Refused => "refused",
        }
    }
}

/// One file of a corpus.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Entry {
    pub file: String,
    pub outcome: Outcome,
    pub errors: Vec<Diagnostic>,
    pub warnings: Vec<Warning>,
}

impl Entry {
    pub fn new(file: String, result: Result<WorkspaceSpec, Vec<Diagnostic>>) -> Self {
        let (outcome, errors, warnings) = match result {
            Ok(spec) if spec.warnings.is_empty() => (Outcome::Accepted, Vec::new(), Vec::new()),
            Ok(spec) => (Outcome::Warned, Vec::new(), spec.warnings),
            Err(errors) => (Outcome::Refused, errors, Vec::new()),
        };
        Self { file, outcome, errors, warnings }
    }

    /// The outcome and, one a line, what led to it: what is written beside a file whose result is to stay as it is.
    pub fn expectation(&self) -> String {
        let mut lines = format!("{}\n", self.outcome.as_str());
        let errors = self.errors.iter().map(|error| (error.line, error.path.as_str()));
        let warnings = self.warnings.iter().map(|warning| (warning.line, warning.path.as_str()));
        for (line, path) in errors.chain(warnings) {
            lines.push_str(format!("{line} {path}").trim_end());
            lines.push('\n');
        }
        lines
    }
}

/// How many files a part of the format holds up or makes warn.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Construct {
    /// Its place without positions in lists, as in `components[].container.endpoints[].protocol`.
    pub construct: String,
    /// What is said of it, in the first file that has it.
    pub message: String,
    /// Files that are refused and have an error there.
    pub refused: usize,
    /// Of these, files that have errors nowhere else.
    pub alone: usize,
    /// Files that are accepted and have a warning there.
    pub warned: usize,
}

/// A corpus in figures.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Summary {
    pub files: usize,
    /// Without warnings.
    pub accepted: usize,
    pub warned: usize,
    pub refused: usize,
    /// The ones that hold up most files first.
    pub constructs: Vec<Construct>,
}

impl Summary {
    pub fn of(entries: &[Entry]) -> Self {
        let count = |outcome| entries.iter().filter(|entry| entry.outcome == outcome).count();
        let mut constructs: BTreeMap<String, Construct> = BTreeMap::new();
        for entry in entries {
            let errors: BTreeMap<String, String> =
                places(entry.errors.iter().map(|error| (error.path.as_str(), error.message.clone())));
            let warnings: BTreeMap<String, String> = places(
                entry
                    .warnings
                    .iter()
                    .map(|warning| (warning.path.as_str(), format!("{}: {}", warning.what, warning.why))),
            );
            let is_alone = errors.len() == 1;
            for (is_error, (construct, message)) in errors
                .into_iter()
                .map(|place| (true, place))
                .chain(warnings.into_iter().map(|place| (false, place)))
            {
                let known = constructs.entry(construct.clone()).or_insert_with(|| Construct {
                    construct,
                    message,
                    refused: 0,
                    alone: 0,
                    warned: 0,
                });
                known.refused += usize::from(is_error);
                known.alone += usize::from(is_error && is_alone);
                known.warned += usize::from(!is_error);
            }
        }
        let mut constructs: Vec<_> = constructs.into_values().collect();
        constructs.sort_by(|a, b| {
            (b.refused, b.warned).cmp(&(a.refused, a.warned)).then_with(|| a.construct.cmp(&b.construct))
        });
        Self {
            files: entries.len(),
            accepted: count(Outcome::Accepted),
            warned: count(Outcome::Warned),
            refused: count(Outcome::Refused),
            constructs,
        }
    }
}

/// The constructs among `found`, each once, with the first message.
fn places<'p>(found: impl Iterator<Item = (&'p str, String)>) -> BTreeMap<String, String> {
    let mut places = BTreeMap::new();
    for (path, message) in found {
        places.entry(construct(path)).or_insert(message);
    }
    places
}

fn construct(path: &str) -> String {
    let mut kept = String::with_capacity(path.len());
    for part in path.split_inclusive('[') {
        kept.push_str(part.trim_start_matches(|c: char| c.is_ascii_digit()));
    }
    if kept.is_empty() { "(the file)".to_owned() } else { kept }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_known_by_their_names_and_texts() {
        for (path, text, kind) in [
            ("a/devfile.yaml", "", Some(Kind::Devfile)),
            (".devfile.yml", "", Some(Kind::Devfile)),
            ("x.yaml", "schemaVersion: 2.2.0\n", Some(Kind::Devfile)),
            ("x.yaml", "apiVersion: v1\n", None),
            (".devcontainer/devcontainer.json", "", Some(Kind::Devcontainer)),
            ("a/.devcontainer.json", "", Some(Kind::Devcontainer)),
            ("package.json", "", None),
            (".devcontainer/tasks.json", "", None),
            ("README.md", "schemaVersion: 2.2.0\n", None),
        ] {
            assert_eq!(Kind::of(path, text), kind, "{path}");
        }
    }

    #[test]
    fn constructs_are_counted_once_a_file() {
        let entry = |text: &str| {
            Entry::new("devcontainer.json".to_owned(), Kind::Devcontainer.read(text, &Options::default()))
        };
        let entries = [
            entry(r#"{"image": "a"}"#),
            entry(r#"{"image": "a", "remoteUser": "b", "customizations": {"vscode": {}}}"#),
            entry(r#"{"image": "a", "privileged": true}"#),
            entry(r#"{"image": "a", "privileged": true, "runArgs": ["--device=/a", "--device=/b"]}"#),
        ];
        let summary = Summary::of(&entries);
        assert_eq!((summary.files, summary.accepted, summary.warned, summary.refused), (4, 1, 1, 2));
        let rows: Vec<_> = summary
            .constructs
            .iter()
            .map(|construct| {
                (construct.construct.as_str(), construct.refused, construct.alone, construct.warned)
            })
            .collect();
        assert_eq!(
            rows,
            [
                ("privileged", 2, 1, 0),
                ("runArgs[]", 1, 0, 0),
                ("customizations", 0, 0, 1),
                ("remoteUser", 0, 0, 1)
            ]
        );
        assert_eq!(entries[3].expectation(), "refused\n1 privileged\n1 runArgs[0]\n1 runArgs[1]\n");
    }
}
