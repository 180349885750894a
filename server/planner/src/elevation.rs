//! How far a role for a time has come, and who may decide about it.

use berth_schema::access::Role;
use berth_schema::elevations::{ElevationState, MAX_REASON, MAX_SECONDS, MIN_SECONDS};
use berth_schema::text::is_plain;
use jiff::{SignedDuration, Timestamp};

use crate::groups::gains;

/// What is stored of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Course {
    /// Until when somebody may decide.
    pub decide_by: Timestamp,
    /// Whether it was approved; `None`: nobody has decided.
    pub is_approved: Option<bool>,
    /// When it ends by itself, once it is approved.
    pub ends_at: Option<Timestamp>,
    /// Somebody has ended it.
    pub has_ended: bool,
}

impl Course {
    /// How far it has come: by what is stored and the time alone, whatever was done meanwhile.
    pub fn state(&self, now: Timestamp) -> ElevationState {
        match self.is_approved {
            Some(false) => ElevationState::Refused,
            Some(true) if self.has_ended => ElevationState::Ended,
            Some(true) if self.ends_at.is_some_and(|end| now < end) => ElevationState::Active,
            Some(true) => ElevationState::Expired,
            None if self.has_ended => ElevationState::Withdrawn,
            None if now < self.decide_by => ElevationState::Pending,
            None => ElevationState::Lapsed,
        }
    }
}

/// When it ends that is approved at that time, as Postgres keeps it.
pub fn ends_at(approved_at: Timestamp, seconds: u32) -> Timestamp {
    approved_at.saturating_add(SignedDuration::from_secs(seconds.into())).unwrap_or(approved_at)
}

/// Why somebody may not ask for that.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unasked {
    #[error("is not known; it must be one of owner, maintainer, developer, viewer, auditor")]
    UnknownRole,
    #[error("is what you are there already, or less")]
    IsSo,
    #[error("must be {MIN_SECONDS} to {MAX_SECONDS}")]
    Seconds,
    #[error("must have 1 to {MAX_REASON} characters, none of them invisible, and no space at its ends")]
    Reason,
}

impl Unasked {
    /// The field that is wrong.
    pub const fn field(self) -> &'static str {
        match self {
            Self::UnknownRole | Self::IsSo => "role",
            Self::Seconds => "seconds",
            Self::Reason => "reason",
        }
    }
}

/// What is wrong with a wish of somebody who is `mine` there, beside any role for a time.
pub fn unasked(role: Role, (reason, seconds): (&str, u32), mine: &[Role]) -> Vec<Unasked> {
    let length = reason.chars().count();
    let is_text =
        (1..=MAX_REASON).contains(&length) && reason.trim() == reason && reason.chars().all(is_plain);
    let wrong = [
        (role == Role::Unknown, Unasked::UnknownRole),
        (role != Role::Unknown && may_give(mine, role), Unasked::IsSo),
        (!(MIN_SECONDS..=MAX_SECONDS).contains(&seconds), Unasked::Seconds),
        (!is_text, Unasked::Reason),
    ];
    wrong.into_iter().filter_map(|(is_wrong, why)| is_wrong.then_some(why)).collect()
}

/// Whether somebody who is `mine` there, beside any role for a time, could give that role: nobody gives more than they are.
pub fn may_give(mine: &[Role], role: Role) -> bool {
    role != Role::Unknown && !gains(mine, &[role])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("a time")
    }

    const fn asked(decide_by: Timestamp) -> Course {
        Course { decide_by, is_approved: None, ends_at: None, has_ended: false }
    }

    #[test]
    fn a_role_holds_from_its_approval_until_exactly_its_end() {
        let given = Course { is_approved: Some(true), ends_at: Some(ends_at(at(50), 60)), ..asked(at(100)) };
        assert_eq!(given.state(at(50)), ElevationState::Active);
        assert_eq!(given.state(at(109)), ElevationState::Active);
        assert_eq!(given.state(at(110)), ElevationState::Expired);
        assert_eq!(Course { has_ended: true, ..given }.state(at(60)), ElevationState::Ended);
        assert_eq!(Course { has_ended: true, ..given }.state(at(200)), ElevationState::Ended);
    }

    #[test]
    fn what_nobody_decides_ends_by_itself() {
        assert_eq!(asked(at(100)).state(at(99)), ElevationState::Pending);
        assert_eq!(asked(at(100)).state(at(100)), ElevationState::Lapsed);
        assert_eq!(Course { has_ended: true, ..asked(at(100)) }.state(at(99)), ElevationState::Withdrawn);
        let refused = Course { is_approved: Some(false), ..asked(at(100)) };
        assert_eq!(refused.state(at(99)), ElevationState::Refused);
        assert_eq!(refused.state(at(200)), ElevationState::Refused);
    }

    #[test]
    fn nobody_asks_for_what_they_are_or_for_ever_or_without_a_reason() {
        let mine = [Role::Developer, Role::Viewer];
        assert_eq!(unasked(Role::Maintainer, ("a deploy", 3600), &mine), []);
        assert_eq!(unasked(Role::Auditor, ("a look", 60), &mine), []);
        assert_eq!(unasked(Role::Developer, ("a deploy", 28_800), &mine), [Unasked::IsSo]);
        let all = [Unasked::UnknownRole, Unasked::Seconds, Unasked::Reason];
        assert_eq!(unasked(Role::Unknown, (" ", 28_801), &mine), all);
        assert_eq!(unasked(Role::Owner, ("x", 59), &mine), [Unasked::Seconds]);
        assert_eq!(unasked(Role::Owner, (&"x".repeat(501), 60), &mine), [Unasked::Reason]);
        assert_eq!(unasked(Role::Owner, ("a\u{202e}b", 60), &mine), [Unasked::Reason]);
    }

    #[test]
    fn nobody_gives_more_than_they_are() {
        assert!(may_give(&[Role::Viewer, Role::Maintainer], Role::Developer));
        assert!(!may_give(&[Role::Maintainer], Role::Owner));
        assert!(!may_give(&[Role::Maintainer], Role::Auditor));
        assert!(may_give(&[Role::Owner], Role::Auditor));
        assert!(!may_give(&[Role::Owner], Role::Unknown));
        assert!(!may_give(&[], Role::Viewer));
    }
}
