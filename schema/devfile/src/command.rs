//! Commands.

use std::collections::BTreeMap;

use berth_schema::kubernetes::PROJECTS_PATH;
use berth_schema::spec::CommandSpec;

use crate::component::Components;
use crate::cursor::{Cursor, Fields, suggestion};
use crate::variables::Variables;
use crate::{attributes, checks, environment};

const MAX_COMMANDS: usize = 256;

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
        let command = body(&item, &mut fields, id.as_ref().map(|(id, _)| *id), components, variables);
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
    let mut refused =
        fields.refuse("composite", "is not supported: name the commands one after another in the event");
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
    let component = fields.required("component").and_then(|at| container_name(&at, components));
    let working_dir = fields.optional("workingDir").and_then(|at| working_directory(&at, variables));
    let env = environment::read(fields.optional("env").as_ref(), variables);
    if let Some(reload) = fields.optional("hotReloadCapable")
        && reload.boolean() == Some(true)
    {
        reload.error("must be false: Berth restarts no command when files change");
    }
    describe_and_finish(fields);
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
    let component = fields.required("component").and_then(|at| Some((container_name(&at, components)?, at)));
    describe_and_finish(fields);
    component.map(|(component, at)| Command::Apply { at, component })
}

fn describe_and_finish(mut fields: Fields<'_>) {
    if let Some(label) = fields.optional("label") {
        label.checked_text(checks::label);
    }
    fields.refuse("group", "is not supported: Berth runs commands by events alone; take the field out");
    fields.finish();
}

/// Reports a name that nothing has.
pub(crate) fn unknown_name<'k>(
    at: &Cursor<'_>,
    known: impl Iterator<Item = &'k str>,
    given: &str,
    what: &str,
) {
    at.error(format!("names no {what}{}", suggestion(given, known)));
}

/// The name of a container component.
fn container_name<'a>(at: &Cursor<'a>, components: &Components<'_>) -> Option<&'a str> {
    let name = at.text()?;
    let known = components.containers.iter().map(|(_, draft)| draft.spec.name.as_str());
    if components.broken || known.clone().any(|known| known == name) {
        return Some(name);
    }
    unknown_name(at, known, name, "container component");
    None
}

/// How the standard names the place of the project.
const PROJECT_VARIABLES: [&str; 4] =
    ["${PROJECTS_ROOT}", "$PROJECTS_ROOT", "${PROJECT_SOURCE}", "$PROJECT_SOURCE"];

/// An absolute path; the standard's two variables for the project's place are known already.
fn working_directory(at: &Cursor<'_>, variables: &Variables) -> Option<String> {
    let text = variables.text(at)?;
    let path = PROJECT_VARIABLES
        .iter()
        .find_map(|variable| {
            text.strip_prefix(variable).filter(|rest| rest.is_empty() || rest.starts_with('/'))
        })
        .map_or_else(|| text.clone(), |rest| format!("{PROJECTS_PATH}{rest}"));
    match checks::absolute_path(&path) {
        Ok(()) => Some(path),
        Err(message) => {
            at.error(format!("{message}, or begin with $PROJECTS_ROOT"));
            None
        }
    }
}
