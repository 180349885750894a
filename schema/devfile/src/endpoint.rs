//! Endpoints of a container.

use std::collections::BTreeMap;

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
    ports: BTreeMap<u16, String>,
}

impl<'a> Ports<'a> {
    fn claim_name(&mut self, cursor: &Cursor<'a>, name: &'a str) {
        if let Some(owner) = self.names.insert(name, cursor.path().to_owned()) {
            cursor.error(format!("'{name}' is the name of {owner} already: all containers share one pod"));
        }
    }

    fn claim_port(&mut self, cursor: &Cursor<'_>, port: u16) {
        if let Some(owner) = self.ports.insert(port, cursor.path().to_owned()) {
            cursor.error(format!("{port} is the port of {owner} already: all containers share one pod"));
        }
    }
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
    let port = fields.required("targetPort").and_then(|cursor| {
        let port = target_port(&cursor)?;
        ports.claim_port(&cursor, port);
        Some(port)
    });
    let exposure = fields
        .optional("exposure")
        .and_then(|cursor| cursor.checked_text(|text| one_of(text, &["public", "internal", "none"])));
    if let Some(protocol) = fields.optional("protocol") {
        protocol.checked_text(check_protocol);
    }
    if let Some(path) = fields.optional("path") {
        variables.text(&path);
    }
    if let Some(secure) = fields.optional("secure") {
        secure.boolean();
    }
    attributes::elsewhere(fields.optional("attributes").as_ref());
    fields.refuse("annotation", "is not allowed: Berth alone annotates its objects");
    fields.finish();
    let served = exposure.unwrap_or("public") == "public";
    Some(EndpointSpec { name: name?.to_owned(), port: port? }).filter(|_| served)
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

fn check_protocol(text: &str) -> Result<(), String> {
    match text {
        "https" | "wss" => {
            Err("is not supported: serve 'http' (or 'ws'), the proxy makes https of it for the browser"
                .to_owned())
        }
        "udp" => Err("is not supported: only TCP reaches a workspace".to_owned()),
        _ => one_of(text, &["http", "ws", "tcp"]),
    }
}

fn one_of(text: &str, allowed: &[&str]) -> Result<(), String> {
    if allowed.contains(&text) { Ok(()) } else { Err(format!("must be one of {}", allowed.join(", "))) }
}
