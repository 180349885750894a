//! Identity providers (OpenID Connect) by which people sign in to an organisation: `…/identity-providers`.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::access::{Role, TokenName, TokenNameError};
use crate::scope::Secret;
use crate::{FieldError, IdentityProviderId};

/// The longest issuer, subject or id of a client, in bytes of ASCII (OpenID Connect Core, 2: subjects).
pub const MAX_ID: usize = 255;
/// The longest secret of a client.
pub const MAX_SECRET: usize = 1_000;
/// The most providers of an organisation.
pub const MAX_PROVIDERS: i64 = 20;
/// The most entries of each list of a provider.
pub const MAX_ENTRIES: usize = 100;
/// The longest claim, value, scope or class of authentication, in bytes.
pub const MAX_ENTRY: usize = 200;
/// The longest that a proof of who somebody is may be ago, in seconds.
pub const MAX_AGE: u32 = 30 * 24 * 60 * 60;

/// What an organisation calls a provider: on the page that signs people in, and in commands. As the name of a token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct IdentityProviderName(TokenName);

impl IdentityProviderName {
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl FromStr for IdentityProviderName {
    type Err = TokenNameError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

impl fmt::Display for IdentityProviderName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// Whom a provider brings into the organisation, and as what. Where none of it fits somebody, they are not let in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Admission {
    /// Whoever has an address of one of these domains of which the provider says that it is verified. In lower case.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub email_domains: Vec<String>,
    /// What they are then; absent: developers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_role: Option<Role>,
    /// Whoever one of these fits is let in as well. The first one that fits says what they are.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<RoleRule>,
}

/// A role for whoever has a claim of that value: the text itself, or a list that holds it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RoleRule {
    /// Its name. Of an object in an object, both names with a dot between: `realm_access.roles`.
    pub claim: String,
    pub value: String,
    pub role: Role,
}

/// What a provider has to say of how it was proven who somebody is. Empty: nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Evidence {
    /// One of these classes (`acr`), which it is asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub acr: Vec<String>,
    /// At least one of these methods (`amr`): `mfa`, `hwk`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub amr: Vec<String>,
    /// Not longer ago than so many seconds (`auth_time`), which it is asked for as well.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_age_seconds: Option<u32>,
}

/// What is stored of a provider beside who it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct ProviderSettings {
    /// Asked for beside `openid`.
    pub scopes: Vec<String>,
    /// Whether everybody sees it on the page that signs people in; otherwise its address is for those who know it.
    pub listed: bool,
    pub admission: Admission,
    pub evidence: Evidence,
}

impl Default for ProviderSettings {
    fn default() -> Self {
        Self {
            scopes: default_scopes(),
            listed: true,
            admission: Admission::default(),
            evidence: Evidence::default(),
        }
    }
}

fn default_scopes() -> Vec<String> {
    vec!["profile".to_owned(), "email".to_owned()]
}

const fn yes() -> bool {
    true
}

/// `PUT …/identity-providers/{provider}`: in place of what it was before.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("examples" = [{
        "issuer": "https://login.example.com",
        "client_id": "berth",
        "client_secret": "what it has issued",
        "admission": { "email_domains": ["example.com"], "default_role": "developer" },
    }]))]
pub struct SetIdentityProvider {
    /// Its URL, as its tokens have it.
    pub issuer: String,
    /// What it calls this server.
    pub client_id: String,
    /// Absent: the stored one stays, where issuer and client do; otherwise the client has none and proves itself by PKCE alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_secret: Option<Secret>,
    #[serde(default = "default_scopes")]
    pub scopes: Vec<String>,
    #[serde(default = "yes")]
    pub listed: bool,
    #[serde(default)]
    pub admission: Admission,
    #[serde(default)]
    pub evidence: Evidence,
}

impl SetIdentityProvider {
    /// Everything that is wrong with it, but for whether its issuer may be asked.
    pub fn check(&self) -> Vec<FieldError> {
        let mut errors = Vec::new();
        let mut wrong = |field: &str, message: String| errors.push(FieldError::new(field, message));
        let printable = |text: &str, most: usize| {
            (1..=most).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
        };
        let rule = |most: usize| format!("must be 1 to {most} printable ASCII characters without spaces");
        if !printable(&self.client_id, MAX_ID) {
            wrong("client_id", rule(MAX_ID));
        }
        if self.client_secret.as_ref().is_some_and(|Secret(secret)| !printable(secret, MAX_SECRET)) {
            wrong("client_secret", rule(MAX_SECRET));
        }
        let lists = [
            ("scopes", &self.scopes),
            ("evidence.acr", &self.evidence.acr),
            ("evidence.amr", &self.evidence.amr),
        ];
        for (field, list) in lists {
            if list.len() > MAX_ENTRIES || !list.iter().all(|entry| printable(entry, MAX_ENTRY)) {
                wrong(
                    field,
                    format!("must be at most {MAX_ENTRIES} entries, each of which {}", rule(MAX_ENTRY)),
                );
            }
        }
        let domains = &self.admission.email_domains;
        if domains.len() > MAX_ENTRIES || !domains.iter().all(|domain| is_domain(domain)) {
            wrong(
                "admission.email_domains",
                format!("must be at most {MAX_ENTRIES} domains in lower case, as in 'example.com'"),
            );
        }
        if self.admission.default_role == Some(Role::Unknown) {
            wrong("admission.default_role", role_rule());
        }
        if self.admission.roles.len() > MAX_ENTRIES {
            wrong("admission.roles", format!("must be at most {MAX_ENTRIES} rules"));
        }
        for (at, rule) in self.admission.roles.iter().enumerate() {
            for (name, text) in [("claim", &rule.claim), ("value", &rule.value)] {
                let plain = text.chars().all(crate::text::is_plain);
                if !(1..=MAX_ENTRY).contains(&text.len()) || !plain {
                    let message = format!("must be 1 to {MAX_ENTRY} bytes of plain text");
                    wrong(&format!("admission.roles[{at}].{name}"), message);
                }
            }
            if rule.role == Role::Unknown {
                wrong(&format!("admission.roles[{at}].role"), role_rule());
            }
        }
        if self.evidence.max_age_seconds.is_some_and(|age| !(60..=MAX_AGE).contains(&age)) {
            wrong("evidence.max_age_seconds", format!("must be 60 to {MAX_AGE}"));
        }
        errors
    }

    /// What is stored of it beside who it is.
    pub fn settings(&self) -> ProviderSettings {
        ProviderSettings {
            scopes: self.scopes.clone(),
            listed: self.listed,
            admission: self.admission.clone(),
            evidence: self.evidence.clone(),
        }
    }
}

fn role_rule() -> String {
    let names: Vec<_> = Role::ALL.iter().map(|role| role.as_str()).collect();
    format!("must be one of {}", names.join(", "))
}

/// Labels of lower-case letters, digits and hyphens, of which there are two at least.
fn is_domain(text: &str) -> bool {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    text.len() <= 253 && text.contains('.') && text.split('.').all(is_label)
}

/// A provider, without its secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct IdentityProvider {
    pub id: IdentityProviderId,
    pub name: IdentityProviderName,
    pub issuer: String,
    pub client_id: String,
    /// Whether the client has a secret.
    pub has_secret: bool,
    pub scopes: Vec<String>,
    pub listed: bool,
    pub admission: Admission,
    pub evidence: Evidence,
    /// Where the provider has to be allowed to send people back to.
    pub redirect_uri: String,
    /// Where it tells that somebody has signed out (OpenID Connect Back-Channel Logout 1.0).
    pub backchannel_logout_uri: String,
    /// Where people are sent after they have signed out there.
    pub post_logout_redirect_uri: String,
    /// Where people begin to sign in.
    pub sign_in_uri: String,
    pub updated_at: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn fields(body: Value) -> Vec<String> {
        let set: SetIdentityProvider = serde_json::from_value(body).expect("a form");
        set.check().into_iter().map(|error| error.field).collect()
    }

    fn with(name: &str, value: Value) -> Value {
        let mut body = json!({"issuer": "https://id.example.com", "client_id": "berth"});
        body[name] = value;
        body
    }

    #[test]
    fn all_that_is_wrong_is_told_at_once() {
        assert_eq!(fields(with("client_secret", json!("s3cret"))), [""; 0]);
        let body = json!({
            "issuer": "x", "client_id": "a b", "client_secret": "", "scopes": ["a b"],
            "admission": {"email_domains": ["Example.com"], "default_role": "emperor",
                          "roles": [{"claim": "", "value": "x", "role": "owner"}, {"claim": "a", "value": "b", "role": "x"}]},
            "evidence": {"acr": [""], "amr": ["a\nb"], "max_age_seconds": 1},
        });
        let expected = [
            "client_id",
            "client_secret",
            "scopes",
            "evidence.acr",
            "evidence.amr",
            "admission.email_domains",
            "admission.default_role",
            "admission.roles[0].claim",
            "admission.roles[1].role",
            "evidence.max_age_seconds",
        ];
        assert_eq!(fields(body), expected);
        for domain in
            ["com", "*.example.com", "example.com.", "-a.com", "a..com", "ex ample.com", "é.com", ""]
        {
            let body = with("admission", json!({"email_domains": [domain]}));
            assert_eq!(fields(body), ["admission.email_domains"], "{domain}");
        }
        let many = vec!["a.com"; MAX_ENTRIES + 1];
        assert_eq!(fields(with("admission", json!({"email_domains": many}))), ["admission.email_domains"]);
    }

    #[test]
    fn what_is_stored_is_read_by_a_version_that_knows_less_and_by_one_that_knows_more() {
        let stored: ProviderSettings = serde_json::from_value(json!({"later": 1})).expect("settings");
        assert_eq!(stored, ProviderSettings::default());
        let set: SetIdentityProvider = serde_json::from_value(with("listed", json!(false))).expect("a form");
        assert_eq!(set.settings(), ProviderSettings { listed: false, ..ProviderSettings::default() });
        assert!(
            !format!(
                "{:?}",
                serde_json::from_value::<SetIdentityProvider>(with("client_secret", json!("hunter2")))
            )
            .contains("hunter2")
        );
    }
}
