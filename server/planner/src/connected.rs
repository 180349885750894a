//! Who is connected to a workspace, as several copies of its proxy tell, and what the end of a connection ends. See decision 0084.

use std::collections::BTreeMap;
use std::net::IpAddr;

use berth_schema::connected::ConnectionKind;
use berth_schema::{ConnectionId, SessionId, SubjectId};
use jiff::Timestamp;

/// What one copy has open of a connection at one port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// `None`: those who have not signed in.
    pub whose: Option<Owner>,
    pub port: u16,
    pub kind: ConnectionKind,
    pub since: Timestamp,
    pub last_active_at: Timestamp,
    pub address: Option<IpAddr>,
    pub open: u32,
    pub bytes_to_workspace: u64,
    pub bytes_to_person: u64,
}

/// Whose a connection is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    pub connection: ConnectionId,
    pub session: SessionId,
    pub subject: SubjectId,
    /// What they are called now.
    pub name: String,
}

/// What several copies have open of one connection at one port is one, since the first of it: the oldest first.
pub fn merge(seen: impl IntoIterator<Item = Seen>) -> Vec<Seen> {
    let mut all: BTreeMap<(Option<ConnectionId>, u16), Seen> = BTreeMap::new();
    for one in seen {
        let key = (one.whose.as_ref().map(|owner| owner.connection), one.port);
        let Some(known) = all.get_mut(&key) else {
            all.insert(key, one);
            continue;
        };
        if one.last_active_at > known.last_active_at {
            known.last_active_at = one.last_active_at;
            known.address = one.address;
        }
        known.since = known.since.min(one.since);
        known.open = known.open.saturating_add(one.open);
        known.bytes_to_workspace = known.bytes_to_workspace.saturating_add(one.bytes_to_workspace);
        known.bytes_to_person = known.bytes_to_person.saturating_add(one.bytes_to_person);
    }
    let mut all: Vec<_> = all.into_values().collect();
    all.sort_by_key(|one| one.since);
    all
}

/// What was ended of a session's ways into a workspace.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ended {
    /// The connection that is asked about.
    pub is_this: bool,
    /// The last time that somebody else's session ended one of this session's.
    pub by_another: Option<Timestamp>,
}

impl Ended {
    /// Whether a session that was proven then may go on by a connection, or begin one.
    pub fn lets(self, begins: bool, proven_at: Timestamp) -> bool {
        let is_kept_out = begins && self.demands_proof(proven_at);
        !(self.is_this || is_kept_out)
    }

    /// Whether the session has to be proven anew before it begins another one.
    pub fn demands_proof(self, proven_at: Timestamp) -> bool {
        self.by_another.is_some_and(|at| proven_at <= at)
    }
}

/// Whether the session of a connection that is ended has to be proven anew before it begins another one there. Whoever ends what they
/// have begun by the same session has no need to: it is them.
pub fn must_prove(of: SessionId, ended_by: Option<SessionId>) -> bool {
    ended_by != Some(of)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + seconds).expect("a time")
    }

    fn owner() -> Owner {
        let (connection, session) = (ConnectionId::random(), SessionId::random());
        Owner { connection, session, subject: SubjectId::random(), name: "Ada".to_owned() }
    }

    fn seen(whose: Option<&Owner>, port: u16, since: i64, active: i64) -> Seen {
        Seen {
            whose: whose.cloned(),
            port,
            kind: ConnectionKind::Browser,
            since: at(since),
            last_active_at: at(active),
            address: format!("192.0.2.{active}").parse().ok(),
            open: 2,
            bytes_to_workspace: 10,
            bytes_to_person: u64::MAX - 5,
        }
    }

    #[test]
    fn what_two_copies_have_open_of_one_is_one_and_the_oldest_comes_first() {
        let (ada, bob) = (owner(), owner());
        let merged = merge([
            seen(Some(&ada), 8080, 5, 9),
            seen(Some(&bob), 8080, 3, 3),
            seen(Some(&ada), 9000, 4, 4),
            seen(Some(&ada), 8080, 1, 7),
            seen(None, 8080, 2, 2),
            seen(None, 8080, 6, 8),
        ]);
        let told: Vec<_> = merged
            .iter()
            .map(|one| (one.whose.as_ref().map(|owner| owner.connection), one.port, one.since, one.open))
            .collect();
        let expected = [
            (Some(ada.connection), 8080, at(1), 4),
            (None, 8080, at(2), 4),
            (Some(bob.connection), 8080, at(3), 2),
            (Some(ada.connection), 9000, at(4), 2),
        ];
        assert_eq!(told, expected);
        let hers = &merged[0];
        assert_eq!((hers.last_active_at, hers.address), (at(9), "192.0.2.9".parse().ok()), "the newest word");
        assert_eq!((hers.bytes_to_workspace, hers.bytes_to_person), (20, u64::MAX), "and nothing runs over");
    }

    #[test]
    fn what_was_ended_lets_nothing_and_another_one_begins_once_its_session_is_proven_anew() {
        let none = Ended::default();
        let by_itself = Ended { is_this: true, by_another: None };
        let other = Ended { is_this: false, by_another: Some(at(10)) };
        for (ended, begins, proven, expected) in [
            (none, true, 0, true),
            (none, false, 0, true),
            (by_itself, true, 99, false),
            (by_itself, false, 99, false),
            (other, false, 0, true),
            (other, true, 10, false),
            (other, true, 11, true),
            (Ended { is_this: true, ..other }, true, 11, false),
        ] {
            assert_eq!(ended.lets(begins, at(proven)), expected, "{ended:?} {begins} {proven}");
        }
    }

    #[test]
    fn whoever_ends_what_is_their_sessions_own_proves_nothing_anew() {
        let (mine, other) = (SessionId::random(), SessionId::random());
        assert!(!must_prove(mine, Some(mine)));
        assert!(must_prove(other, Some(mine)) && must_prove(mine, None));
    }
}
