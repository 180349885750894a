//! What a workspace would be made of, before somebody makes it: what was found, and what that asks for.

use berth_schema::spec::CommandSpec;
use berth_schema::{Warning, WorkspaceSpec};

/// As the page shows it.
pub(super) struct Checked {
    /// The repository that was looked into, and what was found there.
    pub(super) found: Option<Found>,
    pub(super) containers: Vec<Container>,
    pub(super) commands: Vec<Command>,
    pub(super) warnings: Vec<Warning>,
}

pub(super) struct Found {
    pub(super) repository: String,
    pub(super) commit: String,
    /// `None`: none of the usual files, so that it is the default environment.
    pub(super) path: Option<String>,
}

pub(super) struct Container {
    pub(super) name: String,
    pub(super) image: String,
    /// `web 3000, …`
    pub(super) ports: String,
}

pub(super) struct Command {
    pub(super) when: &'static str,
    pub(super) line: String,
}

impl Checked {
    pub(super) fn of(spec: WorkspaceSpec) -> Self {
        let repository = spec.project.as_ref().map(|project| project.url.to_string());
        let found = spec.found.zip(repository).map(|(found, repository)| Found {
            repository,
            commit: found.short().to_owned(),
            path: found.path.as_ref().map(ToString::to_string),
        });
        let commands = |when: &'static str, commands: Vec<CommandSpec>| {
            commands.into_iter().map(move |command| Command { when, line: command.command_line })
        };
        Self {
            found,
            containers: spec
                .containers
                .into_iter()
                .map(|container| Container {
                    name: container.name,
                    image: container.image,
                    ports: container
                        .endpoints
                        .iter()
                        .map(|endpoint| format!("{} {}", endpoint.name, endpoint.port))
                        .collect::<Vec<_>>()
                        .join(", "),
                })
                .collect(),
            commands: commands("before it starts", spec.events.pre_start)
                .chain(commands("when it has started", spec.events.post_start))
                .collect(),
            warnings: spec.warnings,
        }
    }
}
