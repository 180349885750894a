//! Translates a `devcontainer.json` that names an image, for a project that has no devfile.
//!
//! What Berth can do is translated, what only describes is passed over, and what would need a build, a privilege or the
//! user's own machine is refused with the reason.

mod commands;
mod environment;
mod json;

use berth_schema::WorkspaceSpec;
use berth_schema::kubernetes::PROJECTS_PATH;
use berth_schema::spec::{ContainerSpec, EndpointSpec, Events, Resources};

use crate::cursor::{Cursor, Fields};
use crate::diagnostic::{Diagnostic, Report, shown};
use crate::resources::Of;
use crate::{Options, bounds, checks, endpoint};

/// The largest file that is looked at.
pub const MAX_BYTES: usize = 256 * 1024;
/// The name of the only container.
const MAIN: &str = "main";
const MAX_PORTS: usize = 64;

/// Reads a `devcontainer.json`: JSON with comments and trailing commas.
///
/// # Errors
/// As [`crate::parse`].
pub fn translate(text: &str, options: &Options) -> Result<WorkspaceSpec, Vec<Diagnostic>> {
    let report = Report::default();
    let spec = crate::within_bounds(text, MAX_BYTES, &report)
        .and_then(|()| json::read(text, &report))
        .and_then(|root| document(&Cursor::root(&root, &report), options));
    report.conclude(spec)
}

/// Describes, or speaks to editors: nothing that a workspace is made of.
const IGNORED: [&str; 13] = [
    "$schema",
    "customizations",
    "extensions",
    "name",
    "otherPortsAttributes",
    "overrideFeatureInstallOrder",
    "portsAttributes",
    "secrets",
    "settings",
    "shutdownAction",
    "updateRemoteUserUID",
    "userEnvProbe",
    "waitFor",
];

const BUILD: &str = "is not supported: Berth builds no images; build it before and name it in 'image'";
const COMPOSE: &str = "is not supported: a workspace is one pod; write a devfile with several containers";
const PRIVILEGE: &str = "is not allowed: workspaces run without privileges";

/// Refused wherever they stand.
const REFUSED: [(&str, &str); 11] = [
    ("build", BUILD),
    ("dockerFile", BUILD),
    ("context", BUILD),
    ("dockerComposeFile", COMPOSE),
    ("service", COMPOSE),
    ("runServices", COMPOSE),
    ("initializeCommand", "is not supported: it would run on the user's own machine"),
    ("postAttachCommand", "is not supported: Berth does not see editors attach; use postStartCommand"),
    ("workspaceMount", "is not supported: the project is always under /projects"),
    ("appPort", "is not supported: use forwardPorts"),
    ("devPort", "is not supported: use forwardPorts"),
];

/// Refused when they ask for something.
const REFUSED_UNLESS_EMPTY: [(&str, &str); 7] = [
    ("features", "are not supported: they build an image; build it before and name it in 'image'"),
    ("mounts", "are not supported: they name places of the user's own machine; write a devfile with volumes"),
    ("runArgs", "are not supported: they speak to Docker, a workspace runs on Kubernetes"),
    ("init", "is not supported: the first process is Berth's own"),
    ("privileged", PRIVILEGE),
    ("capAdd", PRIVILEGE),
    ("securityOpt", PRIVILEGE),
];

fn document(root: &Cursor<'_>, options: &Options) -> Option<WorkspaceSpec> {
    let mut fields = root.fields("a devcontainer.json")?;
    let mut elsewhere = false;
    for (name, why) in REFUSED {
        elsewhere |= fields.refuse(name, why) && (why == BUILD || why == COMPOSE);
    }
    for (name, why) in REFUSED_UNLESS_EMPTY {
        fields.refuse_unless_empty(name, why);
    }
    check_users(&mut fields);
    let folder = workspace_folder(&mut fields);
    let image = image(&mut fields, elsewhere);
    let container = ContainerSpec {
        name: MAIN.to_owned(),
        image: image.unwrap_or_default(),
        main: true,
        override_command: fields.optional("overrideCommand").and_then(|given| given.boolean()),
        env: environment::read(&mut fields),
        resources: host_requirements(fields.optional("hostRequirements").as_ref()),
        endpoints: forwarded(fields.optional("forwardPorts").as_ref()),
        ..ContainerSpec::default()
    };
    let post_start = commands::read(&mut fields, MAIN, &folder);
    fields.ignore(&IGNORED);
    fields.finish();
    let events = Events { post_start, ..Events::default() };
    let spec = WorkspaceSpec {
        containers: vec![container],
        volumes: std::collections::BTreeMap::new(),
        events,
        storage: None,
        user: None,
        git_user: None,
        project: None,
    };
    bounds::check(root, &[], &spec, options);
    Some(spec)
}

/// `elsewhere`: the file says already, and was told, that the image comes from a build.
fn image(fields: &mut Fields<'_>, elsewhere: bool) -> Option<String> {
    let image = if elsewhere { fields.optional("image") } else { fields.required("image") }?;
    let text = environment::literal(&image)?;
    match checks::image(text) {
        Ok(()) => Some(text.to_owned()),
        Err(message) => {
            image.error(message);
            None
        }
    }
}

/// Workspaces run as an arbitrary user of group 0, whoever the image is made for; only root is a promise not to be kept.
fn check_users(fields: &mut Fields<'_>) {
    for name in ["remoteUser", "containerUser"] {
        if let Some(user) = fields.optional(name) {
            user.checked_text(|text| match text {
                "root" | "0" => Err("must not be root: no workspace runs as root".to_owned()),
                _ => Ok(()),
            });
        }
    }
}

fn workspace_folder(fields: &mut Fields<'_>) -> String {
    let given = fields.optional("workspaceFolder").and_then(|folder| {
        folder.checked_text(|text| {
            let within =
                text.strip_prefix(PROJECTS_PATH).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
            if within {
                checks::absolute_path(text)
            } else {
                Err("must be /projects or below: the project is there".to_owned())
            }
        })
    });
    given.unwrap_or(PROJECTS_PATH).to_owned()
}

fn forwarded(cursor: Option<&Cursor<'_>>) -> Vec<EndpointSpec> {
    let mut endpoints: Vec<EndpointSpec> = Vec::new();
    for item in cursor.map(|cursor| cursor.list(MAX_PORTS)).unwrap_or_default() {
        let Some(written) = item.number() else { continue };
        match endpoint::check_port(written) {
            Err(message) => item.error(message),
            Ok(port) if endpoints.iter().any(|known| known.port == port) => {
                item.error(format!("{port} stands in this list a second time"));
            }
            Ok(port) => endpoints.push(EndpointSpec { name: format!("port-{port}"), port }),
        }
    }
    endpoints
}

/// The least that the container needs: requests, without limits.
fn host_requirements(cursor: Option<&Cursor<'_>>) -> Resources {
    let Some(mut fields) = cursor.and_then(|cursor| cursor.fields("host requirements")) else {
        return Resources::default();
    };
    let cpu_request =
        fields.optional("cpus").and_then(|cpus| quantity(&cpus, cpus.number()?.to_owned(), Of::Cpu));
    let memory_request = fields.optional("memory").and_then(|memory| {
        let text = memory.text()?;
        let size = binary_size(text);
        if size.is_none() {
            memory.error(format!("is '{}', not a size such as '8gb'", shown(text)));
        }
        quantity(&memory, size?, Of::Memory)
    });
    fields.refuse("storage", "is not supported: the agent sets the size of the workspace's volume");
    fields.refuse_unless_empty("gpu", "is not supported: workspaces have no graphics processor");
    fields.finish();
    Resources { cpu_request, memory_request, ..Resources::default() }
}

fn quantity(at: &Cursor<'_>, text: String, of: Of) -> Option<String> {
    match of.amount(&text) {
        Ok(_) => Some(text),
        Err(message) => {
            at.error(message);
            None
        }
    }
}

/// `8gb` as `8Gi`: the format's units are powers of 1024.
fn binary_size(text: &str) -> Option<String> {
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit())?);
    let suffix = match unit.to_ascii_lowercase().as_str() {
        "kb" => "Ki",
        "mb" => "Mi",
        "gb" => "Gi",
        "tb" => "Ti",
        _ => return None,
    };
    (!number.is_empty()).then(|| format!("{number}{suffix}"))
}
