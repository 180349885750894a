use std::io::Write as _;
use std::process::{Command, Stdio};

use crate::support::Berth;

fn script(shell: &str) -> String {
    Berth::new().run(&["completion", shell]).ok().stdout
}

#[test]
fn the_script_for_bash_parses_and_completes_commands() {
    let mut bash =
        Command::new("bash").arg("-s").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut input = bash.stdin.take().unwrap();
    input.write_all(script("bash").as_bytes()).unwrap();
    let question =
        "COMP_WORDS=(berth work); COMP_CWORD=1; _berth berth work berth; echo \"${COMPREPLY[@]}\"\n";
    input.write_all(question.as_bytes()).unwrap();
    drop(input);
    let output = bash.wait_with_output().unwrap();
    assert!(output.status.success());
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "workspaces");
}

#[test]
fn each_shell_gets_a_script_that_knows_the_commands() {
    for shell in ["bash", "zsh", "fish", "powershell"] {
        let script = script(shell);
        for word in ["workspaces", "restart", "desired-state"] {
            assert!(script.contains(word), "{shell}: {word}");
        }
    }
}

#[test]
fn an_unknown_shell_is_wrong_usage() {
    Berth::new().run(&["completion", "tcsh"]).exits(2).says("powershell");
}
