//! Start-up scripts, mounted read-only into every container. They need nothing of the image but a shell.

use std::fmt::Write as _;

use berth_schema::kubernetes::PROJECTS_PATH;
use berth_schema::spec::{CommandSpec, ContainerSpec};
use k8s_openapi::api::core::v1::ConfigMap;

use super::Context;

/// The suffix of the ConfigMap.
pub(super) const SCRIPTS: &str = "scripts";
/// Where it is mounted.
pub(super) const PATH: &str = "/.berth/scripts";

/// Keeps a container running whose own command is overridden, and ends at once when told to.
const IDLE: &str = "#!/bin/sh\ntrap 'exit 0' TERM INT\nwhile :; do sleep 3600 & wait $!; done\n";

pub(super) fn config_map(context: &Context<'_>) -> ConfigMap {
    let spec = &context.workspace.spec;
    let mut data = vec![("idle.sh".to_owned(), IDLE.to_owned())];
    for container in &spec.containers {
        if has_post_start(context, container) {
            let commands =
                spec.events.post_start.iter().filter(|command| command.component == container.name);
            data.push((post_start_file(container), post_start(commands)));
        }
    }
    ConfigMap {
        metadata: context.metadata(context.named(SCRIPTS)),
        data: Some(data.into_iter().collect()),
        ..ConfigMap::default()
    }
}

pub(super) fn has_post_start(context: &Context<'_>, container: &ContainerSpec) -> bool {
    context.workspace.spec.events.post_start.iter().any(|command| command.component == container.name)
}

pub(super) fn post_start_file(container: &ContainerSpec) -> String {
    format!("post-start-{}.sh", container.name)
}

/// Runs the commands one after another, each with a log of its own; one that fails does not keep the next from running.
fn post_start<'a>(commands: impl Iterator<Item = &'a CommandSpec>) -> String {
    let logs = format!("{PROJECTS_PATH}/workspace-logs");
    let mut script = format!("#!/bin/sh\nmkdir -p {logs}\n");
    for command in commands {
        let log = format!("{logs}/post-start-{}.log", command.id);
        let _ = writeln!(script, "(\n{}\n) >{log} 2>&1", shell(command));
        let _ = writeln!(script, "echo \"ended with $?\" >>{log}");
    }
    script
}

/// One devfile command as lines of shell.
pub(super) fn shell(command: &CommandSpec) -> String {
    let mut lines = String::new();
    for (name, value) in &command.env {
        let _ = writeln!(lines, "export {name}={}", quoted(value));
    }
    if let Some(directory) = &command.working_dir {
        let _ = writeln!(lines, "cd {} || exit 1", quoted(directory));
    }
    lines.push_str(&command.command_line);
    lines
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}
