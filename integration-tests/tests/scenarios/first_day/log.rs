//! The log in `docs/first-day.md`: who types what, and what they read.

use std::fmt::Write as _;

use berth_schema::WorkspaceId;
use jiff::Timestamp;

/// A line of the document, or a command with what it prints.
#[derive(Debug)]
pub(super) enum Part {
    Text(String),
    /// What somebody does in a browser: a comment that begins with `browser:`.
    Browser(String),
    Command {
        who: String,
        text: String,
        printed: String,
    },
}

const PROMPT: &str = "$ ";
const BROWSER: (&str, &str) = ("<!-- browser: ", " -->");

pub(super) fn read(document: &str) -> Vec<Part> {
    let mut parts: Vec<Part> = Vec::new();
    let mut is_log = false;
    for line in document.lines() {
        let text = || Part::Text(line.to_owned());
        if line.starts_with("```") {
            is_log = line == "```console";
            parts.push(text());
        } else if let Some((who, command)) = line.split_once(PROMPT).filter(|(who, _)| is_log && is_name(who))
        {
            parts.push(Part::Command {
                who: who.to_owned(),
                text: command.to_owned(),
                printed: String::new(),
            });
        } else if let (true, Some(Part::Command { printed, .. })) = (is_log, parts.last_mut()) {
            let _ = writeln!(printed, "{line}");
        } else if let Some(step) = line.strip_prefix(BROWSER.0).and_then(|rest| rest.strip_suffix(BROWSER.1))
        {
            parts.push(Part::Browser(step.to_owned()));
        } else {
            parts.push(text());
        }
    }
    parts
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_lowercase())
}

pub(super) fn write(parts: &[Part]) -> String {
    let mut document = String::new();
    for part in parts {
        let _ = match part {
            Part::Text(text) => writeln!(document, "{text}"),
            Part::Browser(step) => writeln!(document, "{}{step}{}", BROWSER.0, BROWSER.1),
            Part::Command { who, text, printed } => write!(document, "{who}{PROMPT}{text}\n{printed}"),
        };
    }
    document
}

/// What two runs print alike: no ids, times, secrets or ports of one of them.
pub(super) fn same_every_time(text: &str) -> String {
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | ':' | '.' | '-');
    let mut same = String::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let end = rest.find(|c| is_part(c) != is_part(first)).unwrap_or(rest.len());
        let (run, after) = rest.split_at(end);
        if is_part(first) {
            let word = run.trim_end_matches(['.', ':']);
            same.push_str(&instead_of(word).unwrap_or_else(|| word.to_owned()));
            same.push_str(&run[word.len()..]);
        } else {
            same.push_str(run);
        }
        rest = after;
    }
    same
}

/// What stands in the log for something that is another one each time.
fn instead_of(word: &str) -> Option<String> {
    if let Some((kind, secret)) = word.strip_prefix("berth_").and_then(|rest| rest.split_once('_'))
        && secret.len() > 20
    {
        return Some(format!("berth_{kind}_…"));
    }
    if word.len() == 36 && word.parse::<WorkspaceId>().is_ok() {
        return Some("0191e2b4-0000-4000-8000-000000000001".to_owned());
    }
    // `elevation:ID`
    if let Some((kind, id)) = word.split_once(':')
        && id.len() == 36
        && let Some(same) = instead_of(id)
    {
        return Some(format!("{kind}:{same}"));
    }
    if word.contains('T') && word.parse::<Timestamp>().is_ok() {
        return Some("2027-01-04T09:00:00Z".to_owned());
    }
    if is_duration(word) {
        return Some("1m".to_owned());
    }
    let is_code = |part: &str| part.len() == 4 && part.bytes().all(|byte| byte.is_ascii_uppercase());
    if word.split_once('-').is_some_and(|(one, other)| is_code(one) && is_code(other)) {
        return Some("WDJB-MJHT".to_owned());
    }
    if let Some((host, port)) = word.rsplit_once(':')
        && host.ends_with(".localhost")
        && port.parse::<u16>().is_ok()
    {
        return Some(format!("{host}:8443"));
    }
    let (name, id) = word.rsplit_once('-')?;
    let is_id = id.len() == 8 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    (is_id && name.starts_with("berth-")).then(|| format!("{name}-0191e2b4"))
}

/// One number with its unit or several, as `3s`, `1.2ms` and the `2m5s` of what is older than two minutes.
fn is_duration(word: &str) -> bool {
    let is_of_unit = |c: char| c.is_ascii_alphabetic();
    let mut rest = word;
    while !rest.is_empty() {
        let number = rest.find(is_of_unit).unwrap_or(rest.len());
        let unit = rest[number..].find(|c| !is_of_unit(c)).map_or(rest.len(), |length| number + length);
        if rest[..number].parse::<f64>().is_err() || !matches!(&rest[number..unit], "ms" | "s" | "m" | "h") {
            return false;
        }
        rest = &rest[unit..];
    }
    !word.is_empty()
}

/// As it is compared: columns are as wide as what is in them, of the states that somebody waits through only the last is met by everybody,
/// and how many records were before one is of no matter.
pub(super) fn compared(text: &str) -> Vec<String> {
    let lines: Vec<_> = text.lines().collect();
    // A time of ten seconds is wider than one of nine.
    let is_step = |line: Option<&&str>| {
        line.is_some_and(|line| line.starts_with(' ') && line.trim_start().starts_with("1m  "))
    };
    let met =
        lines.iter().enumerate().filter(|(at, line)| !(is_step(Some(*line)) && is_step(lines.get(at + 1))));
    met.map(|(_, line)| {
        let words: Vec<_> = line.split_whitespace().collect();
        let is_record =
            words.len() > 3 && words[0].parse::<u64>().is_ok() && words[1].parse::<Timestamp>().is_ok();
        words[usize::from(is_record)..].join(" ")
    })
    .collect()
}

#[test]
fn what_is_another_one_each_time_is_told_from_what_is_not() {
    for (word, same) in [
        ("2026-11-30T07:14:29Z.", "2027-01-04T09:00:00Z."),
        ("(4f0e8f5a-9a43-4f9c-9d5b-1f3cbe4bd3a5)", "(0191e2b4-0000-4000-8000-000000000001)"),
        ("?token=berth_inv_abcdefghijklmnopqrstuvwxyz", "?token=berth_inv_…"),
        ("3s ago", "1m ago"),
        ("agent Active 2m5s", "agent Active 1m"),
        ("1h3m, 1.5ms", "1m, 1m"),
        ("4 2m5 m5s s", "4 2m5 m5s s"),
        ("code BCDF-GHJK", "code WDJB-MJHT"),
        ("https://8080-a.workspaces.localhost:41234/", "https://8080-a.workspaces.localhost:8443/"),
        ("berth-first-9f2e11aa", "berth-first-0191e2b4"),
        ("elevation:4f0e8f5a-9a43-4f9c-9d5b-1f3cbe4bd3a5", "elevation:0191e2b4-0000-4000-8000-000000000001"),
        ("LOG_LEVEL 1 platform/api", "LOG_LEVEL 1 platform/api"),
    ] {
        assert_eq!(same_every_time(word), same);
    }
}

#[test]
fn of_the_states_that_are_waited_through_the_last_is_compared_however_long_each_took() {
    let printed = ["   1m  Starting", "  1m  Running", "done", "1m  in a table"].join("\n");
    assert_eq!(compared(&printed), ["1m Running", "done", "1m in a table"]);
}
