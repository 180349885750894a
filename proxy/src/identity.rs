//! Who this proxy is: as the token says that its agent has for it.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use berth_schema::connection::Credential;
use berth_schema::{AgentId, OrganizationId};
use serde::Deserialize;

/// What the token says. It is the server that verifies it: here it is believed as the rest of the configuration is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) organization: OrganizationId,
    pub(crate) agent: AgentId,
    /// As the server knows its clients: `proxy/<organisation>/<agent>`.
    pub(crate) client_id: String,
    /// How the server calls itself in what it signs.
    pub(crate) issuer: String,
}

/// Where the token is: another one takes its place every half an hour.
#[derive(Clone, Debug)]
pub(crate) struct TokenFile(PathBuf);

impl TokenFile {
    pub(crate) fn new(path: &Path) -> Self {
        Self(path.to_owned())
    }

    pub(crate) fn read(&self) -> anyhow::Result<Credential> {
        let text = berth_secret_file::read(&self.0);
        Ok(text.with_context(|| format!("the token file {}", self.0.display()))?.into())
    }
}

impl Identity {
    pub(crate) fn of(token: &Credential) -> anyhow::Result<Self> {
        #[derive(Deserialize)]
        struct Claims {
            iss: String,
            sub: String,
        }
        let claims = token.expose().split('.').nth(1).context("it is no signed token")?;
        let claims = URL_SAFE_NO_PAD.decode(claims).context("it is no signed token")?;
        let claims: Claims = serde_json::from_slice(&claims).context("it is no signed token")?;
        let mut parts = claims.sub.split('/');
        let (Some("proxy"), Some(organization), Some(agent), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            anyhow::bail!("it is no token of a proxy");
        };
        Ok(Self {
            organization: organization.parse().context("it names no organisation")?,
            agent: agent.parse().context("it names no agent")?,
            client_id: claims.sub,
            issuer: claims.iss,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(sub: &str) -> Credential {
        let claims =
            URL_SAFE_NO_PAD.encode(format!(r#"{{"iss":"https://berth.example","sub":"{sub}","exp":1}}"#));
        format!("e30.{claims}.x").into()
    }

    #[test]
    fn a_token_says_whose_proxy_it_is() {
        let (organization, agent) = (OrganizationId::random(), AgentId::random());
        let sub = format!("proxy/{organization}/{agent}");
        let identity = Identity::of(&token(&sub)).expect("an identity");
        assert_eq!(
            (identity.organization, identity.agent, identity.client_id, identity.issuer.as_str()),
            (organization, agent, sub, "https://berth.example")
        );
        let wrong = [
            format!("proxy/a/{agent}"),
            format!("proxy/{organization}/{agent}/c"),
            format!("proxy/{organization}/b"),
        ];
        for wrong in ["account/x", "proxy/a", ""].into_iter().chain(wrong.iter().map(String::as_str)) {
            assert!(Identity::of(&token(wrong)).is_err(), "{wrong}");
        }
        assert!(Identity::of(&"berth_agt_x".to_owned().into()).is_err());
    }
}
