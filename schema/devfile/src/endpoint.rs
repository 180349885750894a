//! Endpoints of a container.

use std::collections::{BTreeMap, BTreeSet};

use berth_schema::kubernetes::{EDITOR_PORT, SSH_PORT};
use berth_schema::spec::EndpointSpec;

use crate::cursor::Cursor;
use crate::variables::Variables;
use crate::{attributes, checks};

const MAX_ENDPOINTS: usize = 64;

/// Names and ports across all containers: they share one pod and one Service.
#[derive(Debug, Default)]
pub(crate) struct Ports<'a> {
    names: BTreeMap<&'a str, String>,
    owners: BTreeMap<u16, String>,
    served: BTreeSet<u16>,
}

impl<'a> Ports<'a> {
    fn claim_name(&mut self, cursor: &Cursor<'a>, name: &'a str) {
        if let Some(owner) = self.names.insert(name, cursor.path().to_owned()) {
            cursor.error(format!("'{name}' is the name of {owner} already: all containers share one pod"));
        }
    }

    /// Whether nobody has the port before. Another container must not; the same may name it again.
    fn claim_port(&mut self, cursor: &Cursor<'_>, port: u16) -> bool {
        let Some(owner) = self.owners.get(&port) else {
            self.owners.insert(port, cursor.path().to_owned());
            return true;
        };
        if container_of(owner) != container_of(cursor.path()) {
            cursor.error(format!("{port} is the port of {owner} already: all containers share one pod"));
        }
        false
    }
}

fn container_of(path: &str) -> &str {
    path.split_once(".container.").map_or(path, |(container, _)| container)
}

/// The endpoints that the workspace serves. Those that stay within the pod are checked and left out.
pub(crate) fn read<'a>(
    cursor: Option<&Cursor<'a>>,
    ports: &mut Ports<'a>,
    variables: &Variables,
) -> Vec<EndpointSpec> {
    let items = cursor.map(|cursor| cursor.list(MAX_ENDPOINTS)).unwrap_or_default();
    items.iter().filter_map(|item| endpoint(item, ports, variables)).collect()
}

fn endpoint<'a>(cursor: &Cursor<'a>, ports: &mut Ports<'a>, variables: &Variables) -> Option<EndpointSpec> {
    let mut fields = cursor.fields("an endpoint")?;
    let name = fields.required("name").and_then(|cursor| {
        let name = cursor.checked_text(checks::port_name)?;
        ports.claim_name(&cursor, name);
        Some(name)
    });
    let port = fields.required("targetPort").and_then(|cursor| Some((target_port(&cursor)?, cursor)));
    let exposure = fields
        .said("exposure")
        .and_then(|cursor| cursor.checked_text(|text| one_of(text, &["public", "internal", "none"])));
    let served = exposure.unwrap_or("public") == "public";
    if let Some(protocol) = fields.said("protocol") {
        check_protocol(&protocol, served);
    }
    let is_first = port.as_ref().is_some_and(|(port, at)| claim(ports, at, *port, served));
    if let Some(path) = fields.optional("path") {
        variables.text(&path);
    }
    if let Some(secure) = fields.optional("secure") {
        secure.boolean();
    }
    attributes::elsewhere(fields.optional("attributes").as_ref());
    fields.pass_over("annotation", "Berth alone annotates its objects");
    fields.finish();
    Some(EndpointSpec { name: name?.to_owned(), port: port?.0 }).filter(|_| served && is_first)
}

/// Whether the endpoint is the first that serves its port.
fn claim(ports: &mut Ports<'_>, at: &Cursor<'_>, port: u16, served: bool) -> bool {
    let is_free = ports.claim_port(at, port);
    let is_first = served && ports.served.insert(port);
    if served && !is_first && !is_free {
        at.pass_over(format!("{port} is served under the name of the endpoint before it"));
    }
    is_first
}

fn target_port(cursor: &Cursor<'_>) -> Option<u16> {
    match check_port(cursor.number()?) {
        Ok(port) => Some(port),
        Err(message) => {
            cursor.error(message);
            None
        }
    }
}

/// A port that a workspace may serve.
pub(crate) fn check_port(written: &str) -> Result<u16, String> {
    match written.parse::<u16>() {
        Ok(0) | Err(_) => Err("must be a whole number from 1 to 65535".to_owned()),
        Ok(EDITOR_PORT) => Err(format!("must not be {EDITOR_PORT}: the editor answers there")),
        Ok(SSH_PORT) => Err(format!("must not be {SSH_PORT}: sshd answers there")),
        Ok(port) => Ok(port),
    }
}

fn check_protocol(at: &Cursor<'_>, served: bool) {
    let checked = at.checked_text(|text| match text {
        "udp" if served => Err("is not supported: only TCP reaches a workspace".to_owned()),
        _ => one_of(text, &["http", "https", "ws", "wss", "tcp", "udp"]),
    });
    let taken = match checked {
        Some("https") => "is taken as http",
        Some("wss") => "is taken as ws",
        _ => return,
    };
    if served {
        at.warn(taken, "the proxy speaks http to the container and https to the browser");
    }
}

fn one_of(text: &str, allowed: &[&str]) -> Result<(), String> {
    if allowed.contains(&text) { Ok(()) } else { Err(format!("must be one of {}", allowed.join(", "))) }
}
