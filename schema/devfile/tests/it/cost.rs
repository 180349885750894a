//! What the worst texts cost. The bound is for an unoptimised build on a busy machine; a reader whose work grows with the square
//! of the text would need minutes.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use berth_devfile::{Diagnostic, MAX_BYTES, Options, devcontainer, image_spec, parse};

const BOUND: Duration = Duration::from_secs(10);

fn refused_in_time(name: &str, text: &str) -> Vec<Diagnostic> {
    let start = Instant::now();
    let found = parse(text, &Options::default()).expect_err(name);
    let _ = devcontainer::translate(text, &Options::default());
    let spent = start.elapsed();
    assert!(spent < BOUND, "{name} took {spent:?}");
    found
}

/// `pattern` until the largest file that is looked at is full.
fn full_of(begin: &str, pattern: &str) -> String {
    begin.to_owned() + &pattern.repeat((MAX_BYTES - begin.len()) / pattern.len())
}

#[test]
fn a_file_that_is_too_large_is_not_looked_at() {
    let found = parse(&"a".repeat(MAX_BYTES + 1), &Options::default()).expect_err("too large");
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].message, "the file is 3145729 bytes long, at most 3145728 are allowed");
}

#[test]
fn the_largest_files_cost_no_more_than_their_size() {
    for (name, text) in [
        ("brackets", full_of("", "[")),
        ("braces", full_of("", "{")),
        ("pairs of brackets", full_of("[", "[],")),
        ("dashes", full_of("", "- ")),
        ("lines of dashes", full_of("", "-\n")),
        ("questions", full_of("", "? ")),
        ("anchors", full_of("[", "&a x,")),
        ("aliases", full_of("[&a x,", "*a,")),
        ("bangs", full_of("", "!")),
        ("tags", full_of("[", "!a x,")),
        ("quotes", full_of("", "\"")),
        ("an open string", full_of("\"", "a ")),
        ("lines of an open string", full_of("\"", "\\\n")),
        ("a block", full_of("a: |\n", " x\n")),
        ("folded lines", full_of("a: >\n", " x\n\n")),
        ("plain lines", full_of("a: ", "b\n  ")),
        ("colons", full_of("", ":")),
        ("colons and blanks", full_of("", ": ")),
        ("keys", full_of("", "a: ")),
        ("the same key", full_of("", "a: b\n")),
        ("comments", full_of("", "#\n")),
        ("comments in a list", full_of("a:\n", " #\n")),
        ("blanks", full_of("", " ")),
        ("tabs", full_of("", "\t")),
        ("line breaks", full_of("", "\n")),
        ("documents", full_of("", "---\n")),
        ("document ends", full_of("", "...\n")),
        ("directives", full_of("", "%a\n")),
        ("marks of byte order", full_of("", "\u{feff}")),
        ("one long word", full_of("", "a")),
        ("one long key", full_of("", "a") + ": b"),
    ] {
        refused_in_time(name, &text[..text.len().min(MAX_BYTES)]);
    }
}

#[test]
fn many_errors_cost_no_more_than_their_number() {
    let unknown = (0..9_500).map(|i| format!("field{i}: x")).collect::<Vec<_>>().join("\n");
    assert_eq!(refused_in_time("unknown fields", &unknown).len(), berth_devfile::MAX_DIAGNOSTICS);
    let long =
        "schemaVersion: 2.2.0\ncomponents: [{name: \"".to_owned() + &"x".repeat(MAX_BYTES - 60) + "\"}]\n";
    let found = refused_in_time("a long name", &long);
    assert!(found.iter().all(|diagnostic| diagnostic.message.len() < 600));
}

#[test]
fn aliases_are_paid_for_in_full() {
    let mut laughs = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for i in 1..25 {
        let before = format!("*a{}", i - 1);
        let _ = writeln!(laughs, "a{i}: &a{i} [{}]", [before.as_str(); 10].join(", "));
    }
    let found = refused_in_time("a billion laughs", &laughs);
    assert!(found[0].message.contains("aliases counted in full"), "{found:?}");

    let large = format!("a: &a \"{}\"\nb: [{}]\n", "x".repeat(1_000_000), vec!["*a"; 10_000].join(","));
    let found = refused_in_time("a large text many times", &large);
    assert!(found[0].message.contains("repeat more text"), "{found:?}");
}

#[test]
fn an_image_alone_makes_a_workspace() {
    let spec = image_spec("debian:bookworm").expect("an image");
    assert_eq!(spec.containers.len(), 1);
    assert!(spec.main().is_some_and(|main| main.image == "debian:bookworm" && main.command.is_empty()));
    let error = image_spec("https://example.com").expect_err("no image");
    assert_eq!(
        error.to_string(),
        "line 1, column 1: image: must be an image reference without a scheme, as in \
        'registry.example.com/team/image:tag'"
    );
}

#[test]
fn an_installation_sets_how_much_a_workspace_may_ask_for() {
    let text = "schemaVersion: 2.2.0\ncomponents:\n- name: a\n  attributes: {berth/inject-editor: true}\n  container: {image: alpine, \
        cpuLimit: 1, memoryRequest: 1Gi}\n- name: b\n  container: {image: alpine, cpuRequest: 500m, memoryLimit: 1Gi}\n";
    let allowed =
        Options { max_cpu_millis: Some(1_500), max_memory_bytes: Some(2 << 30), ..Options::default() };
    assert!(parse(text, &allowed).is_ok());
    let less =
        Options { max_cpu_millis: Some(1_499), max_memory_bytes: Some((2 << 30) - 1), ..Options::default() };
    let found = parse(text, &less).expect_err("more than allowed");
    let told: Vec<String> = found.iter().map(|one| format!("{}: {}", one.path, one.message)).collect();
    assert_eq!(
        told,
        [
            "components[0].container.cpuLimit: the containers get 1500m of CPU together, at most 1499m are allowed",
            "components[1].container.memoryLimit: the containers get 2Gi of memory together, at most 2147483647 are allowed",
        ]
    );
}

#[test]
fn a_container_that_says_nothing_counts_with_the_default() {
    let text = "schemaVersion: 2.2.0\ncomponents:\n- name: a\n  attributes: {berth/inject-editor: true}\n  container: {image: alpine, \
        memoryLimit: 1Gi}\n- name: b\n  container: {image: alpine}\n";
    let options = |max: u64| Options {
        max_memory_bytes: Some(max),
        default_memory_bytes: Some(512 << 20),
        ..Options::default()
    };
    assert!(parse(text, &options(1_536 << 20)).is_ok());
    let found = parse(text, &options(1 << 30)).expect_err("more than allowed");
    assert_eq!(found[0].path, "components[0].container.memoryLimit");
    assert_eq!(found[0].message, "the containers get 1536Mi of memory together, at most 1Gi are allowed");
    let nothing = "schemaVersion: 2.2.0\ncomponents:\n- name: a\n  container: {image: alpine}\n";
    let found = parse(nothing, &options(1 << 20)).expect_err("more than allowed");
    assert_eq!(found[0].path, "components[0].container", "there is no field to point to");
}
