//! An organisation's rules: whom a provider brings in, as what, and what has to be proven.

use berth_schema::Text;
use berth_schema::access::Role;
use berth_schema::identity_providers::{Admission, Evidence};
use serde_json::Value;

use crate::{Claims, IdToken, LEEWAY_SECONDS};

/// The longest name of a person.
const MAX_NAME: usize = 200;

/// What somebody is by the rules; `None`: they are not let in. Nothing is a claim but what the provider says in its own type: a
/// verified address is `true`, not a text.
pub fn admit(admission: &Admission, claims: &Claims) -> Option<Role> {
    let fitting = admission.roles.iter().find(|rule| holds(claims, &rule.claim, &rule.value));
    let by_domain = || {
        let is_known = email_domain(claims).is_some_and(|domain| admission.email_domains.contains(&domain));
        is_known.then(|| admission.default_role.unwrap_or(Role::Developer))
    };
    fitting.map(|rule| rule.role).or_else(by_domain)
}

/// The domain of the verified address, in lower case.
fn email_domain(claims: &Claims) -> Option<String> {
    if claims.get("email_verified") != Some(&Value::Bool(true)) {
        return None;
    }
    let (local, domain) = claims.get("email")?.as_str()?.split_once('@')?;
    let is_one = !local.is_empty() && !domain.contains('@');
    is_one.then(|| domain.to_ascii_lowercase())
}

/// Whether a claim is that text, or a list that holds it.
fn holds(claims: &Claims, name: &str, value: &str) -> bool {
    match found(claims, name) {
        Some(Value::String(text)) => text == value,
        Some(Value::Array(list)) => list.iter().any(|entry| entry.as_str() == Some(value)),
        _ => false,
    }
}

/// A claim by its name; where none is called so, by the path that the name is. URLs are names as well.
fn found<'a>(claims: &'a Claims, name: &str) -> Option<&'a Value> {
    claims.get(name).or_else(|| {
        let mut parts = name.split('.');
        let first = claims.get(parts.next()?)?;
        parts.try_fold(first, |value, part| value.get(part))
    })
}

/// Which evidence is lacking, by its name: `acr`, `amr`, `auth_time`.
pub fn lacks(evidence: &Evidence, token: &IdToken, now: i64) -> Option<&'static str> {
    let is_recent = |age: u32| {
        let oldest = now.saturating_sub(i64::from(age)).saturating_sub(LEEWAY_SECONDS);
        token.auth_time.is_some_and(|time| time >= oldest)
    };
    let has_class = token.acr.as_ref().is_some_and(|acr| evidence.acr.contains(acr));
    if !evidence.acr.is_empty() && !has_class {
        Some("acr")
    } else if !evidence.amr.is_empty() && !token.amr.iter().any(|method| evidence.amr.contains(method)) {
        Some("amr")
    } else if evidence.max_age_seconds.is_some_and(|age| !is_recent(age)) {
        Some("auth_time")
    } else {
        None
    }
}

/// What a person is called, in plain text.
pub fn person_name(token: &IdToken) -> String {
    let claims = ["name", "preferred_username", "email"];
    let named = claims.iter().filter_map(|name| token.claims.get(*name)?.as_str());
    let mut plain = named.map(|name| Text::<MAX_NAME>::new(name).to_string().trim().to_owned());
    plain.find(|name| !name.is_empty()).unwrap_or_else(|| "somebody without a name".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use berth_schema::identity_providers::RoleRule;
    use serde_json::json;

    fn claims(value: Value) -> Claims {
        let Value::Object(claims) = value else { panic!("{value} is no object") };
        claims
    }

    fn token(value: Value) -> IdToken {
        let (acr, amr) = (value["acr"].as_str().map(str::to_owned), &value["amr"]);
        let amr = amr.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect();
        let auth_time = value["auth_time"].as_i64();
        IdToken { subject: "s".to_owned(), sid: None, acr, amr, auth_time, claims: claims(value) }
    }

    #[test]
    fn a_domain_counts_where_the_address_is_verified_and_whole() {
        let admission = Admission { email_domains: vec!["acme.com".to_owned()], ..Admission::default() };
        let admitted = |email: Value, verified: Value| {
            admit(&admission, &claims(json!({"email": email, "email_verified": verified})))
        };
        assert_eq!(admitted(json!("ada@acme.com"), json!(true)), Some(Role::Developer));
        assert_eq!(admitted(json!("ada@ACME.com"), json!(true)), Some(Role::Developer));
        for email in [
            "ada@evil.com",
            "ada@sub.acme.com",
            "ada@notacme.com",
            "ada@acme.com.evil.com",
            "ada@evil.com@acme.com",
            "@acme.com",
            "acme.com",
            "ada@acme.com ",
            "ada@",
            "",
        ] {
            assert_eq!(admitted(json!(email), json!(true)), None, "{email}");
        }
        for verified in [json!(false), json!("true"), json!(1), Value::Null] {
            assert_eq!(admitted(json!("ada@acme.com"), verified), None);
        }
        assert_eq!(
            admit(&Admission::default(), &claims(json!({"email": "a@a.com", "email_verified": true}))),
            None
        );
    }

    #[test]
    fn the_first_rule_that_fits_says_what_somebody_is() {
        let rule = |claim: &str, value: &str, role| RoleRule {
            claim: claim.to_owned(),
            value: value.to_owned(),
            role,
        };
        let admission = Admission {
            roles: vec![
                rule("groups", "admins", Role::Owner),
                rule("realm_access.roles", "audit", Role::Auditor),
                rule("https://acme.com/role", "dev", Role::Developer),
                rule("hd", "acme.com", Role::Viewer),
            ],
            ..Admission::default()
        };
        for (value, role) in [
            (json!({"groups": ["users", "admins"], "hd": "acme.com"}), Some(Role::Owner)),
            (json!({"groups": "admins"}), Some(Role::Owner)),
            (json!({"realm_access": {"roles": ["audit"]}}), Some(Role::Auditor)),
            (json!({"https://acme.com/role": "dev"}), Some(Role::Developer)),
            (json!({"hd": "acme.com"}), Some(Role::Viewer)),
            (json!({"groups": ["Admins", "admins "], "hd": "acme.com.evil"}), None),
            (json!({"groups": {"admins": true}}), None),
            (json!({"groups": [["admins"]]}), None),
            (json!({"groups": 1, "realm_access": "audit"}), None),
            (json!({}), None),
        ] {
            assert_eq!(admit(&admission, &claims(value.clone())), role, "{value}");
        }
    }

    #[test]
    fn evidence_that_is_demanded_has_to_be_there() {
        let now = 1_800_000_000;
        let acr = Evidence { acr: vec!["gold".to_owned()], ..Evidence::default() };
        let amr = Evidence { amr: vec!["mfa".to_owned(), "hwk".to_owned()], ..Evidence::default() };
        let age = Evidence { max_age_seconds: Some(600), ..Evidence::default() };
        for (evidence, value, lack) in [
            (&acr, json!({"acr": "gold"}), None),
            (&acr, json!({"acr": "silver"}), Some("acr")),
            (&acr, json!({}), Some("acr")),
            (&amr, json!({"amr": ["pwd", "hwk"]}), None),
            (&amr, json!({"amr": ["pwd"]}), Some("amr")),
            (&amr, json!({}), Some("amr")),
            (&age, json!({"auth_time": now - 600}), None),
            (&age, json!({"auth_time": now - 700}), Some("auth_time")),
            (&age, json!({}), Some("auth_time")),
            (&Evidence::default(), json!({}), None),
        ] {
            assert_eq!(lacks(evidence, &token(value.clone()), now), lack, "{value}");
        }
    }

    #[test]
    fn a_name_is_plain_and_there_always() {
        assert_eq!(person_name(&token(json!({"name": "Ada \u{202e}Lovelace\n"}))), "Ada Lovelace");
        assert_eq!(person_name(&token(json!({"name": " ", "preferred_username": "ada"}))), "ada");
        assert_eq!(person_name(&token(json!({"name": 7}))), "somebody without a name");
        assert!(person_name(&token(json!({"name": "é".repeat(400)}))).len() <= MAX_NAME);
    }
}
