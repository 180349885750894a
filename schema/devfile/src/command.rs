//! Commands.

use std::collections::BTreeMap;

use berth_schema::kubernetes::PROJECTS_PATH;
use berth_schema::spec::{CommandSpec, Directory};

use crate::component::Components;
use crate::cursor::{Cursor, Fields, suggestion};
use crate::project::Projects;
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
    /// Of a kind that Berth does not have: wrong in an event, and nothing that a workspace is made of elsewhere.
    Other {
        at: Cursor<'a>,
        why: &'static str,
    },
    /// Wrong in itself, and reported.
    Broken,
}

pub(crate) type Commands<'a> = BTreeMap<&'a str, Command<'a>>;

pub(crate) fn read<'a>(
    cursor: Option<&Cursor<'a>>,
    components: &Components<'_>,
    variables: &Variables,
    projects: &Projects<'_>,
) -> Commands<'a> {
    let context = Context { components, variables, projects };
    let mut commands = Commands::new();
    for item in cursor.map(|cursor| cursor.list(MAX_COMMANDS)).unwrap_or_default() {
        let Some(mut fields) = item.fields("a command") else {
            continue;
        };
        let id = fields
            .required("id")
            .and_then(|id| Some((id.checked_text(|text| checks::name(text, checks::MAX_LABEL))?, id)));
        attributes::elsewhere(fields.optional("attributes").as_ref());
        let command = body(&item, &mut fields, id.as_ref().map(|(id, _)| *id), &context);
        fields.finish();
        if let Some((id, at)) = id
            && commands.insert(id, command.unwrap_or(Command::Broken)).is_some()
        {
            at.error(format!("'{id}' is the id of a command before it already"));
        }
    }
    commands
}

/// What commands refer to.
struct Context<'c> {
    components: &'c Components<'c>,
    variables: &'c Variables,
    projects: &'c Projects<'c>,
}

/// Kinds of commands that the standard has and Berth does not, and what is said where an event names one.
const OTHERS: [(&str, &str); 4] = [
    ("composite", "Berth runs no composite commands: name its commands one after another in the event"),
    ("vscodeTask", "Berth runs exec and apply commands"),
    ("vscodeLaunch", "Berth runs exec and apply commands"),
    ("custom", "Berth runs exec and apply commands"),
];

fn body<'a>(
    cursor: &Cursor<'a>,
    fields: &mut Fields<'a>,
    id: Option<&'a str>,
    context: &Context<'_>,
) -> Option<Command<'a>> {
    let exec = fields.optional("exec");
    let apply = fields.optional("apply");
    let others: Vec<_> =
        OTHERS.iter().filter_map(|(name, why)| Some((fields.optional(name)?, *why))).collect();
    match (exec, apply, others.as_slice()) {
        (Some(exec), None, []) => read_exec(&exec, id, context).map(Command::Exec),
        (None, Some(apply), []) => read_apply(&apply, context.components),
        (None, None, [(other, why)]) => Some(Command::Other { at: other.clone(), why }),
        (None, None, []) => {
            cursor.error("needs a field that says what it does: 'exec' or 'apply'");
            None
        }
        _ => {
            cursor.error("must be one of exec and apply, not several");
            None
        }
    }
}

fn read_exec(cursor: &Cursor<'_>, id: Option<&str>, context: &Context<'_>) -> Option<CommandSpec> {
    let variables = context.variables;
    let mut fields = cursor.fields("an exec command")?;
    let line = fields.required("commandLine").and_then(|line| {
        let text = variables.text(&line)?;
        if text.trim().is_empty() {
            line.error("must not be empty");
        }
        Some(text)
    });
    let component = fields.required("component").and_then(|at| container_name(&at, context.components));
    // Without one the standard means the project.
    let working_dir = match fields.said("workingDir").filter(|at| !at.is_blank()) {
        Some(at) => working_directory(&at, variables, context.projects),
        None => Some(Directory::Project(String::new())),
    };
    let env = environment::read(fields.optional("env").as_ref(), variables, environment::Of::Command);
    // Whether it is to go on when files change, or Berth may restart it, which it does not.
    if let Some(reload) = fields.said("hotReloadCapable") {
        reload.boolean();
    }
    describe_and_finish(fields);
    Some(CommandSpec {
        id: id?.to_owned(),
        component: component?.to_owned(),
        command_line: line?,
        working_dir: Some(working_dir?),
        env,
        once: false,
        late: false,
    })
}

fn read_apply<'a>(cursor: &Cursor<'a>, components: &Components<'_>) -> Option<Command<'a>> {
    let mut fields = cursor.fields("an apply command")?;
    let component = fields.required("component");
    describe_and_finish(fields);
    let at = component?;
    if let Some(why) = components.others.get(at.text()?) {
        return Some(Command::Other { at, why });
    }
    container_name(&at, components).map(|component| Command::Apply { at, component })
}

fn describe_and_finish(mut fields: Fields<'_>) {
    if let Some(label) = fields.optional("label") {
        label.checked_text(checks::label);
    }
    // Describes, as the label does.
    if let Some(mut group) = fields.said("group").and_then(|group| group.fields("a group")) {
        group.optional("kind").map(|kind| kind.text());
        group.optional("isDefault").map(|default| default.boolean());
        group.finish();
    }
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

/// How the standard names the root of all projects.
const ROOT: [&str; 3] = ["${PROJECTS_ROOT}", "$PROJECTS_ROOT", PROJECTS_PATH];
/// How it names the project.
const PROJECT: [&str; 2] = ["${PROJECT_SOURCE}", "$PROJECT_SOURCE"];

/// An absolute path, or one in the project, wherever that will be.
fn working_directory(at: &Cursor<'_>, variables: &Variables, projects: &Projects<'_>) -> Option<Directory> {
    let text = variables.text(at)?;
    let text = checks::without_slash(&text);
    let below = |path: &str, names: &[&str]| {
        let rest = names
            .iter()
            .find_map(|name| path.strip_prefix(name).filter(|rest| rest.is_empty() || rest.starts_with('/')));
        rest.map(str::to_owned)
    };
    let of_root = below(text, &ROOT);
    // What the devfile itself calls its project's directory.
    let named = of_root.as_deref().and_then(|rest| below(rest.strip_prefix('/')?, &projects.directories));
    let checked = |path: String| match checks::absolute_path(&path) {
        Ok(()) => Some(path),
        Err(message) => {
            at.error(format!("{message}, or begin with $PROJECT_SOURCE or $PROJECTS_ROOT"));
            None
        }
    };
    match (below(text, &PROJECT).or(named), of_root) {
        (Some(rest), _) if rest.is_empty() => Some(Directory::Project(rest)),
        (Some(rest), _) => Some(Directory::Project(checked(rest)?.split_off(1))),
        (None, Some(rest)) => checked(format!("{PROJECTS_PATH}{rest}")).map(Directory::Absolute),
        (None, None) => checked(text.to_owned()).map(Directory::Absolute),
    }
}
