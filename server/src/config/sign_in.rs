//! How people sign in, and for how long.

use std::path::PathBuf;
use std::sync::Arc;

use clap::{Args, value_parser};
use jiff::SignedDuration;
use url::Url;

use super::openid::OpenIdOptions;
use crate::services::sign_in::SessionRules;

/// Where browsers reach the server.
#[derive(Clone, Debug, Args)]
pub struct PublicOptions {
    /// The address at which browsers reach this server, without a path: links lead there, and forms are taken from its pages
    /// alone. Without it, from pages of the host that a request names.
    #[arg(long, env = "BERTH_PUBLIC_URL", value_name = "URL", value_parser = origin)]
    pub public_url: Option<String>,
}

#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Sign-in")]
pub struct SignInOptions {
    #[command(flatten)]
    pub public: PublicOptions,
    #[command(flatten)]
    pub openid: OpenIdOptions,
    /// Hours that somebody is signed in, whatever they do.
    #[arg(long, env = "BERTH_SESSION_HOURS", value_name = "HOURS", default_value_t = 10,
        value_parser = value_parser!(u32).range(1..=168))]
    pub session_hours: u32,
    /// Minutes after which somebody who does nothing is signed out.
    #[arg(long, env = "BERTH_SESSION_IDLE_MINUTES", value_name = "MINUTES", default_value_t = 120,
        value_parser = value_parser!(u32).range(5..=10_080))]
    pub session_idle_minutes: u32,
    /// Hours that a command line is logged in, whatever it does.
    #[arg(long, env = "BERTH_LOGIN_HOURS", value_name = "HOURS", default_value_t = 168,
        value_parser = value_parser!(u32).range(1..=744))]
    pub login_hours: u32,
    /// Hours after which a command line that is not used is logged out.
    #[arg(long, env = "BERTH_LOGIN_IDLE_HOURS", value_name = "HOURS", default_value_t = 72,
        value_parser = value_parser!(u32).range(1..=744))]
    pub login_idle_hours: u32,
    /// Write the link that signs the first administrator in to this file (mode 0600) instead of printing it.
    #[arg(long, env = "BERTH_FIRST_LINK_FILE", value_name = "PATH")]
    pub first_link_file: Option<PathBuf>,
}

impl SignInOptions {
    pub fn rules(&self) -> SessionRules {
        SessionRules {
            absolute: SignedDuration::from_hours(self.session_hours.into()),
            idle: SignedDuration::from_mins(self.session_idle_minutes.into()),
            login: SignedDuration::from_hours(self.login_hours.into()),
            login_idle: SignedDuration::from_hours(self.login_idle_hours.into()),
        }
    }

    pub fn public_url(&self) -> Option<Arc<str>> {
        self.public.public_url.as_deref().map(Arc::from)
    }
}

/// A host, without a slash at the end: as browsers write it into `Origin`, and as it goes into tokens.
pub(super) fn origin(text: &str) -> Result<String, String> {
    let url: Url = text.parse().map_err(|error: url::ParseError| error.to_string())?;
    let bare =
        url.path() == "/" && url.query().is_none() && url.fragment().is_none() && url.username().is_empty();
    if matches!(url.scheme(), "https" | "http") && url.has_host() && url.password().is_none() && bare {
        Ok(url.as_str().trim_end_matches('/').to_owned())
    } else {
        Err("must be https://HOST or https://HOST:PORT".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::origin;

    #[test]
    fn an_origin_is_a_host_and_nothing_more() {
        assert_eq!(origin("https://berth.example.com/").as_deref(), Ok("https://berth.example.com"));
        assert_eq!(origin("http://127.0.0.1:8080").as_deref(), Ok("http://127.0.0.1:8080"));
        for text in [
            "berth",
            "https://a/b",
            "https://u:p@a",
            "https://u@a",
            "https://a?b",
            "ftp://a",
            "https://a#b",
            "",
        ] {
            assert!(origin(text).is_err(), "{text}");
        }
    }
}
