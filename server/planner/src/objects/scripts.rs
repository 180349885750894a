//! Start-up scripts, mounted read-only into every container. They need nothing of the image but a shell.

use std::fmt::Write as _;

use berth_schema::ProjectSpec;
use berth_schema::kubernetes::{LOGS_PATH, PROJECTS_PATH, TOOLS_PATH};
use berth_schema::spec::{CommandSpec, ContainerSpec};
use k8s_openapi::api::core::v1::ConfigMap;

use super::commands::{CLONE_STEP, Captured, inline, log, post_start, quoted, step};
use super::{Context, git};

/// The suffix of the ConfigMap.
pub(super) const SCRIPTS: &str = "scripts";
/// Where it is mounted.
pub(super) const PATH: &str = "/.berth/scripts";

/// Keeps a container running whose own command is overridden, and ends at once when told to.
const IDLE: &str = "trap 'exit 0' TERM INT\nwhile :; do sleep 3600 & wait $!; done\n";
const CLONE_PROJECT: &str = "clone-project.sh";
const STEPS: &str = "steps.sh";

pub(super) fn config_map(context: &Context<'_>) -> ConfigMap {
    let spec = &context.workspace.spec;
    let mut data = vec![
        ("idle.sh".to_owned(), begin(context) + IDLE),
        (git::CONFIGURATION.to_owned(), git::configuration(spec.git_user.as_deref())),
        (git::HELPER.to_owned(), git::HELPER_SCRIPT.to_owned()),
    ];
    for container in &spec.containers {
        if has_start(context, container) {
            data.push((start_file(container), start(context, container)));
        }
    }
    if spec.project.is_some() || !spec.events.post_start.is_empty() {
        data.push((STEPS.to_owned(), include_str!("steps.sh").to_owned()));
    }
    if let Some(project) = &spec.project {
        data.push((CLONE_PROJECT.to_owned(), clone(project)));
    }
    ConfigMap {
        metadata: context.metadata(context.named(SCRIPTS)),
        data: Some(data.into_iter().collect()),
        ..ConfigMap::default()
    }
}

/// Whether anything of ours runs in the container once it has started.
pub(super) fn has_start(context: &Context<'_>, container: &ContainerSpec) -> bool {
    let spec = &context.workspace.spec;
    let for_main = context.config().tools_image.is_some() || spec.project.is_some();
    (container.main && for_main)
        || !container.start_env.is_empty()
        || post_start(context, container).next().is_some()
}

pub(super) fn start_file(container: &ContainerSpec) -> String {
    format!("start-{}.sh", container.name)
}

/// How every script begins that runs in a container.
fn begin(context: &Context<'_>) -> String {
    format!("#!/bin/sh\n{}", path(context))
}

/// The tools' programs, where there are tools. Behind the image's own: they fill what it lacks.
fn path(context: &Context<'_>) -> String {
    if context.config().tools_image.is_none() {
        return String::new();
    }
    format!(
        "export PATH=\"${{PATH:-/usr/bin:/bin}}:{TOOLS_PATH}/current/path:{TOOLS_PATH}/current/applets\"\n"
    )
}

/// A `preStart` command, which is all that its container runs. Its log is a file like the others, where one can be written: the
/// container is gone when the user looks. When the command has ended the container says the same, since nobody gets at the file while the
/// command fails again and again.
pub(super) fn before(context: &Context<'_>, command: &CommandSpec) -> String {
    let log = format!("{LOGS_PATH}/pre-start-{}.log", command.id);
    // In a shell of its own: a syntax error is the command's.
    format!(
        "{}mkdir -p {LOGS_PATH}\nberth_text={}\n\
         (: >{log}) 2>/dev/null || exec /bin/sh -c -- \"$berth_text\"\n\
         /bin/sh -c -- \"$berth_text\" >{log} 2>&1\n\
         berth_code=$?\ncat {log}\nexit \"$berth_code\"",
        path(context),
        quoted(&inline(context, command))
    )
}

/// The tools in the background, the project's files, then the user's commands one after another, each with a log of its own.
/// Whatever fails does not keep the next from running.
fn start(context: &Context<'_>, container: &ContainerSpec) -> String {
    let mut script = begin(context);
    let captured = Captured::of(context, container);
    script.push_str(&captured.lines());
    for (name, value) in &container.start_env {
        let _ = writeln!(script, "export {name}={}", captured.words(context, value));
    }
    if container.main && context.config().tools_image.is_some() {
        // With programs of their own alone: whatever the image or the user's PATH has in the place of the others.
        let tools = format!("{TOOLS_PATH}/current/bin");
        let _ = writeln!(script, "[ ! -x {tools}/start ] || {tools}/busybox mkdir -p {LOGS_PATH}");
        let _ = writeln!(script, "[ ! -x {tools}/start ] || {tools}/start >>{LOGS_PATH}/tools.log 2>&1 &");
    }
    let _ = writeln!(script, "mkdir -p {LOGS_PATH}");
    script + &steps(context, container, &captured)
}

/// The steps of the start that are this container's, each after the one before it in whichever container that is.
fn steps(context: &Context<'_>, container: &ContainerSpec, captured: &Captured) -> String {
    let spec = &context.workspace.spec;
    let clone = spec.project.as_ref().and_then(|_| Some((CLONE_STEP, spec.main()?, None)));
    let commands = spec.events.post_start.iter().filter_map(|command| {
        let component = spec.containers.iter().find(|container| container.name == command.component)?;
        Some((command.id.as_str(), component, Some(command)))
    });
    let all: Vec<_> = clone.into_iter().chain(commands).collect();
    let is_own = |component: &ContainerSpec| component.name == container.name;
    let own: Vec<&str> =
        all.iter().filter(|(_, component, _)| is_own(component)).map(|(name, ..)| *name).collect();
    if own.is_empty() {
        return String::new();
    }
    let mut script = format!(". {PATH}/{STEPS}\nberth_begin {}\n", own.join(" "));
    let mut before: Option<(&str, bool)> = None;
    for (name, component, command) in all {
        if is_own(component) {
            if let (Some((before, false)), Some(command)) = (before, command) {
                // What ran once keeps the log of that one time.
                let told = if command.once { "/dev/null".to_owned() } else { log(command) };
                let _ = writeln!(script, "berth_after {before} {told}");
            }
            match command {
                Some(command) => script.push_str(&step(context, command, captured)),
                None => {
                    let _ = writeln!(script, "/bin/sh {PATH}/{CLONE_PROJECT} >>{LOGS_PATH}/{CLONE_LOG} 2>&1");
                }
            }
            let _ = writeln!(script, "berth_ended {name}");
        }
        before = Some((name, is_own(component)));
    }
    script
}

const CLONE_LOG: &str = "project-clone.log";

fn clone(project: &ProjectSpec) -> String {
    let mut script = "#!/bin/sh\n".to_owned();
    let name = |commit: bool| {
        let reference = project.reference.as_ref().filter(|reference| reference.is_commit() == commit);
        reference.map(|reference| reference.as_str().to_owned()).unwrap_or_default()
    };
    let directory = format!("{PROJECTS_PATH}/{}", project.url.directory());
    let variables = [
        ("url", project.url.to_string()),
        ("branch", name(false)),
        ("commit", name(true)),
        ("directory", directory),
        ("state", format!("{PROJECTS_PATH}/.berth/project")),
        ("tools", format!("{TOOLS_PATH}/current")),
    ];
    for (name, value) in variables {
        let _ = writeln!(script, "{name}={}", quoted(&value));
    }
    script + include_str!("clone-project.sh")
}
