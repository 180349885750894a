//! Whom a shared port lets in, and until when.

use berth_schema::SubjectId;
use berth_schema::groups::GroupPath;
use berth_schema::ports::is_shareable;
use jiff::Timestamp;

/// A share of a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Share {
    pub with: With,
    pub expires_at: Timestamp,
}

/// Whom it is with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum With {
    User(SubjectId),
    /// A group, where it is now.
    Group(GroupPath),
    Organization,
    /// Whoever has the address.
    Public,
}

impl With {
    /// What whoever shares it has to be allowed.
    pub const fn need(&self) -> Need {
        match self {
            Self::Public => Need::Publish,
            Self::User(_) | Self::Group(_) | Self::Organization => Need::Share,
        }
    }
}

/// Somebody of the organisation who is signed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Visitor {
    pub subject: SubjectId,
    /// Where they are something, beside the organisation itself.
    pub places: Vec<Held>,
}

/// A place at which somebody is something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Held {
    Group(GroupPath),
    /// A project, in that group.
    ProjectIn(GroupPath),
}

impl Held {
    /// Whether that makes them one of a group: what somebody is at a group they are at all in it, and a group has those of all in it.
    fn is_of(&self, group: &GroupPath) -> bool {
        match self {
            Self::Group(held) => held.is_within(group) || group.is_within(held),
            Self::ProjectIn(held) => held.is_within(group),
        }
    }
}

/// Which of a sharer's rights a share, or an opened port, needs for as long as it goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    Open,
    Share,
    Publish,
}

impl Share {
    fn lets_in(&self, visitor: Option<&Visitor>) -> bool {
        match (&self.with, visitor) {
            (With::Public, _) | (With::Organization, Some(_)) => true,
            (_, None) => false,
            (With::User(subject), Some(visitor)) => *subject == visitor.subject,
            (With::Group(group), Some(visitor)) => visitor.places.iter().any(|held| held.is_of(group)),
        }
    }
}

/// Until when somebody is let in at a port by its shares, as long as whoever shares it `may` still; `None`: they are not. Without a
/// visitor it is somebody who has not signed in.
pub fn until(
    port: u16,
    shares: &[Share],
    visitor: Option<&Visitor>,
    may: impl Fn(Need) -> bool,
    now: Timestamp,
) -> Option<Timestamp> {
    // Whatever is stored.
    if !is_shareable(port) {
        return None;
    }
    let holds = |share: &&Share| now < share.expires_at && share.lets_in(visitor) && may(share.with.need());
    shares.iter().filter(holds).map(|share| share.expires_at).max()
}

#[cfg(test)]
mod tests {
    use super::*;
    use berth_schema::kubernetes::{EDITOR_PORT, SSH_PORT};

    fn at(minutes: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + minutes * 60).expect("a time")
    }

    fn path(text: &str) -> GroupPath {
        text.parse().expect("a path")
    }

    fn share(with: With, minutes: i64) -> Share {
        Share { with, expires_at: at(minutes) }
    }

    fn visitor(places: &[Held]) -> Visitor {
        Visitor { subject: SubjectId::random(), places: places.to_vec() }
    }

    fn lets_in(with: With, visitor: Option<&Visitor>) -> bool {
        until(8080, &[share(with, 60)], visitor, |_| true, at(0)).is_some()
    }

    #[test]
    fn a_share_lets_in_whom_it_names_and_nobody_else() {
        let (her, him) = (visitor(&[]), visitor(&[]));
        assert!(lets_in(With::User(her.subject), Some(&her)));
        assert!(!lets_in(With::User(her.subject), Some(&him)));
        assert!(lets_in(With::Organization, Some(&him)));
        for with in [With::User(her.subject), With::Organization, With::Group(path("a"))] {
            assert!(!lets_in(with, None), "whoever has not signed in is nobody");
        }
        assert!(lets_in(With::Public, Some(&him)) && lets_in(With::Public, None));
        assert_eq!(until(8080, &[], Some(&her), |_| true, at(0)), None, "private");
    }

    #[test]
    fn a_group_is_whoever_is_something_at_it_above_it_or_in_it() {
        let of = |held: Held| lets_in(With::Group(path("platform/payments")), Some(&visitor(&[held])));
        for held in ["platform/payments", "platform/payments/api", "platform"] {
            assert!(of(Held::Group(path(held))), "{held}");
        }
        for held in ["platform/pay", "platform/payments2", "other", "other/platform/payments"] {
            assert!(!of(Held::Group(path(held))), "{held}");
        }
        assert!(
            of(Held::ProjectIn(path("platform/payments")))
                && of(Held::ProjectIn(path("platform/payments/api")))
        );
        assert!(!of(Held::ProjectIn(path("platform"))), "a project beside it makes nobody one of it");
        assert!(!lets_in(With::Group(path("platform")), Some(&visitor(&[]))));
    }

    #[test]
    fn what_is_over_lets_nobody_in_and_the_longest_share_counts() {
        let her = visitor(&[]);
        let shares = [share(With::User(her.subject), 10), share(With::Organization, 60)];
        let until = |now| until(8080, &shares, Some(&her), |_| true, at(now));
        assert_eq!(until(0), Some(at(60)));
        assert_eq!(until(59), Some(at(60)));
        assert_eq!(until(60), None, "at its end it is over");
    }

    #[test]
    fn a_share_holds_as_long_as_whoever_shares_may() {
        let her = visitor(&[]);
        let shares = [share(With::Organization, 10), share(With::Public, 60)];
        let until = |may: fn(Need) -> bool| until(8080, &shares, Some(&her), may, at(0));
        assert_eq!(until(|_| true), Some(at(60)));
        assert_eq!(until(|need| need == Need::Share), Some(at(10)));
        assert_eq!(until(|need| need == Need::Publish), Some(at(60)));
        assert_eq!(until(|_| false), None);
    }

    #[test]
    fn whatever_is_stored_the_editor_and_sshd_are_nobodys_by_a_share() {
        for port in [EDITOR_PORT, SSH_PORT] {
            let shares = [share(With::Public, 60)];
            assert_eq!(until(port, &shares, Some(&visitor(&[])), |_| true, at(0)), None);
        }
    }
}
