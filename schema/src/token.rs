//! Bearer tokens: what they look like and whom they name.
//!
//! An opaque token is a prefix, which tells a secret scanner and a person what was found, and the unpadded URL-safe base64 of
//! two ids (16 bytes each) and 32 random bytes. The ids say where to look; only the random bytes prove anything, so
//! whoever verifies a token compares a hash of the whole text. An [`AccessToken`] is signed.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::{
    AccountId, AgentId, AuthorizationCodeId, InvitationId, OrganizationId, SessionId, SignInLinkId, TokenId,
};

/// The random bytes of a token.
pub const SECRET_BYTES: usize = 32;
const ID_BYTES: usize = 16;
const TOKEN_BYTES: usize = 2 * ID_BYTES + SECRET_BYTES;

/// Why a text is no token. No message holds a part of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    #[error("does not start with '{0}'")]
    Prefix(&'static str),
    #[error("is damaged: after its prefix must follow 86 characters of URL-safe base64")]
    Malformed,
    #[error("is no signed access token of an organization")]
    Unsigned,
}

/// A person's or a service's token for the REST API: a JSON Web Token of the server's.
#[derive(Clone)]
pub struct AccessToken {
    organization: OrganizationId,
    token_id: TokenId,
    text: Zeroizing<String>,
}

/// The claims that say where an access token belongs. The address of its organisation ends its audience.
#[derive(Deserialize)]
struct Belongs {
    aud: String,
    sid: TokenId,
}

impl AccessToken {
    /// What was signed for that organisation, and hangs on that row.
    pub const fn signed(organization: OrganizationId, token_id: TokenId, text: Zeroizing<String>) -> Self {
        Self { organization, token_id, text }
    }

    pub const fn organization(&self) -> OrganizationId {
        self.organization
    }

    pub const fn token_id(&self) -> TokenId {
        self.token_id
    }

    /// The token itself. Each call is a place to look at in a review.
    pub fn expose(&self) -> &str {
        &self.text
    }
}

impl FromStr for AccessToken {
    type Err = TokenError;

    /// Reads where a token says that it belongs. Nothing of it is verified: that is the server's, which has the keys.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut parts = text.split('.');
        let (Some(_), Some(claims), Some(_), None) = (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(TokenError::Unsigned);
        };
        let claims = URL_SAFE_NO_PAD.decode(claims).map_err(|_| TokenError::Unsigned)?;
        let said: Belongs = serde_json::from_slice(&claims).map_err(|_| TokenError::Unsigned)?;
        let (_, organization) = said.aud.rsplit_once("/organizations/").ok_or(TokenError::Unsigned)?;
        let organization = organization.parse().map_err(|_| TokenError::Unsigned)?;
        Ok(Self { organization, token_id: said.sid, text: Zeroizing::new(text.to_owned()) })
    }
}

impl fmt::Debug for AccessToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessToken")
            .field("organization", &self.organization)
            .field("token_id", &self.token_id)
            .finish_non_exhaustive()
    }
}

fn encode(prefix: &str, ids: [&Uuid; 2], secret: &[u8; SECRET_BYTES]) -> Zeroizing<String> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(TOKEN_BYTES));
    bytes.extend_from_slice(ids[0].as_bytes());
    bytes.extend_from_slice(ids[1].as_bytes());
    bytes.extend_from_slice(secret);
    let mut text = Zeroizing::new(String::with_capacity(prefix.len() + TOKEN_BYTES.div_ceil(3) * 4));
    text.push_str(prefix);
    URL_SAFE_NO_PAD.encode_string(bytes.as_slice(), &mut text);
    text
}

/// The two ids in a token. A text that decodes to the right bytes in a second way is refused: one token, one text.
fn decode(prefix: &'static str, text: &str) -> Result<[Uuid; 2], TokenError> {
    let encoded = text.strip_prefix(prefix).ok_or(TokenError::Prefix(prefix))?;
    let bytes = URL_SAFE_NO_PAD.decode(encoded).map(Zeroizing::new).map_err(|_| TokenError::Malformed)?;
    if bytes.len() != TOKEN_BYTES {
        return Err(TokenError::Malformed);
    }
    let id = |from: usize| Uuid::from_slice(&bytes[from..from + ID_BYTES]).map_err(|_| TokenError::Malformed);
    Ok([id(0)?, id(ID_BYTES)?])
}

macro_rules! token {
    ($(#[$doc:meta])* $name:ident, prefix $prefix:literal, $within:ident: $Within:ident, $id:ident: $Id:ident) => {
        $(#[$doc])*
        #[derive(Clone)]
        pub struct $name {
            $within: $Within,
            $id: $Id,
            text: Zeroizing<String>,
        }

        impl $name {
            pub const PREFIX: &'static str = $prefix;

            /// A token from its parts; `secret` comes from a cryptographic random source.
            pub fn new($within: $Within, $id: $Id, secret: &[u8; SECRET_BYTES]) -> Self {
                let text = encode(Self::PREFIX, [$within.as_uuid(), $id.as_uuid()], secret);
                Self { $within, $id, text }
            }

            pub const fn $within(&self) -> $Within {
                self.$within
            }

            pub const fn $id(&self) -> $Id {
                self.$id
            }

            /// The token itself. Each call is a place to look at in a review.
            pub fn expose(&self) -> &str {
                &self.text
            }
        }

        impl FromStr for $name {
            type Err = TokenError;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                let [within, id] = decode(Self::PREFIX, text)?;
                Ok(Self {
                    $within: within.into(),
                    $id: id.into(),
                    text: Zeroizing::new(text.to_owned()),
                })
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($name))
                    .field(stringify!($within), &self.$within)
                    .field(stringify!($id), &self.$id)
                    .finish_non_exhaustive()
            }
        }
    };
}

token!(
    /// An access token as servers of before made them: opaque. They go on until they end; none is made any more.
    OpaqueAccessToken, prefix "berth_pat_", organization: OrganizationId, token_id: TokenId
);
token!(
    /// An agent's token: opens the reconcile endpoint and nothing else.
    AgentToken, prefix "berth_agt_", organization: OrganizationId, agent: AgentId
);
token!(
    /// What a browser's cookie holds of a person's session.
    SessionToken, prefix "berth_ses_", account: AccountId, session: SessionId
);
token!(
    /// What a link that signs somebody in holds. It opens once.
    SignInToken, prefix "berth_lnk_", account: AccountId, link: SignInLinkId
);
token!(
    /// What a link holds by which somebody joins an organisation. It opens once.
    InvitationToken, prefix "berth_inv_", organization: OrganizationId, invitation: InvitationId
);
token!(
    /// What a command line is given by the browser, to be exchanged for tokens. It opens once.
    AuthorizationCode, prefix "berth_cod_", account: AccountId, code: AuthorizationCodeId
);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn agent_token() -> AgentToken {
        AgentToken::new(OrganizationId::random(), AgentId::random(), &[7; SECRET_BYTES])
    }

    #[test]
    fn a_token_names_whose_it_is() {
        let token = agent_token();
        let parsed: AgentToken = token.expose().parse().expect("what was made is a token");
        assert_eq!(parsed.organization(), token.organization());
        assert_eq!(parsed.agent(), token.agent());
        assert_eq!(parsed.expose(), token.expose());
    }

    #[test]
    fn one_kind_of_token_is_not_taken_for_the_other() {
        let text = agent_token().expose().to_owned();
        assert_eq!(text.parse::<OpaqueAccessToken>().err(), Some(TokenError::Prefix("berth_pat_")));
    }

    #[test]
    fn a_signed_token_says_where_it_belongs_and_prints_no_more() {
        let (organization, token) = (OrganizationId::random(), TokenId::random());
        let of = |claims: String| format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(claims));
        let claims = format!(
            r#"{{"aud":"https://a.example/api/v1/organizations/{organization}","sid":"{token}","jti":"x"}}"#
        );
        let text = of(claims.clone());
        let read: AccessToken = text.parse().expect("a token");
        assert_eq!(
            (read.organization(), read.token_id(), read.expose()),
            (organization, token, text.as_str())
        );
        assert!(!format!("{read:?}").contains("c2ln"));
        let elsewhere = of(claims.replace("/organizations/", "/"));
        for other in [
            "",
            "..",
            "a.b.c",
            &of("{}".to_owned()),
            &elsewhere,
            &format!("{text}.x"),
            agent_token().expose(),
        ] {
            assert_eq!(other.parse::<AccessToken>().err(), Some(TokenError::Unsigned), "{other}");
        }
    }

    #[test]
    fn a_damaged_token_is_refused_without_being_repeated() {
        let text = agent_token().expose().to_owned();
        for damaged in [&text[..text.len() - 1], &format!("{text}A"), &format!("{text}="), "berth_agt_"] {
            let error = damaged.parse::<AgentToken>().expect_err("damaged");
            assert_eq!(error, TokenError::Malformed);
            assert!(!error.to_string().contains(&text[10..20]));
        }
    }

    #[test]
    fn a_token_prints_its_ids_only() {
        let token = agent_token();
        let printed = format!("{token:?}");
        assert!(printed.contains(&token.agent().to_string()));
        assert!(!printed.contains(&token.expose()[AgentToken::PREFIX.len()..][43..]));
    }

    #[test]
    fn bits_that_say_nothing_are_refused_so_that_a_token_has_one_text() {
        let text = agent_token().expose().to_owned();
        let others = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".chars();
        let accepted =
            others.filter(|last| format!("{}{last}", &text[..text.len() - 1]).parse::<AgentToken>().is_ok());
        // The last of 86 characters carries two of its six bits.
        assert_eq!(accepted.count(), 4);
    }

    proptest! {
        #[test]
        fn no_text_makes_the_parser_panic(text in "(berth_agt_)?[A-Za-z0-9_=-]{0,100}|\\PC*") {
            let _ = text.parse::<AgentToken>();
        }
    }
}
