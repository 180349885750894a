//! Commands, and the events that run them.

use std::collections::BTreeMap;

use berth_schema::kubernetes::PROJECTS_PATH;
use berth_schema::spec::{CommandSpec, Events};

use crate::component::Components;
use crate::cursor::{Cursor, Fields, suggestion};
use crate::variables::Variables;
use crate::{attributes, checks, environment};

const MAX_COMMANDS: usize = 256;
const MAX_EVENT_COMMANDS: usize = 64;
/// A preStart command's id becomes part of a container's name, together with a prefix.
const MAX_PRE_START_ID: usize = 45;

#[derive(Debug)]
pub(crate) enum Command<'a> {
    Exec(CommandSpec),
    /// Runs a component of its own.
    Apply {
        at: Cursor<'a>,
        component: &'a str,
    },
    /// Wrong in itself, and reported.
    Broken,
}

pub(crate) type Commands<'a> = BTreeMap<&'a str, Command<'a>>;

pub(crate) fn read<'a>(
    cursor: Option<&Cursor<'a>>,
    components: &Components<'_>,
    variables: &Variables,
) -> Commands<'a> {
    let mut commands = Commands::new();
    for item in cursor.map(|cursor| cursor.list(MAX_COMMANDS)).unwrap_or_default() {
        let Some(mut fields) = item.fields("a command") else {
            continue;
        };
        let id = fields
            .required("id")
            .and_then(|id| Some((id.checked_text(|text| checks::name(text, checks::MAX_LABEL))?, id)));
        attributes::elsewhere(fields.optional("attributes").as_ref());
        let command = body(
            &item,
            &mut fields,
            id.as_ref().map(|(id, _)| *id),
            components,
            variables,
        );
        fields.finish();
        if let Some((id, at)) = id
            && commands.insert(id, command.unwrap_or(Command::Broken)).is_some()
        {
            at.error(format!("'{id}' is the id of a command before it already"));
        }
    }
    commands
}

fn body<'a>(
    cursor: &Cursor<'a>,
    fields: &mut Fields<'a>,
    id: Option<&'a str>,
    components: &Components<'_>,
    variables: &Variables,
) -> Option<Command<'a>> {
    let exec = fields.optional("exec");
    let apply = fields.optional("apply");
    let mut refused = fields.refuse(
        "composite",
        "is not supported: name the commands one after another in the event",
    );
    for name in ["vscodeTask", "vscodeLaunch", "custom"] {
        refused |= fields.refuse(name, "is not supported: commands are exec and apply");
    }
    match (exec, apply) {
        (Some(exec), None) => read_exec(&exec, id, components, variables).map(Command::Exec),
        (None, Some(apply)) => read_apply(&apply, components),
        (Some(_), Some(_)) => {
            cursor.error("must be either exec or apply, not both");
            None
        }
        (None, None) => {
            if !refused {
                cursor.error("needs a field that says what it does: 'exec' or 'apply'");
            }
            None
        }
    }
}

fn read_exec(
    cursor: &Cursor<'_>,
    id: Option<&str>,
    components: &Components<'_>,
    variables: &Variables,
) -> Option<CommandSpec> {
    let mut fields = cursor.fields("an exec command")?;
    let line = fields.required("commandLine").and_then(|line| {
        let text = variables.text(&line)?;
        if text.trim().is_empty() {
            line.error("must not be empty");
        }
        Some(text)
    });
    let component = fields
        .required("component")
        .and_then(|at| container_name(&at, components));
    let working_dir = fields
        .optional("workingDir")
        .and_then(|at| working_directory(&at, variables));
    let env = environment::read(fields.optional("env").as_ref(), variables);
    if let Some(reload) = fields.optional("hotReloadCapable")
        && reload.boolean() == Some(true)
    {
        reload.error("must be false: Berth restarts no command when files change");
    }
    describe(&mut fields);
    Some(CommandSpec {
        id: id?.to_owned(),
        component: component?.to_owned(),
        command_line: line?,
        working_dir,
        env,
    })
}

fn read_apply<'a>(cursor: &Cursor<'a>, components: &Components<'_>) -> Option<Command<'a>> {
    let mut fields = cursor.fields("an apply command")?;
    let component = fields
        .required("component")
        .and_then(|at| Some((container_name(&at, components)?, at)));
    describe(&mut fields);
    component.map(|(component, at)| Command::Apply { at, component })
}

fn describe(fields: &mut Fields<'_>) {
    if let Some(label) = fields.optional("label") {
        label.text();
    }
    fields.refuse(
        "group",
        "is not supported: Berth runs commands by events alone; take the field out",
    );
}

fn finish_reference<'k>(at: &Cursor<'_>, known: impl Iterator<Item = &'k str>, given: &str, what: &str) {
    at.error(format!("names no {what}{}", suggestion(given, known)));
}

/// The name of a container component.
fn container_name<'a>(at: &Cursor<'a>, components: &Components<'_>) -> Option<&'a str> {
    let name = at.text()?;
    let mut known = components
        .containers
        .iter()
        .map(|(_, draft)| draft.spec.name.as_str());
    if components.broken || known.clone().any(|known| known == name) {
        return Some(name);
    }
    finish_reference(at, known.by_ref(), name, "container component");
    None
}

/// An absolute path; the standard's two variables for the project's place are known already.
fn working_directory(at: &Cursor<'_>, variables: &Variables) -> Option<String> {
    let text = variables.text(at)?;
    let known = [
        "${PROJECTS_ROOT}",
        "$PROJECTS_ROOT",
        "${PROJECT_SOURCE}",
        "$PROJECT_SOURCE",
    ];
    let path = known
        .iter()
        .find_map(|variable| text.strip_prefix(variable))
        .map_or_else(|| text.clone(), |rest| format!("{PROJECTS_PATH}{rest}"));
    match checks::absolute_path(&path) {
        Ok(()) => Some(path),
        Err(message) => {
            at.error(format!("{message}, or begin with $PROJECTS_ROOT"));
            None
        }
    }
}

/// The commands of the two events, and which components run before the others only.
pub(crate) fn events(
    cursor: Option<&Cursor<'_>>,
    commands: &Commands<'_>,
    components: &mut Components<'_>,
) -> Events {
    let Some(mut fields) = cursor
        .filter(|cursor| !cursor.is_empty())
        .and_then(|cursor| cursor.fields("the events"))
    else {
        return Events::default();
    };
    let (before, after) = (fields.optional("preStart"), fields.optional("postStart"));
    for name in ["preStop", "postStop"] {
        fields.refuse(
            name,
            "is not supported: a workspace may stop without warning; use preStart or postStart",
        );
    }
    fields.finish();
    let pre_start = named(before.as_ref(), commands)
        .into_iter()
        .filter_map(|(at, id, command)| pre_start(&at, id, command, components))
        .collect();
    let post_start = named(after.as_ref(), commands)
        .into_iter()
        .filter_map(|(at, _, command)| post_start(&at, command, components))
        .collect();
    Events {
        pre_start,
        post_start,
    }
}

/// The commands that an event names, each with its place and id.
fn named<'a, 'c>(
    cursor: Option<&Cursor<'a>>,
    commands: &'c Commands<'_>,
) -> Vec<(Cursor<'a>, &'a str, &'c Command<'c>)> {
    let mut seen = std::collections::BTreeSet::new();
    let mut found = Vec::new();
    for (at, id) in cursor
        .map(|cursor| cursor.texts(MAX_EVENT_COMMANDS))
        .unwrap_or_default()
    {
        if !seen.insert(id) {
            at.error(format!("'{id}' stands in this event a second time"));
        }
        match commands.get(id) {
            Some(command) => found.push((at, id, command)),
            None => finish_reference(&at, commands.keys().copied(), id, "command"),
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
        Command::Exec(spec) => Some(spec.clone()),
        Command::Apply { at, component } => applied(at, id, component, components),
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
    let (_, draft) = components
        .containers
        .iter_mut()
        .find(|(_, draft)| draft.spec.name == component)?;
    let words: Vec<&str> = draft
        .spec
        .command
        .iter()
        .chain(&draft.spec.args)
        .map(String::as_str)
        .collect();
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
                at.error(format!(
                    "runs in '{}', which has ended before the others start",
                    spec.component
                ));
            }
            Some(spec.clone())
        }
        Command::Apply { .. } => {
            at.error("must be an exec command: nothing is applied when the workspace has started");
            None
        }
        Command::Broken => None,
    }
}
