//! An organisation's rules: read, checked, named.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use cedar_policy::{Policy, PolicyId, PolicySet, Schema, ValidationMode, Validator};

use crate::error::RuleError;
use crate::scan::scan;
use crate::schema;

/// What holds where an organisation has written nothing.
pub const BUILT_IN: &str = include_str!("built_in.cedar");
pub(crate) const PLATFORM: &str = include_str!("platform.cedar");

/// The most errors that are told of one text.
const MAX_ERRORS: usize = 20;
const MAX_NAME: usize = 64;

/// Rules that are right: each has a name of its own, and fits the schema.
#[derive(Clone, Debug)]
pub struct Rules {
    pub(crate) policies: PolicySet,
}

static ORGANIZATION: LazyLock<Result<Validator, String>> =
    LazyLock::new(|| validator(&schema::organization()));

fn validator(schema: &str) -> Result<Validator, String> {
    let (schema, _) = Schema::from_cedarschema_str(schema).map_err(|error| error.to_string())?;
    Ok(Validator::new(schema))
}

impl Rules {
    /// Reads and checks rules before they are taken.
    pub fn check(text: &str) -> Result<Self, Vec<RuleError>> {
        let rules = Self::read(text)?;
        let validator = ORGANIZATION.as_ref().map_err(|error| vec![RuleError::at(text, 0, error)])?;
        let result = validator.validate(&rules.policies, ValidationMode::Strict);
        told(result.validation_errors().map(|error| RuleError::of(text, error)).collect())?;
        // A rule that can never apply is a slip: somebody believes that it does something.
        told(result.validation_warnings().map(|warning| RuleError::of(text, warning)).collect())?;
        Ok(rules)
    }

    /// Reads rules that were checked when they were taken. Those that a later version of the schema would refuse are read all
    /// the same: what they say of actions that are no more applies to nothing.
    pub fn read(text: &str) -> Result<Self, Vec<RuleError>> {
        Self::named(text, is_name)
    }

    pub(crate) fn built_in() -> Result<Self, Vec<RuleError>> {
        Self::named(BUILT_IN, is_name)
    }

    pub(crate) fn platform() -> Result<Self, Vec<RuleError>> {
        Self::named(PLATFORM, |name| name.strip_prefix(crate::decision::PLATFORM).is_some_and(is_name))
    }

    fn named(text: &str, is_name: impl Fn(&str) -> bool) -> Result<Self, Vec<RuleError>> {
        let starts = scan(text).map_err(|error| vec![error])?;
        let parsed: PolicySet = text.parse().map_err(|errors: cedar_policy::ParseErrors| {
            let told = errors.iter().map(|error| RuleError::of(text, error));
            told.take(MAX_ERRORS).collect::<Vec<_>>()
        })?;
        let mut errors = Vec::new();
        if let Some(template) = parsed.templates().next() {
            let at = place(template.id(), &starts);
            errors.push(RuleError::at(text, at, "templates (?principal, ?resource) are not taken"));
        }
        let mut rules: Vec<&Policy> = parsed.policies().collect();
        rules.sort_by_key(|rule| place(rule.id(), &starts));
        let (mut names, mut policies) = (BTreeSet::new(), PolicySet::new());
        for rule in rules {
            let at = place(rule.id(), &starts);
            let name = rule.annotation("id").unwrap_or_default();
            if !is_name(name) {
                let message =
                    format!("needs a name, as in @id(\"night-shift\"): 1 to {MAX_NAME} of a-z, 0-9 and -");
                errors.push(RuleError::at(text, at, message));
            } else if !names.insert(name) {
                errors.push(RuleError::at(text, at, format!("there is already a rule named '{name}'")));
            } else if let Err(error) = policies.add(rule.new_id(PolicyId::new(name))) {
                errors.push(RuleError::at(text, at, error.to_string()));
            }
        }
        told(errors)?;
        Ok(Self { policies })
    }
}

fn told(mut errors: Vec<RuleError>) -> Result<(), Vec<RuleError>> {
    // Cedar checks a rule for each action that it can be about: one of them is enough for people.
    errors.sort_by(|one, other| {
        (one.line, one.column, &one.message).cmp(&(other.line, other.column, &other.message))
    });
    errors.dedup_by_key(|error| (error.line, error.column));
    errors.truncate(MAX_ERRORS);
    if errors.is_empty() { Ok(()) } else { Err(errors) }
}

/// Where the rule begins that Cedar has numbered.
fn place(id: &PolicyId, starts: &[usize]) -> usize {
    let id: &str = id.as_ref();
    let number = id.strip_prefix("policy").and_then(|number| number.parse::<usize>().ok());
    number.and_then(|number| starts.get(number)).copied().unwrap_or(0)
}

fn is_name(name: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=MAX_NAME).contains(&name.len()) && name.bytes().all(is_plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ships_fits_the_schema() {
        Rules::check(BUILT_IN).expect("right");
        let platform = Rules::platform().expect("right");
        let result = validator(&schema::platform())
            .expect("a schema")
            .validate(&platform.policies, ValidationMode::Strict);
        // That members and agents do not mix is said although the schema has no such request.
        assert!(result.validation_passed(), "{result}");
    }
}
