//! Which server is logged in to, and which context remembers it.

use std::path::PathBuf;

use berth_schema::ServerUrl;

use crate::args::Global;
use crate::config::Config;
use crate::error::Error;

/// The context's name, the server and its certificates. A context that exists keeps what is not given anew.
pub(super) fn place(
    global: &Global,
    server: Option<&ServerUrl>,
    config: &Config,
) -> Result<(Place, ServerUrl, Option<PathBuf>), Error> {
    let given = server.or(global.url.as_ref());
    let known = match (&global.context, given) {
        (Some(name), _) => config.contents.contexts.get_key_value(name),
        (None, None) => {
            config.contents.current.as_ref().and_then(|name| config.contents.contexts.get_key_value(name))
        }
        (None, Some(url)) => config.contents.contexts.iter().find(|(_, context)| context.url == *url),
    };
    let known = known.filter(|(_, context)| given.is_none_or(|url| context.url == *url));
    let url = given.or(known.map(|(_, context)| &context.url)).ok_or_else(|| Error::Usage {
        message: "which server? No URL was given and there is no context to log in to again".to_owned(),
        hint: Some("berth login https://berth.example.com".to_owned()),
    })?;
    let name = match (&global.context, known) {
        (Some(name), _) => Place::Named(name.clone()),
        (None, Some((name, _))) => Place::Found(name.clone(), url.authority()),
        (None, None) => Place::Found(url.authority(), url.authority()),
    };
    let ca_file = match &global.ca_file {
        Some(path) => {
            let absolute =
                path.canonicalize().map_err(|error| Error::file("read the certificates in", path, error))?;
            Some(absolute)
        }
        None => known.and_then(|(_, context)| context.ca_file.clone()),
    };
    Ok((name, url.clone(), ca_file))
}

/// Where the token is to be stored.
pub(super) enum Place {
    /// In the context that was named.
    Named(String),
    /// In the context that was found for the server, unless that is another organisation's; the server's host goes into the
    /// name of a new one.
    Found(String, String),
}

impl Place {
    pub(super) fn name(&self) -> &str {
        match self {
            Self::Named(name) | Self::Found(name, _) => name,
        }
    }

    /// The context's name. No other organisation's token is written over: it may be the only copy. A login can be had again.
    pub(super) fn for_organization(self, organization: &str, config: &Config) -> Result<String, Error> {
        let contexts = &config.contents.contexts;
        let is_free = |name: &str| contexts.get(name).is_none_or(|held| held.organization == organization);
        let is_login = |name: &str| contexts.get(name).is_some_and(|held| held.credential.login().is_some());
        match self {
            Self::Named(name) | Self::Found(name, _) if is_free(&name) => Ok(name),
            Self::Named(name) if is_login(&name) => Ok(name),
            Self::Named(name) => Err(Error::Usage {
                message: format!(
                    "context '{name}' holds a token of organisation '{}', and this one is of '{organization}'",
                    contexts.get(&name).map_or("", |held| held.organization.as_str())
                ),
                hint: Some(format!("take another name, or `berth logout --context {name}` first")),
            }),
            Self::Found(_, host) => {
                let name = format!("{host}/{organization}");
                if is_free(&name) {
                    Ok(name)
                } else {
                    Self::Named(name).for_organization(organization, config)
                }
            }
        }
    }
}
