use crate::support::Berth;

/// The names under `Commands:` of a help text.
fn subcommands(help: &str) -> Vec<String> {
    let lines = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let commands = lines.take_while(|line| !line.is_empty());
    commands
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .map(|line| line.split_whitespace().next().unwrap().to_owned())
        .collect()
}

/// Every command there is, as its words.
fn all_commands(berth: &Berth, words: &[String], found: &mut Vec<Vec<String>>) {
    found.push(words.to_vec());
    for name in subcommands(&help(berth, words)).into_iter().filter(|name| name != "help") {
        let mut words = words.to_vec();
        words.push(name);
        all_commands(berth, &words, found);
    }
}

fn help(berth: &Berth, words: &[String]) -> String {
    let mut args: Vec<&str> = words.iter().map(String::as_str).collect();
    args.push("--help");
    berth.run(&args).ok().stdout
}

#[test]
fn every_command_has_the_help_that_was_reviewed() {
    let berth = Berth::new();
    let mut commands = Vec::new();
    all_commands(&berth, &[], &mut commands);
    assert!(commands.len() > 25, "only {} commands were found", commands.len());
    for words in commands {
        let help = help(&berth, &words);
        assert!(help.contains("Examples:\n"), "berth {} --help has no example", words.join(" "));
        let wide = help.lines().find(|line| line.chars().count() > 100);
        assert_eq!(wide, None, "berth {} --help is too wide", words.join(" "));
        let name = format!("berth {}", words.join(" "));
        insta::assert_snapshot!(name.trim_end().replace(' ', "_"), help);
    }
}

#[test]
fn help_is_a_command_too() {
    let berth = Berth::new();
    assert_eq!(berth.run(&["help"]).ok().stdout, help(&berth, &[]));
    assert_eq!(
        berth.run(&["help", "agents", "list"]).ok().stdout,
        help(&berth, &["agents".to_owned(), "list".to_owned()])
    );
}

#[test]
fn a_daily_verb_is_the_workspaces_command_without_the_noun() {
    let berth = Berth::new();
    let verbs = [
        "create", "list", "get", "why", "timeline", "start", "stop", "restart", "extend", "rebuild",
        "resize", "delete",
    ];
    for verb in verbs {
        let short = help(&berth, &[verb.to_owned()]);
        let long = help(&berth, &["workspaces".to_owned(), verb.to_owned()]);
        assert_eq!(short, long.replace("berth workspaces", "berth"), "{verb}");
    }
}

#[test]
fn nothing_to_do_is_wrong_usage_and_shows_the_help() {
    Berth::new().run(&[]).exits(2).says("Usage: berth");
    Berth::new().run(&["agents"]).exits(2).says("Usage: berth agents");
    Berth::new().run(&["frobnicate"]).exits(2).says("unrecognized subcommand");
}

#[test]
fn the_version_is_told() {
    let version = concat!("berth ", env!("CARGO_PKG_VERSION"), "\n");
    Berth::new().run(&["version"]).ok().prints(version);
    Berth::new().run(&["--version"]).ok().prints(version);
}
