//! What a provider says of itself (OpenID Connect Discovery 1.0).

use serde::Deserialize;
use url::Url;

use crate::{Reachable, UrlRefused};

/// Where a provider is asked for what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metadata {
    pub authorization_endpoint: Url,
    pub token_endpoint: Url,
    pub jwks_uri: Url,
    /// Where it tells more of a person.
    pub userinfo_endpoint: Option<Url>,
    /// Where people sign out.
    pub end_session_endpoint: Option<Url>,
    /// How a client with a secret shows it.
    pub client_proof: ClientProof,
    /// Whether it says with each of its answers that it is the one (RFC 9207).
    pub names_itself: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientProof {
    /// `client_secret_basic`
    Header,
    /// `client_secret_post`
    Form,
}

/// Why a discovery document is of no use.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoMetadata {
    #[error("is no discovery document of OpenID Connect")]
    Malformed,
    #[error(
        "says that it is another issuer; what is configured has to be, letter by letter, what the provider calls itself"
    )]
    OtherIssuer,
    #[error("its '{0}' {1}")]
    Url(&'static str, UrlRefused),
    #[error("offers no '{0}', which is needed")]
    Lacks(&'static str),
}

#[derive(Deserialize)]
struct Document {
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
    jwks_uri: String,
    userinfo_endpoint: Option<String>,
    end_session_endpoint: Option<String>,
    response_types_supported: Option<Vec<String>>,
    token_endpoint_auth_methods_supported: Option<Vec<String>>,
    code_challenge_methods_supported: Option<Vec<String>>,
    #[serde(default)]
    authorization_response_iss_parameter_supported: bool,
}

impl Metadata {
    /// Where the document of an issuer is: behind its path, whose last slash does not count.
    ///
    /// # Errors
    /// Why the issuer may not be asked.
    pub fn address(issuer: &str, reachable: &Reachable) -> Result<Url, UrlRefused> {
        let url = reachable.check(issuer)?;
        if url.query().is_some() {
            return Err(UrlRefused::Malformed);
        }
        reachable.check(&format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/')))
    }

    /// # Errors
    /// Why it is of no use. It is that of `issuer`, and leads nowhere that may not be asked.
    pub fn read(document: &[u8], issuer: &str, reachable: &Reachable) -> Result<Self, NoMetadata> {
        let document: Document = serde_json::from_slice(document).map_err(|_| NoMetadata::Malformed)?;
        if document.issuer != issuer {
            return Err(NoMetadata::OtherIssuer);
        }
        let url = |name, text: &str| reachable.check(text).map_err(|refused| NoMetadata::Url(name, refused));
        let optional = |name, text: &Option<String>| text.as_deref().map(|text| url(name, text)).transpose();
        let offers = |list: &Option<Vec<String>>, word: &str| {
            list.as_ref().is_none_or(|list| list.iter().any(|known| known == word))
        };
        if !offers(&document.response_types_supported, "code") {
            return Err(NoMetadata::Lacks("code"));
        }
        if !offers(&document.code_challenge_methods_supported, "S256") {
            return Err(NoMetadata::Lacks("S256"));
        }
        let methods = &document.token_endpoint_auth_methods_supported;
        let client_proof = if !offers(methods, "client_secret_basic") && offers(methods, "client_secret_post")
        {
            ClientProof::Form
        } else {
            ClientProof::Header
        };
        Ok(Self {
            authorization_endpoint: url("authorization_endpoint", &document.authorization_endpoint)?,
            token_endpoint: url("token_endpoint", &document.token_endpoint)?,
            jwks_uri: url("jwks_uri", &document.jwks_uri)?,
            userinfo_endpoint: optional("userinfo_endpoint", &document.userinfo_endpoint)?,
            end_session_endpoint: optional("end_session_endpoint", &document.end_session_endpoint)?,
            client_proof,
            names_itself: document.authorization_response_iss_parameter_supported,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    const ISSUER: &str = "https://id.example.com/realms/acme";

    fn document() -> Value {
        json!({
            "issuer": ISSUER,
            "authorization_endpoint": "https://id.example.com/auth",
            "token_endpoint": "https://id.example.com/token",
            "jwks_uri": "https://id.example.com/keys",
        })
    }

    fn read(document: &Value) -> Result<Metadata, NoMetadata> {
        Metadata::read(document.to_string().as_bytes(), ISSUER, &Reachable::default())
    }

    fn with(name: &str, value: Value) -> Result<Metadata, NoMetadata> {
        let mut document = document();
        document[name] = value;
        read(&document)
    }

    #[test]
    fn a_document_is_its_own_issuers_and_leads_to_no_inner_network() {
        let good = read(&document()).expect("good");
        assert_eq!((good.client_proof, good.names_itself), (ClientProof::Header, false));
        for other in [
            "https://id.example.com/realms/acme/",
            "https://ID.example.com/realms/acme",
            "https://evil.example",
        ] {
            assert_eq!(with("issuer", json!(other)), Err(NoMetadata::OtherIssuer), "{other}");
        }
        for name in [
            "authorization_endpoint",
            "token_endpoint",
            "jwks_uri",
            "userinfo_endpoint",
            "end_session_endpoint",
        ] {
            for bad in ["http://id.example.com/x", "https://169.254.169.254/x", "javascript:alert(1)"] {
                assert!(
                    matches!(with(name, json!(bad)), Err(NoMetadata::Url(named, _)) if named == name),
                    "{name} {bad}"
                );
            }
        }
        assert_eq!(with("jwks_uri", Value::Null), Err(NoMetadata::Malformed));
        assert_eq!(with("token_endpoint", json!(7)), Err(NoMetadata::Malformed));
        let implicit = with("response_types_supported", json!(["id_token"]));
        assert_eq!(implicit, Err(NoMetadata::Lacks("code")));
        assert_eq!(
            with("code_challenge_methods_supported", json!(["plain"])),
            Err(NoMetadata::Lacks("S256"))
        );
        let form =
            with("token_endpoint_auth_methods_supported", json!(["client_secret_post"])).expect("good");
        assert_eq!(form.client_proof, ClientProof::Form);
    }

    #[test]
    fn a_document_is_behind_its_issuers_path() {
        let at = |issuer| Metadata::address(issuer, &Reachable::default()).map(String::from);
        let expected = Ok("https://a.example/x/.well-known/openid-configuration".to_owned());
        assert_eq!(at("https://a.example/x"), expected);
        assert_eq!(at("https://a.example/x/"), expected);
        assert_eq!(at("https://a.example/x?y=z"), Err(UrlRefused::Malformed));
    }
}
