//! Commands that do nothing but keep a container running, as many devfiles have them: what Berth does anyway.

/// Whether the words of a command and its arguments only wait.
pub(crate) fn is_idle<'w>(words: impl IntoIterator<Item = &'w str>) -> bool {
    let words: Vec<&str> = words.into_iter().collect();
    match words.as_slice() {
        [shell, "-c" | "-ec" | "-lc", script] if is_shell(shell) => is_idle_script(script),
        words => waits(words),
    }
}

fn program(word: &str) -> &str {
    word.rsplit('/').next().unwrap_or(word)
}

fn is_shell(word: &str) -> bool {
    matches!(program(word), "sh" | "bash" | "ash" | "dash" | "zsh")
}

fn waits(words: &[&str]) -> bool {
    let Some((first, arguments)) = words.split_first() else { return false };
    match (program(first), arguments) {
        ("exec", rest) => waits(rest),
        ("tail", ["-f" | "-F" | "--follow", "/dev/null"]) | ("pause", []) => true,
        ("sleep", [time]) => *time == "infinity" || *time == "inf",
        _ => false,
    }
}

fn is_idle_script(script: &str) -> bool {
    let script = script.trim().trim_end_matches(';').trim_end();
    let words: Vec<&str> = script.split_whitespace().collect();
    waits(&words) || loops(&words)
}

/// `while true; do sleep 1000; done`, in the ways it is written.
fn loops(words: &[&str]) -> bool {
    let words: Vec<&str> = words.iter().map(|word| word.trim_end_matches(';')).collect();
    match words.as_slice() {
        ["while", "true" | ":", "do", body @ .., "done"] | ["until", "false", "do", body @ .., "done"] => {
            let sleeps = |words: &[&str]| matches!(words, ["sleep", time] if time.chars().all(|c| c.is_ascii_alphanumeric()));
            let body = body.strip_suffix(&["&", "wait", "$!"]).unwrap_or(body);
            sleeps(body) || waits(body)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_only_waits_is_idle_and_nothing_else_is() {
        for idle in [
            &["tail", "-f", "/dev/null"][..],
            &["/usr/bin/tail", "-f", "/dev/null"],
            &["sleep", "infinity"],
            &["/bin/bash", "-c", "tail -f /dev/null"],
            &["sh", "-c", "while true; do sleep 1000; done;"],
            &["/bin/sh", "-c", "while :; do sleep 3600 & wait $!; done"],
            &["sh", "-c", "exec sleep infinity"],
        ] {
            assert!(is_idle(idle.iter().copied()), "{idle:?}");
        }
        for busy in [
            &[][..],
            &["npm", "start"],
            &["sleep", "10"],
            &["tail", "-f", "/var/log/app.log"],
            &["sh", "-c", "make; tail -f /dev/null"],
            &["sh", "-c", "while true; do sleep 1; make; done"],
            &["sh", "-c", "while true; do sleep $(make); done"],
            &["tail"],
            &["sh", "-c"],
        ] {
            assert!(!is_idle(busy.iter().copied()), "{busy:?}");
        }
    }
}
