//! The version of a workspace's intent.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

/// The version of a workspace's intent: another one in the same statement as any change that the cluster must follow.
///
/// Versions decide, timestamps only inform: see `docs/protocol.md`. It comes back from an annotation that anybody may edit,
/// so that every number is looked at before it is believed ([`Generation::reaches`], [`Generation::outruns`]).
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(try_from = "i64")]
#[schemars(extend("minimum" = 0, "maximum" = Generation::MAX.0))]
pub struct Generation(i64);

/// A number that is no generation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be a whole number from 0 to {}", Generation::MAX)]
pub struct NoGeneration;

impl Generation {
    /// The generation of a workspace that was just created. Zero means "nothing is proven applied".
    pub const FIRST: Self = Self(1);
    /// The highest: 2^53, which every reader of JSON keeps exactly. Behind it comes the first again.
    pub const MAX: Self = Self(1 << 53);
    /// How far the cluster can be ahead of the database and be believed. It is ahead after a restore, by the changes of that
    /// one workspace since the backup; a number farther away was written by somebody else, and proves nothing.
    const LEAD: i64 = 1 << 20;

    /// `None` outside of 0 to [`Generation::MAX`].
    pub const fn new(number: i64) -> Option<Self> {
        if number < 0 || number > Self::MAX.0 { None } else { Some(Self(number)) }
    }

    /// The nearest generation to a number.
    pub const fn of(number: i64) -> Self {
        if number < 0 {
            Self(0)
        } else if number > Self::MAX.0 {
            Self::MAX
        } else {
            Self(number)
        }
    }

    pub const fn get(self) -> i64 {
        self.0
    }

    /// The one behind it. Behind the highest begins the count anew: what was proven before proves nothing then.
    #[must_use]
    pub const fn next(self) -> Self {
        if self.0 < Self::MAX.0 { Self(self.0 + 1) } else { Self::FIRST }
    }

    /// Whether a cluster at this generation is ahead of what is `wanted`, as far as that can be believed.
    pub const fn outruns(self, wanted: Self) -> bool {
        self.0 > wanted.0 && self.0 - wanted.0 <= Self::LEAD
    }

    /// Whether a cluster at this generation has what is `wanted`, or something later.
    pub const fn reaches(self, wanted: Self) -> bool {
        self.0 == wanted.0 || self.outruns(wanted)
    }

    /// Reads what an annotation said. A number that is no generation proves nothing, and is no reason to refuse what is said
    /// beside it.
    pub(crate) fn proof<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Self>, D::Error> {
        match Option::<Value>::deserialize(deserializer)? {
            None => Ok(None),
            Some(Value::Number(number)) => Ok(number.as_i64().and_then(Self::new)),
            Some(_) => Err(serde::de::Error::custom(NoGeneration)),
        }
    }
}

impl fmt::Display for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Generation {
    type Err = NoGeneration;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().ok().and_then(Self::new).ok_or(NoGeneration)
    }
}

impl TryFrom<i64> for Generation {
    type Error = NoGeneration;
    fn try_from(number: i64) -> Result<Self, Self::Error> {
        Self::new(number).ok_or(NoGeneration)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_that_is_no_generation_is_none() {
        for text in ["-1", "9007199254740993", "9223372036854775807", "9223372036854775808", "1.5", "", "x"] {
            assert_eq!(text.parse::<Generation>(), Err(NoGeneration), "{text}");
        }
        assert_eq!("9007199254740992".parse(), Ok(Generation::MAX));
        assert!(serde_json::from_str::<Generation>("-1").is_err());
        assert_eq!(serde_json::to_string(&Generation::of(7)).expect("JSON"), "7");
        assert_eq!((Generation::of(-5), Generation::of(i64::MAX)), (Generation::default(), Generation::MAX));
    }

    #[test]
    fn what_is_far_ahead_proves_nothing_and_what_is_a_little_ahead_outruns() {
        let wanted = Generation::of(5);
        for (live, reaches, outruns) in
            [(4, false, false), (5, true, false), (6, true, true), (5 + (1 << 20), true, true)]
        {
            let live = Generation::of(live);
            assert_eq!((live.reaches(wanted), live.outruns(wanted)), (reaches, outruns), "{live}");
        }
        for live in [Generation::of(6 + (1 << 20)), Generation::MAX] {
            assert!(!live.reaches(wanted) && !live.outruns(wanted), "{live}");
        }
    }

    #[test]
    fn behind_the_highest_the_count_begins_anew_and_the_old_one_proves_nothing() {
        assert_eq!(Generation::MAX.next(), Generation::FIRST);
        assert!(!Generation::MAX.reaches(Generation::MAX.next()));
        assert_eq!(Generation::FIRST.next(), Generation::of(2));
    }
}
