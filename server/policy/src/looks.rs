//! Which of the circumstances rules look at.

use cedar_policy::Policy;
use serde_json::{Map, Value};

/// What rules look at, of what is another one at each question.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Looks {
    pub(crate) at_address: bool,
    /// How long ago somebody signed in, and for how long they did nothing.
    pub(crate) at_times: bool,
}

impl Looks {
    const EVERYWHERE: Self = Self { at_address: true, at_times: true };

    /// What a rule looks at. What is not understood looks at everything.
    pub(crate) fn of(rule: &Policy) -> Self {
        rule.to_json().map_or(Self::EVERYWHERE, |json| Self::within(&json))
    }

    pub(crate) const fn and(self, other: Self) -> Self {
        Self { at_address: self.at_address || other.at_address, at_times: self.at_times || other.at_times }
    }

    fn within(json: &Value) -> Self {
        match json {
            Value::Object(object) => Self::within_object(object),
            Value::Array(items) => items.iter().map(Self::within).fold(Self::default(), Self::and),
            _ => Self::default(),
        }
    }

    fn within_object(object: &Map<String, Value>) -> Self {
        // `context.address` and `context has address`, however they were spelled.
        let access = [".", "has"].into_iter().find_map(|operator| object.get(operator));
        if let Some(access) = access
            && is_context(&access["left"])
        {
            return match access["attr"].as_str() {
                Some("address") => Self { at_address: true, at_times: false },
                Some("session_age_seconds" | "session_idle_seconds") => {
                    Self { at_address: false, at_times: true }
                }
                Some(_) => Self::default(),
                None => Self::EVERYWHERE,
            };
        }
        if object.get("Var").is_some_and(|name| name == "context") {
            return Self::EVERYWHERE;
        }
        object.values().map(Self::within).fold(Self::default(), Self::and)
    }
}

fn is_context(json: &Value) -> bool {
    json.get("Var").is_some_and(|name| name == "context")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(condition: &str) -> Looks {
        let text = format!("permit (principal, action, resource) when {{ {condition} }};");
        let rule: Policy = text.parse().expect("a rule");
        Looks::of(&rule)
    }

    #[test]
    fn a_look_is_seen_however_it_is_spelled() {
        let (address, times) =
            (Looks { at_address: true, at_times: false }, Looks { at_address: false, at_times: true });
        for (condition, looks) in [
            ("true", Looks::default()),
            ("context.mfa && context has scope && context.roles.contains(\"address\")", Looks::default()),
            ("principal.address == resource.session_age_seconds", Looks::default()),
            ("context has address", address),
            ("context.address.isLoopback()", address),
            (r#"context["\u{61}ddress"] == ip("::1")"#, address),
            ("if context.mfa then [1, context.session_idle_seconds].contains(2) else true", times),
            ("{a: !(context has session_age_seconds)}.a", times),
            ("context has address && context.session_age_seconds < 3", Looks::EVERYWHERE),
            ("[context].contains({mfa: true})", Looks::EVERYWHERE),
            ("(if context.mfa then context else context).mfa", Looks::EVERYWHERE),
        ] {
            assert_eq!(of(condition), looks, "{condition}");
        }
    }
}
