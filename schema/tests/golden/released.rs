//! What released versions have written is read by this one, and nothing of it gets lost. Each folder of `tests/released` holds what one
//! version writes, as it was released: none of it is edited or taken away. `make release-messages` adds the folder of the next.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use ring::digest::{SHA256, digest};
use serde_json::Value;

use super::compare::lost;
use super::kinds;

/// A field that was written once and is not any more.
struct Ended {
    /// The file, without its ending.
    file: &'static str,
    /// As a failure of the test names it.
    field: &'static str,
    /// Why nobody of a released version misses it.
    #[expect(dead_code, reason = "for whoever reads this list")]
    why: &'static str,
}

/// What has ended, on purpose.
const ENDED: &[Ended] = &[];

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(name)
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The documents of a folder, by name without the ending.
fn documents(folder: &Path) -> BTreeMap<String, String> {
    let entries = fs::read_dir(folder).expect("a folder");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let of_json = paths.filter(|path| path.extension().is_some_and(|ending| ending == "json"));
    of_json
        .map(|path| (path.file_stem().expect("a name").to_string_lossy().into_owned(), read(&path)))
        .collect()
}

/// The folders of released versions.
fn versions() -> Vec<PathBuf> {
    let entries = fs::read_dir(folder("released")).expect("released versions");
    let mut versions: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    versions.sort();
    assert!(!versions.is_empty());
    versions
}

/// The fields of what a released version has written that this version loses when it reads and writes it again.
fn lost_again(file: &str, text: &str) -> Result<Vec<String>, String> {
    let again = kinds::kind(file).ok_or("no type reads it any more")?;
    let written = again(text).map_err(|error| error.to_string())?;
    let value = |text: &str| serde_json::from_str::<Value>(text).map_err(|error| error.to_string());
    Ok(lost(&value(text)?, &value(&written)?))
}

#[test]
fn what_released_versions_have_written_is_read_and_keeps_every_field() {
    let (mut wrong, mut ended) = (vec![], BTreeSet::new());
    for version in versions() {
        for (file, text) in documents(&version) {
            match lost_again(&file, &text) {
                Err(why) => wrong.push(format!("{}/{file}: {why}", version.display())),
                Ok(fields) => {
                    for field in fields {
                        match ENDED.iter().position(|ended| (ended.file, ended.field) == (&file, &field)) {
                            Some(known) => _ = ended.insert(known),
                            None => wrong.push(format!("{}/{file}: loses {field}", version.display())),
                        }
                    }
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(ended.len(), ENDED.len(), "something is said to have ended that has not");
}

/// The sums are as `sha256sum` writes them.
fn edited(folder: &Path, documents: &BTreeMap<String, String>) -> Vec<String> {
    let sums = read(&folder.join("SHA256SUMS"));
    let written: BTreeMap<&str, &str> = sums
        .lines()
        .map(|line| line.split_once("  ").expect("a sum and a name"))
        .map(|(sum, name)| (name, sum))
        .collect();
    let found: BTreeMap<String, String> =
        documents.iter().map(|(name, text)| (format!("{name}.json"), sha256(text))).collect();
    let names: BTreeSet<&str> = written.keys().copied().chain(found.keys().map(String::as_str)).collect();
    let differs = |name: &&str| written.get(name).copied() != found.get(*name).map(String::as_str);
    names.into_iter().filter(differs).map(str::to_owned).collect()
}

fn sha256(text: &str) -> String {
    berth_schema::audit::Digest::new(digest(&SHA256, text.as_bytes()).as_ref().try_into().expect("32 bytes"))
        .to_string()
}

#[test]
fn what_was_released_is_never_edited() {
    for version in versions() {
        let documents = documents(&version);
        assert_eq!(edited(&version, &documents), [""; 0], "{}", version.display());
        // One byte, one file more, one less.
        let of = |change: fn(&mut BTreeMap<String, String>)| {
            let mut changed = documents.clone();
            change(&mut changed);
            edited(&version, &changed)
        };
        assert_eq!(of(|all| all.get_mut("why").expect("a file").push(' ')), ["why.json"]);
        assert_eq!(of(|all| _ = all.insert("new".to_owned(), String::new())), ["new.json"]);
        assert_eq!(of(|all| _ = all.remove("why")), ["why.json"]);
    }
}

/// The paths of all fields, those in lists included.
fn fields(value: &Value, path: &str, paths: &mut Vec<String>) {
    let mut child = |path: String, value: &Value| {
        paths.push(path.clone());
        fields(value, &path, paths);
    };
    match value {
        Value::Object(all) => all.iter().for_each(|(name, field)| {
            child(format!("{path}/{}", name.replace('~', "~0").replace('/', "~1")), field);
        }),
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(number, item)| child(format!("{path}/{number}"), item));
        }
        _ => {}
    }
}

/// As a type writes it that has this field no longer.
fn without(value: &Value, pointer: &str) -> Value {
    let mut value = value.clone();
    let (parent, name) = pointer.rsplit_once('/').expect("a path");
    match value.pointer_mut(parent).expect("its parent") {
        Value::Object(all) => _ = all.remove(&name.replace("~1", "/").replace("~0", "~")),
        Value::Array(items) => _ = items.remove(name.parse().expect("a number")),
        _ => panic!("{parent} has no fields"),
    }
    value
}

#[test]
fn each_field_that_a_type_stops_writing_is_missed() {
    let mut tried = 0;
    for version in versions() {
        for (file, text) in documents(&version) {
            let document: Value = serde_json::from_str(&text).expect("JSON");
            let mut all = vec![];
            fields(&document, "", &mut all);
            for pointer in all {
                assert_ne!(lost(&document, &without(&document, &pointer)), [""; 0], "{file} {pointer}");
                tried += 1;
            }
        }
    }
    assert!(tried > 1_000, "{tried}");
}

/// The fields of a document without where in a list they are.
fn shape(text: &str) -> BTreeSet<String> {
    let mut all = vec![];
    fields(&serde_json::from_str(text).expect("JSON"), "", &mut all);
    let is_number = |part: &&str| part.bytes().all(|byte| byte.is_ascii_digit()) && !part.is_empty();
    let named = |path: String| {
        path.split('/').map(|part| if is_number(&part) { "*" } else { part }).collect::<Vec<_>>().join("/")
    };
    all.into_iter().map(named).collect()
}

/// What a golden file of this version shows no longer although the newest release did: the next release would keep less.
fn forgotten(newest: &BTreeMap<String, String>, golden: &BTreeMap<String, String>) -> Vec<String> {
    let mut all = vec![];
    for (file, text) in newest {
        let now = golden.get(file).map(|text| shape(text)).unwrap_or_default();
        all.extend(shape(text).difference(&now).map(|field| format!("{file} {field}")));
    }
    all
}

#[test]
fn the_golden_files_show_every_field_that_was_released() {
    let newest =
        versions().iter().map(|version| documents(version)).fold(BTreeMap::new(), |mut all, version| {
            all.extend(version);
            all
        });
    let golden = documents(&folder("golden"));
    assert_eq!(forgotten(&newest, &golden), [""; 0]);
    // A golden file that was blessed without a field.
    let mut blessed = golden;
    let why: Value = serde_json::from_str(&blessed["why"]).expect("JSON");
    blessed.insert("why".to_owned(), without(&why, "/next/by").to_string());
    assert_eq!(forgotten(&newest, &blessed), ["why /next/by"]);
}

#[test]
fn each_golden_file_is_what_its_type_writes() {
    let folder = folder("golden");
    let golden = documents(&folder);
    let known: BTreeSet<&str> = kinds::ALL.iter().map(|(name, _)| *name).collect();
    assert_eq!(known, golden.keys().map(String::as_str).collect(), "files, and what they are");
    for (name, text) in golden {
        let written =
            kinds::kind(&name).expect("known")(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
        if std::env::var_os("BLESS").is_some() {
            fs::write(folder.join(format!("{name}.json")), &written).expect("a golden file can be written");
        } else {
            assert_eq!(written, text, "{name}");
        }
    }
}
