//! `berth devfile corpus`

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use berth_devfile::corpus::{Construct, Entry, Kind, Summary};
use berth_devfile::{MAX_BYTES, Options};
use serde::Serialize;
use walkdir::WalkDir;

use super::Format;
use super::lint::text;
use crate::args::Global;
use crate::error::Error;
use crate::output::{self, Printer};

/// The most files that are read; deeper and more is somebody's whole disk.
const MAX_FILES: usize = 100_000;
const MAX_DEPTH: usize = 32;
/// Beside a file: what its result is to be.
const EXPECTED: &str = "expected";

const HELP: &str = "\
Reads every devfile (YAML with a 'schemaVersion') and devcontainer.json below DIR, as `berth devfile lint`
does, and prints how many are accepted, accepted with warnings, and refused, and by what: for each part of
the format the files that are refused there, those of them that nothing else holds up, and those that are
warned. Beside a file, one of the same name that ends in '.expected' says what its result is to be: the
first line is accepted, warned or refused, each further line the line and the path of an error or a
warning. It ends with 1 where a result is another.

Examples:
  berth devfile corpus ~/src
  berth devfile corpus ~/src -o json | jq '.results[] | select(.outcome == \"refused\") | .file'";

#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct Args {
    /// The folder
    #[arg(value_name = "DIR")]
    folder: PathBuf,

    /// The form of the output: text, json or yaml
    #[arg(long, short, value_name = "FORM", default_value = "text", hide_possible_values = true)]
    output: Format,
}

/// What `-o json` prints.
#[derive(Debug, Serialize)]
struct Corpus {
    #[serde(flatten)]
    summary: Summary,
    /// Files whose result is not the one beside them.
    unexpected: Vec<String>,
    results: Vec<Entry>,
}

pub(crate) fn run(global: &Global, args: &Args) -> Result<(), Error> {
    let corpus = read(&args.folder)?;
    match args.output {
        Format::Text => print(global, &corpus)?,
        Format::Json => output::write(&output::json(&corpus)?)?,
        Format::Yaml => output::write(&output::yaml(&corpus)?)?,
    }
    let Summary { files, accepted, warned, refused, .. } = corpus.summary;
    global.talk().say(&format!(
        "{files} files: {accepted} accepted, {warned} accepted with warnings, {refused} refused."
    ));
    match corpus.unexpected.len() {
        0 => Ok(()),
        1 => Err(Error::Other(format!("{} has another result than is expected", corpus.unexpected[0]))),
        others => Err(Error::Other(format!("{others} files have another result than is expected"))),
    }
}

fn read(folder: &Path) -> Result<Corpus, Error> {
    let (mut results, mut unexpected) = (Vec::new(), Vec::new());
    let walk = WalkDir::new(folder).max_depth(MAX_DEPTH).sort_by_file_name();
    for found in walk.into_iter().filter_entry(|found| found.file_name() != ".git") {
        let found = found.map_err(|error| unreadable(folder, error))?;
        let path = found.path();
        if !found.file_type().is_file() || !may_be_one(path) {
            continue;
        }
        if results.len() == MAX_FILES {
            return Err(Error::Other(format!(
                "{} holds more than {MAX_FILES} files; name a smaller folder",
                folder.display()
            )));
        }
        let bytes = bytes(path, MAX_BYTES).map_err(|error| Error::file("read", path, error))?;
        let name = path.strip_prefix(folder).unwrap_or(path).display().to_string();
        // What is no text is told as that.
        let Some(kind) = Kind::of(&name, &String::from_utf8_lossy(&bytes)) else { continue };
        let result = text(&bytes, MAX_BYTES)
            .map_err(|diagnostic| vec![diagnostic])
            .and_then(|text| kind.read(text, &Options::default()));
        let entry = Entry::new(name, result);
        if let Some(expected) = expectation(path)?
            && expected != entry.expectation()
        {
            unexpected.push(entry.file.clone());
        }
        results.push(entry);
    }
    Ok(Corpus { summary: Summary::of(&results), unexpected, results })
}

/// By its name alone: what else there is in a folder is not read.
fn may_be_one(path: &Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    matches!(extension.to_ascii_lowercase().as_str(), "yaml" | "yml" | "json")
}

fn expectation(path: &Path) -> Result<Option<String>, Error> {
    let path = path.with_extension(EXPECTED);
    match bytes(&path, MAX_BYTES) {
        Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).replace("\r\n", "\n"))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::file("read", path, error)),
    }
}

/// The file, or one byte more than `limit` of it.
fn bytes(path: &Path, limit: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(limit as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn unreadable(folder: &Path, error: walkdir::Error) -> Error {
    let path = error.path().unwrap_or(folder).to_owned();
    let source = error.into_io_error().unwrap_or_else(|| io::Error::other("the folder holds itself"));
    Error::file("read", path, source)
}

fn print(global: &Global, corpus: &Corpus) -> Result<(), Error> {
    let rows: Vec<_> = corpus
        .summary
        .constructs
        .iter()
        .map(|Construct { construct, message, refused, alone, warned }| {
            vec![refused.into(), alone.into(), warned.into(), construct.into(), message.into()]
        })
        .collect();
    Printer::of(global).rows(&["REFUSED", "ALONE", "WARNED", "CONSTRUCT", "FOR EXAMPLE"], &rows)
}
