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
    assert_eq!(ran.json(), json!({ "file": "standard input", "accepted": false, "errors": found }));
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
        assert_eq!(ran.json(), json!({ "file": path, "accepted": false, "errors": [error] }));
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
