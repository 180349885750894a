//! Every file of `tests/cases` is a case: `.yaml` a devfile, `.json` a devcontainer.json. What is said of it stands in the `.out` of
//! the same name: the workspace as JSON, or the diagnostics, one a line. `BLESS=1` writes what is said now.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use berth_devfile::{Options, devcontainer, parse};

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases")
}

fn with_extension(extension: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory()).expect("the directory of cases");
    let mut paths: Vec<PathBuf> = entries
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|found| found == extension))
        .collect();
    paths.sort();
    paths
}

fn said_of(path: &Path) -> String {
    let text = fs::read_to_string(path).expect("a case is text");
    let result = if path.extension().is_some_and(|extension| extension == "json") {
        devcontainer::translate(&text, &Options::default())
    } else {
        parse(&text, &Options::default())
    };
    match result {
        Ok(spec) => serde_json::to_string_pretty(&spec).expect("a spec is JSON") + "\n",
        Err(diagnostics) => diagnostics.iter().fold(String::new(), |mut lines, diagnostic| {
            writeln!(lines, "{diagnostic}").expect("a String takes everything");
            lines
        }),
    }
}

#[test]
fn every_case_says_what_is_written_beside_it() {
    let bless = std::env::var_os("BLESS").is_some();
    let cases: Vec<PathBuf> = ["yaml", "json"].into_iter().flat_map(with_extension).collect();
    assert!(cases.len() >= 60, "only {} cases", cases.len());
    let mut wrong = String::new();
    for path in cases {
        let said = said_of(&path);
        let out = path.with_extension("out");
        if bless {
            fs::write(&out, &said).expect("the case's directory is writable");
            continue;
        }
        match fs::read_to_string(&out) {
            Ok(expected) if expected == said => {}
            Ok(expected) => {
                let _ = writeln!(wrong, "\n{} says\n{said}instead of\n{expected}", path.display());
            }
            Err(_) => {
                let _ = writeln!(wrong, "\n{} has no .out; it says\n{said}", path.display());
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}\nBLESS=1 writes what is said now");
}

#[test]
fn every_expectation_belongs_to_a_case() {
    for out in with_extension("out") {
        let has_case = ["yaml", "json"].iter().any(|extension| out.with_extension(extension).exists());
        assert!(has_case, "{} has no case", out.display());
    }
}

/// A case that is called accepted and is refused (or the other way round) was blessed without looking.
#[test]
fn the_names_of_the_cases_tell_the_truth() {
    for path in ["yaml", "json"].into_iter().flat_map(with_extension) {
        let name = path.file_stem().and_then(|name| name.to_str()).expect("a name").to_owned();
        let accepted = name.starts_with("accepts_") || name == "devcontainer_with_an_image";
        assert_eq!(said_of(&path).starts_with('{'), accepted, "{name}");
    }
}
