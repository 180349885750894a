//! Which server, which token and which organisation a command speaks to, from flags, environment and contexts.

use std::path::PathBuf;

use berth_schema::TokenUrl;

use super::{Config, Context, Credential};
use crate::args::Global;
use crate::error::Error;
use crate::names::OrganizationRef;

/// Everything needed to reach a server.
#[derive(Debug)]
pub(crate) struct Target {
    /// The context it comes from, if from one.
    pub(crate) context: Option<String>,
    pub(crate) url: TokenUrl,
    pub(crate) credential: Credential,
    /// `None`: ask the server whose token this is.
    pub(crate) organization: Option<OrganizationRef>,
    pub(crate) ca_file: Option<PathBuf>,
}

impl Target {
    /// Flags and environment come before the context. A context's token is never sent to another URL than its own.
    pub(crate) fn resolve(global: &Global, config: &Config) -> Result<Self, Error> {
        let stored = stored_context(global, config)?;
        let url = global.url.clone().or_else(|| stored.map(|(_, context)| context.url.clone())).ok_or_else(
            || Error::LoginNeeded("not logged in to any server, and BERTH_URL is not set".to_owned()),
        )?;
        let url =
            url.for_token(global.allow_http || stored.is_some_and(|(_, context)| context.allow_http))?;
        let from_environment = global.environment_token()?;
        let organization = match (&global.organization, &from_environment, stored) {
            (Some(organization), _, _) => Some(organization.clone()),
            (None, None, Some((_, context))) => Some(parse_stored_organization(config, context)?),
            (None, _, _) => None,
        };
        let credential = from_environment
            .map(Credential::Token)
            .or_else(|| stored.map(|(_, context)| context.credential.clone()))
            .ok_or_else(|| {
                Error::LoginNeeded(format!(
                    "no token for {url}: no context has this URL, and BERTH_TOKEN is not set"
                ))
            })?;
        Ok(Self {
            context: stored.map(|(name, _)| name.to_owned()),
            url,
            credential,
            organization,
            ca_file: global
                .ca_file
                .clone()
                .or_else(|| stored.and_then(|(_, context)| context.ca_file.clone())),
        })
    }
}

/// The context that is named or current; where a URL is given, only one of that URL.
fn stored_context<'a>(global: &Global, config: &'a Config) -> Result<Option<(&'a str, &'a Context)>, Error> {
    let contents = &config.contents;
    let chosen = match (&global.context, &contents.current) {
        (Some(name), _) => Some((name.as_str(), config.context(name).map_err(|error| no_context(&error))?)),
        (None, Some(current)) => contents.contexts.get(current).map(|context| (current.as_str(), context)),
        (None, None) => None,
    };
    let chosen = chosen.and_then(|(name, context)| {
        let (name, _) = contents.contexts.get_key_value(name)?;
        Some((name.as_str(), context))
    });
    Ok(match &global.url {
        None => chosen,
        Some(url) => chosen.filter(|(_, context)| context.url == *url).or_else(|| {
            let mut all = contents.contexts.iter();
            all.find(|(_, context)| context.url == *url).map(|(name, context)| (name.as_str(), context))
        }),
    })
}

fn no_context(error: &Error) -> Error {
    Error::LoginNeeded(error.to_string())
}

fn parse_stored_organization(config: &Config, context: &Context) -> Result<OrganizationRef, Error> {
    let place = |_| format!("at the organization '{}'", context.organization);
    let organization = context.organization.parse().map_err(place);
    organization.map_err(|place| Error::Config { path: config.path().to_owned(), place })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Contents;

    fn config(text: &str) -> Config {
        let contents: Contents = serde_saphyr::from_str(text).expect("a configuration");
        Config { path: PathBuf::from("config.yaml"), contents }
    }

    const TWO: &str = "
current: one
contexts:
  one: { url: 'https://one.test', organization: main, token: token-one }
  two: { url: 'https://two.test', organization: other, token: token-two }
  clear: { url: 'http://clear.test', organization: main, token: token-three }
  trusted: { url: 'http://trusted.test', organization: main, allow_http: true, token: token-four }
";

    fn resolve(global: &Global, text: &str) -> Result<(String, String), Error> {
        let target = Target::resolve(global, &config(text))?;
        Ok((target.url.to_string(), token(&target).to_owned()))
    }

    fn token(target: &Target) -> &str {
        match &target.credential {
            Credential::Token(token) => token.expose(),
            Credential::Login(login) => login.access_token.expose(),
        }
    }

    #[test]
    fn the_current_context_is_used_unless_another_is_named() {
        let ours = ("https://one.test".to_owned(), "token-one".to_owned());
        assert_eq!(resolve(&Global::default(), TWO).expect("current"), ours);
        let global = Global { context: Some("two".to_owned()), ..Global::default() };
        assert_eq!(resolve(&global, TWO).expect("named").1, "token-two");
    }

    #[test]
    fn a_contexts_token_is_never_sent_to_another_url() {
        let global = Global { url: "https://evil.test".parse().ok(), ..Global::default() };
        assert!(matches!(resolve(&global, TWO), Err(Error::LoginNeeded(_))));
        let global = Global { url: "https://two.test".parse().ok(), ..Global::default() };
        assert_eq!(resolve(&global, TWO).expect("a context has this URL").1, "token-two");
    }

    #[test]
    fn no_address_wherever_it_came_from_gets_a_token_in_the_clear_unless_somebody_said_so() {
        let refused = |global: &Global| matches!(resolve(global, TWO), Err(Error::InTheClear(_)));
        let context = |name: &str| Global { context: Some(name.to_owned()), ..Global::default() };
        let url =
            |url: &str| Global { url: url.parse().ok(), token: Some("mine".to_owned()), ..Global::default() };
        assert!(refused(&context("clear")));
        assert!(refused(&url("http://clear.test")));
        assert!(refused(&url("http://10.0.0.7:8080")));
        assert!(!refused(&Global { allow_http: true, ..url("http://10.0.0.7:8080") }));
        assert!(!refused(&Global { allow_http: true, ..context("clear") }));
        assert!(!refused(&context("trusted")), "it was said at login");
        assert!(!refused(&url("http://trusted.test")));
        assert!(!refused(&url("http://127.0.0.1:8080")));
    }

    #[test]
    fn a_token_of_the_environment_brings_its_own_organisation() {
        let global = Global { token: Some("from-environment".to_owned()), ..Global::default() };
        let target = Target::resolve(&global, &config(TWO)).expect("a target");
        assert_eq!(token(&target), "from-environment");
        assert_eq!(target.organization, None, "it must be asked for");
    }

    #[test]
    fn without_any_server_a_login_is_asked_for() {
        assert!(matches!(resolve(&Global::default(), "contexts: {}"), Err(Error::LoginNeeded(_))));
    }
}
