//! How an identity provider looks.

use std::borrow::Cow;

use berth_schema::identity_providers::IdentityProvider;
use jiff::Timestamp;

use super::Show;
use super::age::age;
use super::table::Cell;

impl Show for IdentityProvider {
    fn name(&self) -> Cow<'_, str> {
        self.name.as_str().into()
    }

    fn columns(_wide: bool) -> &'static [&'static str] {
        &["NAME", "ISSUER", "CLIENT", "LETS IN", "DEMANDS", "SET"]
    }

    fn row(&self, _wide: bool, now: Timestamp) -> Vec<Cell> {
        let or_none = |list: Vec<String>| if list.is_empty() { "-".to_owned() } else { list.join(", ") };
        let domains = self.admission.email_domains.iter().map(|domain| format!("@{domain}"));
        let rules = self.admission.roles.iter();
        let rules = rules.map(|rule| format!("{}={}:{}", rule.claim, rule.value, rule.role));
        let evidence = &self.evidence;
        let classes = (!evidence.acr.is_empty()).then(|| format!("acr {}", evidence.acr.join("|")));
        let methods = (!evidence.amr.is_empty()).then(|| format!("amr {}", evidence.amr.join("|")));
        let recent = evidence.max_age_seconds.map(|seconds| format!("within {seconds} s"));
        vec![
            self.name.as_str().into(),
            (&self.issuer).into(),
            (&self.client_id).into(),
            or_none(domains.chain(rules).collect()).into(),
            or_none(classes.into_iter().chain(methods).chain(recent).collect()).into(),
            format!("{} ago", age(self.updated_at, now)).into(),
        ]
    }

    fn details(&self, now: Timestamp) -> Vec<(&'static str, Cell)> {
        ["Name", "Issuer", "Client", "Lets in", "Demands", "Set"]
            .into_iter()
            .zip(self.row(true, now))
            .collect()
    }
}
