//! What a command needs to speak to a server.

use jiff::Timestamp;

use crate::args::Global;
use crate::client::{Client, Organization};
use crate::config::{Config, Target};
use crate::error::Error;
use crate::output::Printer;
use crate::terminal::Talk;

/// A server, whose organisation, and where to print.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) organization: Organization,
    pub(crate) printer: Printer,
    pub(crate) talk: Talk,
}

impl Session {
    /// Finds out where to speak to. Asks the server whose token it is only where nothing else tells.
    pub(crate) async fn open(global: &Global) -> Result<Self, Error> {
        let talk = global.talk();
        let (target, client) = connect(global)?;
        let organization = match target.organization {
            Some(organization) => organization,
            None => client.whoami().await?.organization.into(),
        };
        Ok(Self { organization: Organization::new(client, organization), printer: Printer::of(global), talk })
    }
}

/// The target and a client for it.
pub(crate) fn connect(global: &Global) -> Result<(Target, Client), Error> {
    let talk = global.talk();
    let config = Config::load(global.config.as_deref())?;
    if config.is_readable_by_others() {
        let path = config.path().display();
        talk.warn(&format!("{path} holds tokens and others may read it; `chmod 600 {path}`"));
    }
    let target = Target::resolve(global, &config)?;
    let client = Client::new(target.url.clone(), &target.token, target.ca_file.as_deref(), talk)?;
    Ok((target, client))
}

/// The time that ages are counted to.
pub(crate) fn now() -> Timestamp {
    Timestamp::now()
}
