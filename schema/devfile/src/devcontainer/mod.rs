//! Translates a `devcontainer.json` that names an image, for a project that has no devfile.
//!
//! What Berth can do is translated, what changes nothing is passed over with a warning, and what would need a build, a privilege
//! or the user's own machine is refused with the reason.

mod commands;
mod environment;
mod folder;
mod json;
mod mounts;
mod requirements;
mod run_args;
mod variables;

use berth_schema::WorkspaceSpec;
use berth_schema::spec::{ContainerSpec, EndpointSpec, Events};

use crate::cursor::{Cursor, Fields};
use crate::diagnostic::{Diagnostic, Report};
use crate::{Options, bounds, checks, endpoint};
use environment::Environment;
use variables::{Needed, Variables};

/// The largest file that is looked at.
pub const MAX_BYTES: usize = 256 * 1024;
/// The name of the only container.
const MAIN: &str = "main";
const MAX_PORTS: usize = 64;

/// Whether a file is a `devcontainer.json` and no devfile, by its path: both may be JSON.
pub fn is_named(path: &str) -> bool {
    let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
    let is_in_folder = folder.rsplit('/').next() == Some(".devcontainer");
    let name = name.to_ascii_lowercase();
    name.strip_suffix(".json").is_some_and(|stem| is_in_folder || stem.ends_with("devcontainer"))
}

/// Reads a `devcontainer.json`: JSON with comments and trailing commas.
///
/// # Errors
/// As [`crate::parse`].
pub fn translate(text: &str, options: &Options) -> Result<WorkspaceSpec, Vec<Diagnostic>> {
    let report = Report::default();
    let spec = crate::within_bounds(text, MAX_BYTES, &report)
        .and_then(|()| json::read(text, &report))
        .and_then(|root| document(&Cursor::root(&root, &report), options));
    report.conclude_spec(spec)
}

/// Describes the file and what is in it, or orders what there is none of here.
const IGNORED: [&str; 4] = ["$schema", "name", "overrideFeatureInstallOrder", "updateRemoteUserUID"];

const EXTENSIONS: &str =
    "Berth installs no extensions and no settings of a file; they can be installed in the editor";
/// Speaks to editors, or of what a workspace has in another way.
const PASSED_OVER: [(&str, &str); 10] = [
    ("customizations", EXTENSIONS),
    ("extensions", EXTENSIONS),
    ("settings", EXTENSIONS),
    ("portsAttributes", "ports are served by their numbers, to those who may enter"),
    ("otherPortsAttributes", "ports are served by their numbers, to those who may enter"),
    ("secrets", "secrets are variables of the workspace: `berth create -e NAME`"),
    ("shutdownAction", "a workspace stops when somebody or a rule stops it"),
    ("userEnvProbe", "commands run by a shell that reads no profile"),
    ("waitFor", "the editor is there from the start, commands run beside it"),
    ("init", "the first process is Berth's own"),
];

const BUILD: &str = "is not supported: Berth builds no images; build it before and name it in 'image'";
const COMPOSE: &str = "is not supported: a workspace is one pod; write a devfile with several containers";
const PRIVILEGE: &str = "is not allowed: workspaces run without privileges";

/// Refused when they ask for something.
const REFUSED: [(&str, &str); 12] = [
    ("build", BUILD),
    ("dockerFile", BUILD),
    ("context", BUILD),
    ("dockerComposeFile", COMPOSE),
    ("service", COMPOSE),
    ("runServices", COMPOSE),
    ("features", "are not supported: they build an image; build it before and name it in 'image'"),
    ("initializeCommand", "is not supported: it would run on the user's own machine"),
    ("privileged", PRIVILEGE),
    ("capAdd", PRIVILEGE),
    ("securityOpt", PRIVILEGE),
    ("devPort", "is not supported: use forwardPorts"),
];

fn document(root: &Cursor<'_>, options: &Options) -> Option<WorkspaceSpec> {
    let mut fields = root.fields("a devcontainer.json")?;
    let mut elsewhere = false;
    for (name, why) in REFUSED {
        elsewhere |= fields.refuse_unless_empty(name, why) && (why == BUILD || why == COMPOSE);
    }
    for (name, why) in PASSED_OVER {
        fields.pass_over(name, why);
    }
    check_users(&mut fields);
    let folder = folder::read(&mut fields);
    let image = image(&mut fields, elsewhere);
    let mut environment = Environment::read(&mut fields, &folder.variables);
    run_args::read(fields.said("runArgs").as_ref(), &folder.variables, &mut environment);
    let mounts = mounts::read(fields.said("mounts").as_ref(), &folder);
    let mut container = ContainerSpec {
        name: MAIN.to_owned(),
        image: image.unwrap_or_default(),
        main: true,
        override_command: fields.said("overrideCommand").and_then(|given| given.boolean()),
        resources: requirements::read(fields.said("hostRequirements").as_ref()),
        endpoints: endpoints(&mut fields),
        mounts: mounts.places,
        ..ContainerSpec::default()
    };
    environment.set(&mut container);
    let post_start = commands::read(&mut fields, MAIN, &folder.variables);
    fields.ignore(&IGNORED);
    fields.finish();
    let events = Events { post_start, ..Events::default() };
    let spec = WorkspaceSpec {
        containers: vec![container],
        volumes: mounts.volumes,
        events,
        storage: None,
        user: None,
        git_user: None,
        project: None,
        found: None,
        warnings: Vec::new(),
    };
    bounds::check(root, &[], &spec, options);
    Some(spec)
}

/// `elsewhere`: the file says already, and was told, that the image comes from a build.
fn image(fields: &mut Fields<'_>, elsewhere: bool) -> Option<String> {
    let image = if elsewhere { fields.optional("image") } else { fields.required("image") }?;
    let text = Variables::default().text(&image, Needed::Now)?;
    match checks::image(&text) {
        Ok(()) => Some(text),
        Err(message) => {
            image.error(message);
            None
        }
    }
}

/// Workspaces run as an arbitrary user of group 0, whoever the image is made for; only root is a promise not to be kept.
fn check_users(fields: &mut Fields<'_>) {
    for name in ["remoteUser", "containerUser"] {
        let Some(user) = fields.said(name).filter(|user| !user.is_blank()) else { continue };
        let checked = user.checked_text(|text| match text.split(':').next().unwrap_or_default() {
            "root" | "0" => Err("must not be root: no workspace runs as root".to_owned()),
            _ => Ok(()),
        });
        if checked.is_some() {
            user.pass_over("a workspace runs as an arbitrary user of group 0");
        }
    }
}

/// `forwardPorts`, and `appPort`, which is the same by an older name.
fn endpoints(fields: &mut Fields<'_>) -> Vec<EndpointSpec> {
    let mut endpoints: Vec<EndpointSpec> = Vec::new();
    let forwarded = fields.said("forwardPorts").map(|cursor| cursor.list(MAX_PORTS)).unwrap_or_default();
    let published = match fields.said("appPort") {
        Some(list) if list.is_list() => list.list(MAX_PORTS),
        Some(one) => vec![one],
        None => Vec::new(),
    };
    let all = forwarded.iter().map(|item| (item, false)).chain(published.iter().map(|item| (item, true)));
    for (item, is_published) in all {
        let Some(written) = item.text_or_number() else { continue };
        let Some(port) = port_of(item, written, is_published) else { continue };
        match endpoint::check_port(port) {
            Err(message) => item.error(message),
            Ok(port) if endpoints.iter().any(|known| known.port == port) => {}
            Ok(port) if endpoints.len() < MAX_PORTS => {
                endpoints.push(EndpointSpec { name: format!("port-{port}"), port });
            }
            Ok(_) => item.error(format!("is one port too many, at most {MAX_PORTS} are allowed")),
        }
    }
    endpoints
}

/// The container's own port of `3000`, `localhost:3000`, or, where it is published, of `8080:3000`.
fn port_of<'t>(item: &Cursor<'_>, written: &'t str, is_published: bool) -> Option<&'t str> {
    let Some((host, port)) = written.rsplit_once(':') else { return Some(written) };
    if !is_published && !matches!(host, "localhost" | "127.0.0.1") {
        item.pass_over("a workspace of a devcontainer.json has no other host");
        return None;
    }
    if is_published && host != port {
        item.warn("is served by the container's port", "the proxy knows no other");
    }
    Some(port)
}

#[cfg(test)]
mod tests {
    use super::is_named;

    #[test]
    fn a_devcontainer_is_known_by_its_name() {
        for yes in [
            ".devcontainer.json",
            ".devcontainer/a.JSON",
            "x/.devcontainer/devcontainer.json",
            "devcontainer.json",
        ] {
            assert!(is_named(yes), "{yes}");
        }
        for no in ["devfile.yaml", "devfile.json", ".devcontainer/a.yaml", "x.devcontainer/a.json"] {
            assert!(!is_named(no), "{no}");
        }
    }
}
