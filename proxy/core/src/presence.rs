//! Who is connected, as the server is told of it. See decision 0084.

use std::collections::BTreeMap;
use std::net::IpAddr;

use berth_schema::WorkspaceId;
use berth_schema::connected::{ConnectionKind, MAX_TOLD, MAX_TOLD_OF_ONE, ToldConnection, Whose};
use berth_schema::connection::Grounds;
use jiff::{SignedDuration, Timestamp};

use crate::activity::{Amount, Carried, Traffic, is_active};

/// So long somebody counts as there who has nothing open: a page is read after it was loaded.
const LINGERS: SignedDuration = SignedDuration::from_secs(60);
/// What counts as activity is what goes through in so long.
const INTERVAL: SignedDuration = SignedDuration::from_secs(60);

/// By what somebody comes, and from where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Visit {
    pub kind: ConnectionKind,
    pub address: IpAddr,
}

/// What went through since they came: as requests, and on connections of their own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Passed {
    pub requests: Traffic,
    pub connections: Traffic,
}

/// Somebody who is connected, or was a moment ago.
#[derive(Clone, Debug)]
pub struct Presence {
    visit: Visit,
    since: Timestamp,
    active: Timestamp,
    /// When the last of what was open was closed.
    left: Timestamp,
    open: u32,
    /// What had gone through at the last look, and when that was.
    looked: (Passed, Timestamp),
}

impl Presence {
    /// Somebody has come.
    pub fn new(visit: Visit, now: Timestamp) -> Self {
        Self { visit, since: now, active: now, left: now, open: 0, looked: (Passed::default(), now) }
    }

    /// Something is opened.
    pub fn comes(&mut self, address: IpAddr) {
        self.visit.address = address;
        self.open = self.open.saturating_add(1);
    }

    /// Something was closed.
    pub fn goes(&mut self, now: Timestamp) {
        self.open = self.open.saturating_sub(1);
        self.left = now;
    }

    /// Somebody does something.
    pub fn acts(&mut self, now: Timestamp) {
        self.active = now;
    }

    /// Looks at what went through by now. A minute's worth of it is enough, however little of the minute has passed.
    pub fn look(&mut self, passed: Passed, now: Timestamp) {
        let (before, at) = self.looked;
        let of_connections = match self.visit.kind {
            ConnectionKind::Ssh => Carried::Tunnel,
            ConnectionKind::Browser | ConnectionKind::Program | ConnectionKind::Public => Carried::WebSocket,
        };
        let seconds = INTERVAL.as_secs().unsigned_abs();
        let is_busy = is_active(Carried::Requests, since(passed.requests, before.requests), seconds)
            || is_active(of_connections, since(passed.connections, before.connections), seconds);
        if is_busy {
            self.active = now;
        }
        if is_busy || now.duration_since(at) >= INTERVAL {
            self.looked = (passed, now);
        }
    }

    /// Whether they were there lately at all.
    pub fn is_over(&self, now: Timestamp) -> bool {
        self.open == 0 && now.duration_since(self.left) >= LINGERS
    }

    /// What the server is told of it, if it has said what it calls that.
    pub fn told(
        &self,
        (workspace, port): (WorkspaceId, u16),
        grounds: Grounds,
        passed: Passed,
        now: Timestamp,
    ) -> Option<ToldConnection> {
        let whose = match (grounds.connection, grounds.session, grounds.subject) {
            (Some(connection), Some(session), Some(subject)) => Some(Whose { connection, session, subject }),
            _ => None,
        };
        let is_public = self.visit.kind == ConnectionKind::Public;
        if is_public != whose.is_none() {
            return None;
        }
        let ago = |time: Timestamp| u64::try_from(now.duration_since(time).as_secs()).unwrap_or(0);
        let bytes = |of: fn(&Traffic) -> Amount| {
            of(&passed.requests).bytes.saturating_add(of(&passed.connections).bytes)
        };
        Some(ToldConnection {
            workspace,
            port,
            kind: self.visit.kind,
            whose,
            address: (!is_public).then_some(self.visit.address),
            open: self.open,
            opened_seconds_ago: ago(self.since),
            active_seconds_ago: ago(self.active),
            bytes_to_workspace: bytes(|traffic| traffic.to_workspace),
            bytes_to_person: bytes(|traffic| traffic.to_person),
        })
    }
}

/// What went through after what had before.
const fn since(now: Traffic, before: Traffic) -> Traffic {
    const fn less(now: Amount, before: Amount) -> Amount {
        Amount {
            bytes: now.bytes.saturating_sub(before.bytes),
            pieces: now.pieces.saturating_sub(before.pieces),
        }
    }
    Traffic {
        to_workspace: less(now.to_workspace, before.to_workspace),
        to_person: less(now.to_person, before.to_person),
    }
}

/// All that is told, each connection once at each of its ports. Where that is more than the server takes, those are left out that were
/// idle for longest: of each workspace, and then of all.
pub fn gather(all: impl IntoIterator<Item = ToldConnection>) -> Vec<ToldConnection> {
    let mut one_each: BTreeMap<_, ToldConnection> = BTreeMap::new();
    for told in all {
        let key = (told.workspace, told.whose.map(|whose| whose.connection), told.port);
        let Some(known) = one_each.get_mut(&key) else {
            one_each.insert(key, told);
            continue;
        };
        // A program that opens one connection after the other by one token.
        if told.active_seconds_ago < known.active_seconds_ago {
            (known.active_seconds_ago, known.address) = (told.active_seconds_ago, told.address);
        }
        known.opened_seconds_ago = known.opened_seconds_ago.max(told.opened_seconds_ago);
        known.open = known.open.saturating_add(told.open);
        known.bytes_to_workspace = known.bytes_to_workspace.saturating_add(told.bytes_to_workspace);
        known.bytes_to_person = known.bytes_to_person.saturating_add(told.bytes_to_person);
    }
    let mut all: Vec<_> = one_each.into_values().collect();
    all.sort_by_key(|told| told.active_seconds_ago);
    let mut of_each: BTreeMap<WorkspaceId, usize> = BTreeMap::new();
    all.retain(|told| {
        let count = of_each.entry(told.workspace).or_default();
        *count += 1;
        *count <= MAX_TOLD_OF_ONE
    });
    all.truncate(MAX_TOLD);
    all
}

/// Whether the server would show something else by it: what goes on as it is waits for the next time that it is told anyway.
pub fn is_news(before: &[ToldConnection], now: &[ToldConnection]) -> bool {
    let shape = |told: &ToldConnection| {
        (told.workspace, told.whose.map(|whose| whose.connection), told.port, told.open > 0)
    };
    let shapes = |all: &[ToldConnection]| {
        let mut shapes: Vec<_> = all.iter().map(shape).collect();
        shapes.sort_unstable();
        shapes
    };
    shapes(before) != shapes(now)
}

#[cfg(test)]
mod tests {
    use std::slice::from_ref;

    use super::*;
    use berth_schema::{ConnectionId, SessionId, SubjectId};

    const HERE: Visit =
        Visit { kind: ConnectionKind::Browser, address: IpAddr::V4(std::net::Ipv4Addr::LOCALHOST) };

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + seconds).expect("a time")
    }

    fn grounds() -> Grounds {
        Grounds {
            session: Some(SessionId::random()),
            subject: Some(SubjectId::random()),
            sharer: None,
            connection: Some(ConnectionId::random()),
            seen: 1,
        }
    }

    const fn sent(pieces: u64, each: u64) -> Traffic {
        let nothing = Amount { bytes: 0, pieces: 0 };
        Traffic { to_workspace: Amount { bytes: pieces * each, pieces }, to_person: nothing }
    }

    #[test]
    fn whoever_has_nothing_open_is_there_for_a_minute_and_since_when_they_came_first() {
        let mut presence = Presence::new(HERE, at(0));
        presence.comes(HERE.address);
        assert!(!presence.is_over(at(9_999)), "it is open");
        presence.goes(at(10));
        assert!(!presence.is_over(at(69)) && presence.is_over(at(70)));
        let elsewhere = "192.0.2.7".parse().expect("an address");
        presence.comes(elsewhere);
        let workspace = WorkspaceId::random();
        let told = presence.told((workspace, 8080), grounds(), Passed::default(), at(65)).expect("told");
        assert_eq!((told.opened_seconds_ago, told.open, told.address), (65, 1, Some(elsewhere)));
    }

    #[test]
    fn keys_are_activity_and_what_an_open_tab_says_by_itself_is_none() {
        let mut presence = Presence::new(HERE, at(0));
        let look = |presence: &mut Presence, sockets: Traffic, seconds: i64| {
            presence.look(Passed { requests: Traffic::default(), connections: sockets }, at(seconds));
            presence.active
        };
        // Keep-alives, over ten minutes.
        let mut pieces = 0;
        for seconds in (5..=600).step_by(5) {
            pieces += 2;
            assert_eq!(look(&mut presence, sent(pieces, 21), seconds), at(0), "{seconds}");
        }
        assert_eq!(look(&mut presence, sent(pieces + 40, 21), 605), at(605));
        assert_eq!(look(&mut presence, sent(pieces + 41, 21), 610), at(605));
        // Six keys a minute over ssh are work; in a browser's socket they hide among others.
        let mut ssh = Presence::new(Visit { kind: ConnectionKind::Ssh, ..HERE }, at(0));
        assert_eq!(look(&mut ssh, sent(7, 36), 5), at(5));
        presence.acts(at(700));
        assert_eq!(presence.active, at(700));
    }

    #[test]
    fn somebody_is_told_of_as_the_server_calls_them_and_nobody_without_an_address() {
        let workspace = WorkspaceId::random();
        let known = grounds();
        let passed = Passed { requests: sent(2, 100), connections: sent(3, 10) };
        let presence = Presence::new(HERE, at(0));
        let told = presence.told((workspace, 8080), known, passed, at(30)).expect("told");
        assert_eq!(told.whose.map(|whose| whose.connection), known.connection);
        assert_eq!((told.bytes_to_workspace, told.bytes_to_person), (230, 0));
        assert_eq!((told.opened_seconds_ago, told.active_seconds_ago), (30, 30));
        // A server of before has no word for it.
        let before = Grounds { connection: None, ..known };
        assert_eq!(presence.told((workspace, 8080), before, passed, at(30)), None);
        let public = Presence::new(Visit { kind: ConnectionKind::Public, ..HERE }, at(0));
        let nobody = Grounds { session: None, subject: None, connection: None, ..known };
        let told = public.told((workspace, 8080), nobody, passed, at(30)).expect("told");
        assert_eq!((told.whose, told.address), (None, None));
        assert_eq!(presence.told((workspace, 8080), nobody, passed, at(30)), None);
    }

    fn told(workspace: WorkspaceId, active: u64) -> ToldConnection {
        let presence = Presence::new(HERE, at(0));
        let told = presence.told((workspace, 8080), grounds(), Passed::default(), at(0)).expect("told");
        ToldConnection { active_seconds_ago: active, open: 1, ..told }
    }

    #[test]
    fn what_is_told_is_bounded_and_whoever_was_idle_for_longest_is_left_out() {
        let workspace = WorkspaceId::random();
        let of_one: Vec<_> = (0..=MAX_TOLD_OF_ONE as u64).map(|active| told(workspace, active)).collect();
        let all = gather(of_one);
        assert_eq!(all.len(), MAX_TOLD_OF_ONE);
        assert_eq!(all.iter().map(|told| told.active_seconds_ago).max(), Some(MAX_TOLD_OF_ONE as u64 - 1));
        let of_many = (0..MAX_TOLD as u64 + 5).map(|active| told(WorkspaceId::random(), active));
        let all = gather(of_many);
        assert_eq!(all.len(), MAX_TOLD);
        assert_eq!(all.iter().map(|told| told.active_seconds_ago).max(), Some(MAX_TOLD as u64 - 1));
    }

    #[test]
    fn what_a_program_opens_by_one_token_is_one_at_each_port() {
        let workspace = WorkspaceId::random();
        let first = ToldConnection { bytes_to_person: 5, opened_seconds_ago: 90, ..told(workspace, 9) };
        let second = ToldConnection { whose: first.whose, bytes_to_person: 7, ..told(workspace, 3) };
        let elsewhere = ToldConnection { port: 9000, ..first.clone() };
        let all = gather([first.clone(), second, elsewhere]);
        let one: Vec<_> = all
            .iter()
            .map(|told| (told.port, told.open, told.bytes_to_person, told.active_seconds_ago))
            .collect();
        assert_eq!(one, [(8080, 2, 12, 3), (9000, 1, 5, 9)]);
        assert_eq!(all[0].opened_seconds_ago, 90);
    }

    #[test]
    fn news_is_who_comes_and_who_goes_and_not_what_they_do() {
        let one = told(WorkspaceId::random(), 3);
        let later = ToldConnection { active_seconds_ago: 9, bytes_to_person: 7, ..one.clone() };
        let alone = from_ref(&one);
        assert!(!is_news(alone, &[later]));
        assert!(is_news(alone, &[]) && is_news(&[], alone));
        let left = ToldConnection { open: 0, ..one.clone() };
        assert!(is_news(alone, &[left]));
        let other = told(one.workspace, 3);
        assert!(!is_news(&[one.clone(), other.clone()], &[other, one]));
    }
}
