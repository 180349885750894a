//! What a workspace would be made of, before somebody makes it: what was found, and what that asks for.

use berth_schema::spec::CommandSpec;
use berth_schema::{Warning, WorkspaceSpec};

/// As the page shows it.
pub(super) struct Checked {
    /// The repository that was looked into, and what was found there.
    pub(super) found: Option<Found>,
    /// Where there is none, what was not looked at and what was.
    pub(super) unread: String,
    pub(super) containers: Vec<Container>,
    pub(super) commands: Vec<Command>,
    pub(super) warnings: Vec<Warning>,
}

/// What the form says that a workspace is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MadeOf {
    /// What its repository has.
    Nothing,
    Image,
    Document,
}

/// What nobody has looked at: a repository, if one is named, or the image.
fn unread(repository: Option<&str>, made_of: MadeOf) -> String {
    let not_looked = match (repository, made_of) {
        (Some(url), MadeOf::Nothing) => {
            format!("{url} was not looked into: this server does not read it.")
        }
        (Some(url), _) => format!("{url} was not looked into, because the form says what it is made of."),
        (None, _) => "No repository is named, and none was looked into.".to_owned(),
    };
    let asks = match made_of {
        MadeOf::Nothing => "It is made of the default environment, which asks for:",
        MadeOf::Image => "Whether there is such an image was not looked up. It asks for:",
        MadeOf::Document => "What is given here can be read, and asks for:",
    };
    format!("{not_looked} {asks}")
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
    pub(super) fn of(spec: WorkspaceSpec, made_of: MadeOf) -> Self {
        let repository = spec.project.as_ref().map(|project| project.url.to_string());
        let unread = unread(repository.as_deref(), made_of);
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
            unread,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_has_looked_at_is_said() {
        let url = Some("ssh://git@git.example/team/a.git");
        let of_ssh = unread(url, MadeOf::Nothing);
        assert!(of_ssh.starts_with("ssh://git@git.example/team/a.git was not looked into"), "{of_ssh}");
        assert!(of_ssh.contains("does not read") && of_ssh.contains("default environment"), "{of_ssh}");
        for made_of in [MadeOf::Image, MadeOf::Document] {
            let given = unread(url, made_of);
            assert!(given.contains("was not looked into, because the form says"), "{given}");
        }
        for made_of in [MadeOf::Nothing, MadeOf::Image, MadeOf::Document] {
            let said = unread(None, made_of);
            assert!(said.contains("No repository is named"), "{said}");
            assert_eq!(said.contains("can be read"), made_of == MadeOf::Document, "{said}");
        }
    }
}
