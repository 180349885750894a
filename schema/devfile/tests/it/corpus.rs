//! A corpus of our own making: every construct of both formats that people use, one a file. What is to become of it is the
//! first word of its name, and where that is said stands in the file of its name that ends in `.expected` (`BLESS=1` writes it).

use std::fs;
use std::path::{Path, PathBuf};

use berth_devfile::Options;
use berth_devfile::corpus::{Entry, Kind, Outcome, Summary};

fn files() -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus");
    let entries = fs::read_dir(directory).expect("the corpus");
    let mut paths: Vec<_> = entries
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension != "expected"))
        .collect();
    paths.sort();
    paths
}

fn entry(path: &Path) -> Entry {
    let name = path.file_name().and_then(|name| name.to_str()).expect("a name");
    let text = fs::read_to_string(path).expect("text");
    let kind = Kind::of(name, &text).expect("a devfile or a devcontainer.json");
    Entry::new(name.to_owned(), kind.read(&text, &Options::default()))
}

#[test]
fn every_file_of_the_corpus_has_the_result_that_is_written_beside_it() {
    let bless = std::env::var_os("BLESS").is_some();
    let mut wrong = Vec::new();
    for path in files() {
        let (entry, beside) = (entry(&path), path.with_extension("expected"));
        if bless {
            fs::write(&beside, entry.expectation()).expect("it can be written");
        }
        let expected = fs::read_to_string(&beside).unwrap_or_default();
        if expected != entry.expectation() || !entry.file.starts_with(entry.outcome.as_str()) {
            wrong.push(format!("{}: {}{:#?}", entry.file, entry.expectation(), entry.errors));
        }
    }
    assert!(wrong.is_empty(), "{}\nBLESS=1 writes what is said now", wrong.join("\n"));
}

#[test]
fn the_corpus_holds_files_of_each_outcome() {
    let entries: Vec<_> = files().iter().map(|path| entry(path)).collect();
    let summary = Summary::of(&entries);
    assert!(summary.accepted >= 20 && summary.warned >= 20 && summary.refused >= 20, "{summary:?}");
    assert!(entries.iter().all(|entry| entry.outcome != Outcome::Warned || !entry.warnings.is_empty()));
}
