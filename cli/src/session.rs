//! What a command needs to speak to a server.

use std::sync::Arc;

use jiff::Timestamp;

use crate::args::Global;
use crate::client::{Bearer, Client, Keeper, Organization, Place};
use crate::config::{Config, Credential, Target};
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

/// A client of somebody's own account, which a token of an organisation has none of.
pub(crate) fn of_account(global: &Global) -> Result<(Target, Client), Error> {
    let (target, client) = connect(global)?;
    if matches!(target.credential, Credential::Token(_)) {
        return Err(Error::Usage {
            message: "a token belongs to one organisation and to no account".to_owned(),
            hint: Some("`berth whoami` shows the token's; `berth login` logs in as yourself".to_owned()),
        });
    }
    Ok((target, client))
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
    let bearer = match &target.credential {
        Credential::Token(token) => Bearer::Token(token.clone()),
        Credential::Login(login) => {
            let place = Place {
                config: config.path().to_owned(),
                // A login comes from a context and from nowhere else.
                context: target.context.clone().unwrap_or_default(),
                server: target.url.clone(),
                ca_file: target.ca_file.clone(),
                talk,
            };
            Bearer::Login(Arc::new(Keeper::new(place, login.clone())))
        }
    };
    let client = Client::new(target.url.clone(), bearer, target.ca_file.as_deref(), talk)?;
    Ok((target, client))
}

/// The time that ages are counted to.
pub(crate) fn now() -> Timestamp {
    Timestamp::now()
}
