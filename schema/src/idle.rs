//! Rules of idleness: for how long nothing has to happen in a workspace until it is stopped, and who says so. See decision 0090.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::FieldError;
use crate::groups::GroupPath;
use crate::names::AgentName;
use crate::projects::ProjectPath;

/// The shortest time that a rule may say: longer than the way of what a proxy tells, and shorter than any break.
pub const MIN_IDLE_MINUTES: u32 = 15;
/// The longest: 30 days.
pub const MAX_IDLE_MINUTES: u32 = 43_200;

/// After how long something is stopped in which nothing happens: a number of minutes, or `"never"`, which is longer than any.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum IdleAfter {
    Minutes(u32),
    Never,
}

impl IdleAfter {
    /// `None`: never.
    pub const fn minutes(self) -> Option<u32> {
        match self {
            Self::Minutes(minutes) => Some(minutes),
            Self::Never => None,
        }
    }

    fn is_right(self) -> bool {
        self.minutes().is_none_or(is_within)
    }
}

const NEVER: &str = "never";

fn is_within(minutes: u32) -> bool {
    (MIN_IDLE_MINUTES..=MAX_IDLE_MINUTES).contains(&minutes)
}

impl fmt::Display for IdleAfter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Minutes(minutes) => write!(f, "{minutes} minutes"),
            Self::Never => f.write_str(NEVER),
        }
    }
}

impl JsonSchema for IdleAfter {
    fn schema_name() -> Cow<'static, str> {
        "IdleAfter".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A number of minutes, or \"never\", which is longer than any.",
            "oneOf": [
                { "type": "integer", "minimum": MIN_IDLE_MINUTES, "maximum": MAX_IDLE_MINUTES },
                { "const": NEVER },
            ],
        })
    }
}

impl Serialize for IdleAfter {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Minutes(minutes) => serializer.serialize_u32(*minutes),
            Self::Never => serializer.serialize_str(NEVER),
        }
    }
}

impl<'de> Deserialize<'de> for IdleAfter {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct MinutesOrNever;

        impl Visitor<'_> for MinutesOrNever {
            type Value = IdleAfter;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number of minutes or \"never\"")
            }

            fn visit_u64<E: de::Error>(self, minutes: u64) -> Result<IdleAfter, E> {
                // What is too large is told with what is allowed, by `IdleRule::check`.
                Ok(IdleAfter::Minutes(u32::try_from(minutes).unwrap_or(u32::MAX)))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<IdleAfter, E> {
                if text == NEVER {
                    Ok(IdleAfter::Never)
                } else {
                    Err(E::invalid_value(de::Unexpected::Str("another text"), &self))
                }
            }
        }

        deserializer.deserialize_any(MinutesOrNever)
    }
}

/// What one place says of idleness: `PUT …/idle` of an organisation, a group, a project or a workspace. Of what is left out nothing is said there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("examples" = [{ "minutes": 60, "max_minutes": 240 }]))]
pub struct IdleRule {
    /// After how long workspaces are stopped there, unless something nearer to them says another time.
    #[serde(default, rename = "minutes", skip_serializing_if = "Option::is_none")]
    pub stop_after: Option<IdleAfter>,
    /// Nothing nearer may say a longer time than so many minutes. A workspace has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_minutes: Option<u32>,
}

impl IdleRule {
    pub const fn is_empty(&self) -> bool {
        self.stop_after.is_none() && self.max_minutes.is_none()
    }

    /// What is wrong with it by itself.
    pub fn check(&self) -> Vec<FieldError> {
        let bounds = || format!("must be between {MIN_IDLE_MINUTES} and {MAX_IDLE_MINUTES} minutes");
        let mut errors = Vec::new();
        if self.stop_after.is_some_and(|after| !after.is_right()) {
            errors.push(FieldError::new(MINUTES, format!("{}, or \"never\"", bounds())));
        }
        if self.max_minutes.is_some_and(|most| !is_within(most)) {
            errors.push(FieldError::new(MAX_MINUTES, bounds()));
        }
        if let (Some(after), Some(most), true) = (self.stop_after, self.max_minutes, errors.is_empty())
            && after > IdleAfter::Minutes(most)
        {
            errors.push(FieldError::new(MINUTES, format!("must be at most 'max_minutes', {most} minutes")));
        }
        errors
    }
}

/// The fields of a rule, as errors name them.
pub const MINUTES: &str = "minutes";
pub const MAX_MINUTES: &str = "max_minutes";

/// Who says something of idleness.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum IdleBy {
    /// An agent's configuration.
    Agent(AgentName),
    Organization,
    Group(GroupPath),
    Project(ProjectPath),
    /// Whoever looks after the workspace.
    Workspace,
}

impl fmt::Display for IdleBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Agent(name) => write!(f, "agent '{name}'"),
            Self::Organization => f.write_str("the organization"),
            Self::Group(path) => write!(f, "group '{path}'"),
            Self::Project(path) => write!(f, "project '{path}'"),
            Self::Workspace => f.write_str("the workspace's own rule"),
        }
    }
}

/// A time and who says it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct IdleSaid {
    #[serde(rename = "minutes")]
    pub stop_after: IdleAfter,
    pub by: IdleBy,
}

impl fmt::Display for IdleSaid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, by {}", self.stop_after, self.by)
    }
}

/// The rule that holds for a workspace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct IdleInForce {
    #[serde(flatten)]
    pub said: IdleSaid,
    /// What the nearest of those who say something says, where a maximum cuts it down to the above.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_place_of: Option<IdleSaid>,
    /// The strictest maximum: nothing nearer can say a longer time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<IdleMax>,
}

impl fmt::Display for IdleInForce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.said.fmt(f)?;
        match &self.in_place_of {
            Some(longer) => write!(f, ", which is the most; {} would be {}", longer.by, longer.stop_after),
            None => Ok(()),
        }
    }
}

/// A maximum and who sets it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct IdleMax {
    pub minutes: u32,
    pub by: IdleBy,
}

/// `GET …/idle` of an organisation, a group or a project.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct IdleView {
    /// What is said there.
    pub rule: IdleRule,
    /// What holds for a workspace there that says nothing itself, on an agent that says nothing; absent: nobody says anything, and none is stopped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_force: Option<IdleInForce>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_a_number_or_never_and_nothing_else() {
        let read = |text: &str| serde_json::from_str::<IdleAfter>(text);
        assert_eq!(read("30").expect("minutes"), IdleAfter::Minutes(30));
        assert_eq!(read("\"never\"").expect("never"), IdleAfter::Never);
        for wrong in ["-1", "1.5", "\"30\"", "\"Never\"", "true", "[]", "null"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
        assert!(IdleAfter::Never > IdleAfter::Minutes(u32::MAX));
    }

    #[test]
    fn what_is_wrong_with_a_rule_is_told_by_field() {
        let fields = |text: &str| {
            let rule: IdleRule = serde_json::from_str(text).expect("a rule");
            rule.check().into_iter().map(|error| error.field).collect::<Vec<_>>()
        };
        for right in
            ["{}", r#"{"minutes": 15}"#, r#"{"minutes": "never"}"#, r#"{"minutes": 60, "max_minutes": 60}"#]
        {
            assert!(fields(right).is_empty(), "{right}");
        }
        assert_eq!(fields(r#"{"minutes": 14}"#), [MINUTES]);
        assert_eq!(fields(r#"{"minutes": 99999999999, "max_minutes": 43201}"#), [MINUTES, MAX_MINUTES]);
        assert_eq!(fields(r#"{"minutes": 61, "max_minutes": 60}"#), [MINUTES]);
        assert_eq!(fields(r#"{"minutes": "never", "max_minutes": 60}"#), [MINUTES]);
    }
}
