//! The devfile's commands as lines of shell.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use berth_schema::kubernetes::{LOGS_PATH, PROJECTS_PATH};
use berth_schema::late::{Piece, pieces};
use berth_schema::spec::{CommandSpec, ContainerSpec, Directory};

use super::Context;

/// Where the clone of the project and the steps of a start keep what they have done.
pub(super) const STATE_PATH: &str = "/projects/.berth";
/// The step that ends when the project's files are there, or could not be had.
pub(super) const CLONE_STEP: &str = "berth-project";

/// Where the project is, or would be.
pub(super) fn project_directory(context: &Context<'_>) -> String {
    match &context.workspace.spec.project {
        Some(project) => format!("{PROJECTS_PATH}/{}", project.url.directory()),
        None => PROJECTS_PATH.to_owned(),
    }
}

pub(super) fn post_start<'a>(
    context: &Context<'a>,
    container: &'a ContainerSpec,
) -> impl Iterator<Item = &'a CommandSpec> {
    let commands = &context.workspace.spec.events.post_start;
    commands.iter().filter(|command| command.component == container.name)
}

pub(super) fn log(command: &CommandSpec) -> String {
    format!("{LOGS_PATH}/post-start-{}.log", command.id)
}

/// A `preStart` command as the lines of a shell of its own.
pub(super) fn inline(context: &Context<'_>, command: &CommandSpec) -> String {
    let mut lines = exports(command);
    if let Some(directory) = &command.working_dir {
        let path = quoted(&directory.path(&project_directory(context)));
        if matches!(directory, Directory::Project(_)) {
            // The project is cloned later, and told that what is in its directory then is no reason not to.
            let _ = writeln!(
                lines,
                "[ -d {path} ] || {{ mkdir -p {path} {STATE_PATH}/project && : >{STATE_PATH}/project/prepared; }}"
            );
        }
        let _ = writeln!(lines, "cd {path} || exit 1");
    }
    lines.push_str(&command.command_line);
    lines
}

/// A `postStart` command in a shell of its own, with its log: whatever is wrong with its text is its own failure alone.
pub(super) fn step(context: &Context<'_>, command: &CommandSpec, captured: &Captured) -> String {
    let CommandSpec { id, command_line, .. } = command;
    let log = log(command);
    // Lines at its end would be lost when it is read back, and mean nothing.
    let text = command_line.trim_end_matches('\n');
    let mut lines = format!("berth_text={}\n", quoted(text));
    if command.once {
        let _ = writeln!(lines, "if berth_is_new {id} \"$berth_text\"; then");
    }
    let directory = command.working_dir.as_ref().map(|directory| directory.path(&project_directory(context)));
    let change = directory.map(|path| format!("cd {} || exit 1\n", quoted(&path))).unwrap_or_default();
    let line = if command.late { captured.words(context, text) } else { "\"$berth_text\"".to_owned() };
    let _ = writeln!(lines, "(\n{}{change}exec /bin/sh -c -- {line}\n) >{log} 2>&1", exports(command));
    let _ = writeln!(lines, "berth_code=$?\necho \"ended with $berth_code\" >>{log}");
    if command.once {
        let _ = writeln!(lines, "[ $berth_code != 0 ] || berth_is_done {id} \"$berth_text\"\nfi");
    }
    lines
}

fn exports(command: &CommandSpec) -> String {
    command.env.iter().fold(String::new(), |mut lines, (name, value)| {
        let _ = writeln!(lines, "export {name}={}", quoted(value));
        lines
    })
}

/// Variables of a container's own environment, as they are before Berth or the user changes them for commands.
#[derive(Debug, Default)]
pub(super) struct Captured {
    names: BTreeMap<(String, String), usize>,
}

impl Captured {
    /// All that the texts of a container name.
    pub(super) fn of(context: &Context<'_>, container: &ContainerSpec) -> Self {
        let commands = post_start(context, container).filter(|command| command.late);
        let texts = container.start_env.values().chain(commands.map(|command| &command.command_line));
        let mut captured = Self::default();
        for piece in texts.flat_map(|text| pieces(text)) {
            if let Piece::Environment { name, default } = piece {
                let next = captured.names.len();
                captured.names.entry((name.to_owned(), default.to_owned())).or_insert(next);
            }
        }
        captured
    }

    /// Lines that keep them.
    pub(super) fn lines(&self) -> String {
        self.names.iter().fold(String::new(), |mut lines, ((name, default), number)| {
            let _ = writeln!(lines, "berth_env_{number}=${{{name}-{}}}", quoted(default));
            lines
        })
    }

    /// A text with its variables as one word of shell.
    pub(super) fn words(&self, context: &Context<'_>, text: &str) -> String {
        let word = |piece: &Piece<'_>| match piece {
            Piece::Environment { name, default } => {
                let number = self.names.get(&((*name).to_owned(), (*default).to_owned()));
                number.map(|number| format!("\"$berth_env_{number}\"")).unwrap_or_default()
            }
            known => quoted(&known_text(context, known)),
        };
        let words: String = pieces(text).iter().map(word).collect();
        if words.is_empty() { quoted("") } else { words }
    }
}

/// A text with those of its variables that are known now; of the container's environment, the defaults.
pub(super) fn filled(context: &Context<'_>, text: &str) -> String {
    pieces(text).iter().map(|piece| known_text(context, piece)).collect()
}

fn known_text(context: &Context<'_>, piece: &Piece<'_>) -> String {
    match piece {
        Piece::Text(text) | Piece::Environment { default: text, .. } => (*text).to_owned(),
        Piece::Folder => project_directory(context),
        Piece::FolderName => {
            let directory = project_directory(context);
            directory.rsplit('/').next().unwrap_or_default().to_owned()
        }
        Piece::WorkspaceId => context.workspace.id.to_string(),
    }
}

pub(super) fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}
