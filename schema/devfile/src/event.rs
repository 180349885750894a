//! Events: which commands run before and after the start.

use std::collections::{BTreeMap, BTreeSet};

use berth_schema::spec::{CommandSpec, Events};

use crate::bounds;
use crate::command::{Command, Commands, unknown_name};
use crate::component::Components;
use crate::cursor::Cursor;

const MAX_COMMANDS: usize = 64;
/// A preStart command is one argument of a shell, with its environment in front. Linux takes 128 KiB; the rest is Berth's.
const MAX_SCRIPT: usize = 120 * 1024;
/// A preStart command's id becomes part of a container's name, together with a prefix.
const MAX_PRE_START_ID: usize = 45;

/// The commands of the two events, and which components run before the others only.
pub(crate) fn read(
    cursor: Option<&Cursor<'_>>,
    commands: &Commands<'_>,
    components: &mut Components<'_>,
) -> Events {
    let Some(mut fields) = cursor
        .filter(|cursor| cursor.is_list() || !cursor.is_empty())
        .and_then(|cursor| cursor.fields("the events"))
    else {
        pass_over(commands, &BTreeSet::new());
        return Events::default();
    };
    let (before, after) = (fields.optional("preStart"), fields.optional("postStart"));
    for name in ["preStop", "postStop"] {
        fields.refuse_unless_empty(
            name,
            "is not supported: a workspace may stop without warning; use preStart or postStart",
        );
    }
    fields.finish();
    let (before, after) = (named(before.as_ref(), commands), named(after.as_ref(), commands));
    pass_over(commands, &before.iter().chain(&after).map(|(_, id, _)| *id).collect());
    let pre_start =
        before.into_iter().filter_map(|(at, id, command)| pre_start(&at, id, command, components)).collect();
    let post_start =
        after.into_iter().filter_map(|(at, _, command)| post_start(&at, command, components)).collect();
    Events { pre_start, post_start }
}

/// What Berth does not have changes nothing where no event uses it.
fn pass_over(commands: &Commands<'_>, used: &BTreeSet<&str>) {
    for (id, command) in commands {
        if let Command::Other { at, why } = command
            && !used.contains(id)
        {
            at.pass_over(*why);
        }
    }
}

/// The commands that an event names, each with its place and id.
fn named<'a, 'c>(
    cursor: Option<&Cursor<'a>>,
    commands: &'c Commands<'_>,
) -> Vec<(Cursor<'a>, &'a str, &'c Command<'c>)> {
    let mut seen = BTreeSet::new();
    let mut found = Vec::new();
    for (at, id) in cursor.map(|cursor| cursor.texts(MAX_COMMANDS)).unwrap_or_default() {
        if !seen.insert(id) {
            at.error(format!("'{id}' stands in this event a second time"));
        }
        match commands.get(id) {
            Some(command) => found.push((at, id, command)),
            None => unknown_name(&at, commands.keys().copied(), id, "command"),
        }
    }
    found
}

fn pre_start(
    at: &Cursor<'_>,
    id: &str,
    command: &Command<'_>,
    components: &mut Components<'_>,
) -> Option<CommandSpec> {
    if id.len() > MAX_PRE_START_ID {
        at.error(format!(
            "is {} characters long, a preStart command's id has at most {MAX_PRE_START_ID}",
            id.len()
        ));
    }
    match command {
        Command::Exec(spec) => {
            let bytes = bounds::exported_bytes(spec) + spec.command_line.len();
            if bytes > MAX_SCRIPT {
                at.error(format!(
                    "takes {bytes} bytes with its environment, at most {MAX_SCRIPT} fit into what a shell is started with"
                ));
            }
            Some(spec.clone())
        }
        Command::Apply { at, component } => applied(at, id, component, components),
        Command::Other { why, .. } => other(at, why),
        Command::Broken => None,
    }
}

/// A component that runs to its end before the others: its own command as a shell's.
fn applied(
    at: &Cursor<'_>,
    id: &str,
    component: &str,
    components: &mut Components<'_>,
) -> Option<CommandSpec> {
    let (_, draft) = components.containers.iter_mut().find(|(_, draft)| draft.spec.name == component)?;
    let words: Vec<&str> = draft.spec.command.iter().chain(&draft.spec.args).map(String::as_str).collect();
    if draft.spec.command.is_empty() {
        at.error(
            "names a container without a 'command': one that runs before the others has to say what it runs",
        );
        return None;
    }
    if let Some((true, mark)) = &draft.attributes.inject_editor {
        mark.error("is not possible: the container runs before the others, by an apply command");
    }
    if let Some((true, given)) = &draft.attributes.override_command {
        given
            .error("must not be true: the container runs its command before the others, by an apply command");
    }
    let line = shlex::try_join(words).ok()?;
    draft.spec.init = true;
    Some(CommandSpec {
        id: id.to_owned(),
        component: component.to_owned(),
        command_line: format!("exec {line}"),
        working_dir: None,
        env: BTreeMap::new(),
        once: false,
        late: false,
    })
}

fn post_start(at: &Cursor<'_>, command: &Command<'_>, components: &Components<'_>) -> Option<CommandSpec> {
    match command {
        Command::Exec(spec) => {
            let gone = components
                .containers
                .iter()
                .any(|(_, draft)| draft.spec.init && draft.spec.name == spec.component);
            if gone {
                at.error(format!("runs in '{}', which has ended before the others start", spec.component));
            }
            Some(spec.clone())
        }
        Command::Apply { .. } => {
            at.error("must be an exec command: nothing is applied when the workspace has started");
            None
        }
        Command::Other { why, .. } => other(at, why),
        Command::Broken => None,
    }
}

fn other(at: &Cursor<'_>, why: &str) -> Option<CommandSpec> {
    at.error(format!("names a command that is not supported: {why}"));
    None
}

#[cfg(test)]
mod tests {
    use crate::{Options, parse};

    fn devfile(variables: usize) -> String {
        let value = "x".repeat(30_000);
        let env: Vec<_> = (0..variables).map(|at| format!("{{name: V{at}, value: {value}}}")).collect();
        format!(
            "schemaVersion: 2.3.0\ncomponents: [{{name: main, container: {{image: 'debian:13'}}}}]\n\
             commands: [{{id: a, exec: {{component: main, commandLine: make, env: [{}]}}}}]\nevents: {{preStart: [a]}}\n",
            env.join(", ")
        )
    }

    #[test]
    fn a_pre_start_command_that_no_shell_could_be_started_with_is_refused_at_its_event() {
        assert!(parse(&devfile(4), &Options::default()).is_ok());
        let errors = parse(&devfile(5), &Options::default()).expect_err("more than Linux takes");
        assert_eq!(errors[0].path, "events.preStart[0]");
        assert!(errors[0].message.contains("bytes with its environment"), "{errors:?}");
    }
}
