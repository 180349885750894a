//! `berth devfile lint`: offline, with the server's own errors.

use std::fs;

use serde_json::json;

use crate::support::Berth;

const RIGHT: &str = "schemaVersion: 2.3.0
components:
  - name: main
    container: {image: 'debian:13'}
  - name: cache
    volume: {}
";

const WRONG: &str = "schemaVersion: 2.3.0
components:
  - name: main
    container:
      image: debian:13
      memorylimit: 1Gi
      endpoints:
        - {name: editor, targetPort: 60001}
";

#[test]
fn what_the_server_would_accept_is_accepted_without_a_server() {
    let berth = Berth::new();
    let file = berth.home.path().join("devfile.yaml");
    fs::write(&file, RIGHT).unwrap();
    let ran = berth.run(&["devfile", "lint", &file.display().to_string()]);
    ran.ok().prints("").says("is accepted: 1 container, 1 volume.");
}

#[test]
fn everything_that_is_wrong_is_told_at_its_place() {
    let ran = Berth::new().run_with(&["devfile", "lint", "-"], WRONG).exits(1);
    let lines: Vec<&str> = ran.stdout.lines().collect();
    assert!(lines[0].starts_with("standard input:6:7: components[0].container.memorylimit: "), "{lines:?}");
    assert!(lines[0].ends_with("did you mean 'memoryLimit'?"), "{lines:?}");
    assert!(
        lines[1].starts_with("standard input:8:18: components[0].container.endpoints[0].name: "),
        "{lines:?}"
    );
    assert_eq!(lines.len(), 3, "{lines:?}");
    ran.says("standard input has 3 errors");
}

#[test]
fn the_errors_are_those_that_the_server_sends() {
    let found = berth_devfile::parse(WRONG, &berth_devfile::Options::default()).unwrap_err();
    let ran = Berth::new().run_with(&["devfile", "lint", "-", "-o", "json"], WRONG).exits(1);
    assert_eq!(
        ran.json(),
        json!({ "file": "standard input", "accepted": false, "errors": found, "warnings": [] })
    );
}

#[test]
fn what_is_no_text_or_too_much_of_it_is_json_where_json_is_asked_for() {
    let berth = Berth::new();
    let file = berth.home.path().join("devfile.yaml");
    for (bytes, line, column, message) in [
        (
            "#".repeat(3 * 1024 * 1024 + 1).into_bytes(),
            1,
            1,
            "the file is larger than 3072 KiB, the most that is read",
        ),
        (b"schemaVersion: 2.3.0\n# \xc3\xa9 \xff".to_vec(), 2, 5, "is not UTF-8 text"),
    ] {
        fs::write(&file, bytes).unwrap();
        let path = file.display().to_string();
        let ran = berth.run(&["devfile", "lint", &path, "-o", "json"]).exits(1);
        let error = json!({ "line": line, "column": column, "path": "", "message": message });
        assert_eq!(ran.json(), json!({ "file": path, "accepted": false, "errors": [error], "warnings": [] }));
    }
}

#[test]
fn a_devcontainer_is_known_by_its_name_or_by_the_flag() {
    let berth = Berth::new();
    let file = berth.home.path().join(".devcontainer.json");
    fs::write(&file, "{ \"image\": \"node:22\", // comments\n \"privileged\": true }").unwrap();
    let path = file.display().to_string();
    let ran = berth.run(&["devfile", "lint", &path]).exits(1).says("has an error");
    assert!(ran.stdout.contains(":2:2: privileged: is not allowed"), "{}", ran.stdout);
    let text = "{ \"image\": \"node:22\" }";
    berth.run_with(&["devfile", "lint", "--devcontainer", "-"], text).ok().says("1 container.");
    berth.run_with(&["devfile", "lint", "-"], text).exits(1).says("has ");
}

#[test]
fn what_cannot_be_read_is_told() {
    let berth = Berth::new();
    berth.run(&["devfile", "lint", "/no/such/file"]).exits(1).says("cannot read /no/such/file");
    berth.run(&["devfile", "lint"]).exits(2).says("<FILE>");
    berth.run_with(&["devfile", "lint", "-"], &"#".repeat(3 * 1024 * 1024 + 1)).exits(1).says("has an error");
    // A control character in the file does not reach the terminal.
    let ran = berth.run_with(&["devfile", "lint", "-"], "schemaVersion: \"\\e[31m\"\n").exits(1);
    assert!(!ran.stdout.contains('\u{1b}'), "{:?}", ran.stdout);
}

#[test]
fn what_is_passed_over_in_a_file_that_is_accepted_is_told_at_its_place() {
    let text = format!("{RIGHT}starterProjects:\n  - name: sample\n");
    let ran = Berth::new().run_with(&["devfile", "lint", "-"], &text).ok();
    assert!(
        ran.stdout.starts_with("standard input:7:1: warning: starterProjects: is passed over: "),
        "{}",
        ran.stdout
    );
    ran.says("is accepted: 1 container, 1 volume, 1 warning.");
    let ran = Berth::new().run_with(&["devfile", "lint", "-", "-o", "json"], &text).ok();
    let warning = &ran.json()["warnings"][0];
    assert_eq!(
        (&warning["line"], &warning["column"], &warning["path"]),
        (&json!(7), &json!(1), &json!("starterProjects"))
    );
    assert!(warning["what"].is_string() && warning["why"].is_string());
    assert_eq!(ran.json()["accepted"], true);
}

#[test]
fn a_corpus_is_read_whole_and_held_against_what_is_expected_of_it() {
    let corpus = concat!(env!("CARGO_MANIFEST_DIR"), "/../schema/devfile/tests/corpus");
    let ran = Berth::new().run(&["devfile", "corpus", corpus, "-o", "json"]).ok();
    let said = ran.json();
    let results = said["results"].as_array().expect("a list");
    assert_eq!(said["files"], results.len());
    assert!(results.len() >= 90 && said["unexpected"] == json!([]), "{said}");
    for entry in results {
        let (file, outcome) =
            (entry["file"].as_str().expect("a name"), entry["outcome"].as_str().expect("a word"));
        assert!(file.starts_with(outcome), "{file} is {outcome}");
    }
}

#[test]
fn a_corpus_tells_what_holds_up_its_files_and_which_are_not_as_expected() {
    let berth = Berth::new();
    let folder = berth.home.path().join("src");
    fs::create_dir_all(folder.join("a/.devcontainer")).unwrap();
    fs::create_dir_all(folder.join("a/.git")).unwrap();
    fs::write(folder.join("a/.devcontainer/devcontainer.json"), "{\"image\": \"a\", \"privileged\": true}")
        .unwrap();
    fs::write(folder.join("a/package.json"), "{}").unwrap();
    fs::write(folder.join("a/.git/devfile.yaml"), "no").unwrap();
    fs::write(folder.join("devfile.yaml"), RIGHT).unwrap();
    fs::write(folder.join("other.yaml"), b"schemaVersion: \xff").unwrap();
    let path = folder.display().to_string();
    let ran = berth.run(&["devfile", "corpus", &path]).ok();
    let ran = ran.says("3 files: 1 accepted, 0 accepted with warnings, 2 refused.");
    assert!(ran.stdout.contains("1\t1\t0\tprivileged\tis not allowed"), "{}", ran.stdout);
    assert!(ran.stdout.contains("(the file)\tis not UTF-8 text"), "{}", ran.stdout);
    fs::write(folder.join("devfile.expected"), "accepted\n").unwrap();
    berth.run(&["devfile", "corpus", &path]).ok();
    fs::write(folder.join("devfile.expected"), "refused\n").unwrap();
    berth
        .run(&["devfile", "corpus", &path])
        .exits(1)
        .says("devfile.yaml has another result than is expected");
    berth.run(&["devfile", "corpus", "/no/such/folder"]).exits(1).says("cannot read /no/such/folder");
}
