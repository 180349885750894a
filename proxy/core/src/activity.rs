//! Whether somebody does something in a workspace, by how much goes through a connection. See decision 0079.
//!
//! What is counted is what both ends would say to each other without anybody there: the keep-alives of an editor's tab, of `ssh`, of a
//! stream of events. More than that, either way, is work: keys that are pressed, a build that prints, a file on its way.

/// What a connection carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Carried {
    /// Requests and answers of HTTP, all of one workspace together: pages ask by themselves, too.
    Requests,
    /// An upgraded connection: an editor's, or of a page that shows what changes.
    WebSocket,
    /// What sshd and a client say.
    Tunnel,
}

/// What went through in one interval, both ways.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    pub to_workspace: Amount,
    pub to_person: Amount,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Amount {
    pub bytes: u64,
    /// How often something came. What was sent in one piece comes in one, unless more comes than is read at once.
    pub pieces: u64,
}

/// How much of it says nothing, in a minute and in one direction.
const fn quiet(carried: Carried) -> Amount {
    match carried {
        // A page that asks once a second whether something is new, with its cookies.
        Carried::Requests => Amount { bytes: 256 * 1_024, pieces: 90 },
        // VS Code says every 5 seconds that it is there, on two sockets, and confirms what the other side said; others ping at most as often.
        Carried::WebSocket => Amount { bytes: 2_048, pieces: 30 },
        // `ServerAliveInterval 15` asks and is answered four times a minute, in at most 100 bytes each.
        Carried::Tunnel => Amount { bytes: 600, pieces: 6 },
    }
}

/// Whether somebody, or something of theirs, was at work in an interval of so many seconds.
pub fn is_active(carried: Carried, traffic: Traffic, seconds: u64) -> bool {
    let quiet = quiet(carried);
    // What comes each minute may come twice in one and a half.
    let minutes = seconds.div_ceil(60).max(1);
    let more = |amount: Amount| {
        amount.bytes > quiet.bytes.saturating_mul(minutes)
            || amount.pieces > quiet.pieces.saturating_mul(minutes)
    };
    more(traffic.to_workspace) || more(traffic.to_person)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// So many pieces of so many bytes.
    const fn of(pieces: u64, each: u64) -> Amount {
        Amount { bytes: pieces * each, pieces }
    }

    const fn both(to_workspace: Amount, to_person: Amount) -> Traffic {
        Traffic { to_workspace, to_person }
    }

    const NOTHING: Amount = of(0, 0);

    #[test]
    fn what_an_open_tab_and_an_idle_terminal_say_by_themselves_is_nothing() {
        let quiet = [
            ("nothing", Carried::Tunnel, both(NOTHING, NOTHING)),
            // A keep-alive of 13 bytes and what confirms it, each in a masked frame, every 5 seconds.
            ("an editor's tab", Carried::WebSocket, both(of(24, 21), of(24, 17))),
            ("a page that is pinged every 2 seconds", Carried::WebSocket, both(of(30, 6), of(30, 2))),
            ("ssh with ServerAliveInterval 15", Carried::Tunnel, both(of(4, 100), of(4, 68))),
            ("ssh with ServerAliveInterval 60", Carried::Tunnel, both(of(1, 100), of(1, 68))),
            ("a page that asks every second", Carried::Requests, both(of(60, 2_048), of(60, 300))),
            (
                "a stream of events with a comment every 5 seconds",
                Carried::Requests,
                both(of(1, 900), of(12, 3)),
            ),
        ];
        for (what, carried, traffic) in quiet {
            assert!(!is_active(carried, traffic, 60), "{what}");
            // Two looks that lie apart see as much of it.
            assert!(!is_active(carried, both(traffic.to_workspace, NOTHING), 90), "{what}");
        }
    }

    #[test]
    fn typing_printing_and_copying_are_work() {
        let busy = [
            ("one key a second over ssh", Carried::Tunnel, both(of(60, 36), of(60, 36))),
            ("a command of six letters", Carried::Tunnel, both(of(7, 36), of(8, 60))),
            ("one key that ssh hides among others", Carried::Tunnel, both(of(50, 36), of(1, 36))),
            ("a build that prints a line every 5 seconds", Carried::Tunnel, both(NOTHING, of(12, 120))),
            ("a long download", Carried::Tunnel, both(of(200, 52), of(40_000, 16_384))),
            ("a file that is copied in", Carried::Tunnel, both(of(1, 16_384), NOTHING)),
            // Each key is a change of a document, told to the extensions' host.
            ("ten keys in an editor", Carried::WebSocket, both(of(34, 300), of(34, 40))),
            ("a build in an editor's terminal", Carried::WebSocket, both(of(24, 21), of(90, 200))),
            ("a download", Carried::Requests, both(of(1, 900), of(600, 65_536))),
            ("an upload", Carried::Requests, both(of(40, 65_536), of(1, 200))),
        ];
        for (what, carried, traffic) in busy {
            assert!(is_active(carried, traffic, 60), "{what}");
        }
    }

    proptest! {
        #[test]
        fn more_is_never_less_and_nothing_is_never_work(
            bytes: u64, pieces: u64, more_bytes: u64, more_pieces: u64, seconds: u64, of in 0..3_usize,
        ) {
            let carried = [Carried::Requests, Carried::WebSocket, Carried::Tunnel][of];
            let less = Amount { bytes, pieces };
            let more = Amount { bytes: bytes.saturating_add(more_bytes), pieces: pieces.saturating_add(more_pieces) };
            for (one, other) in [(both(less, NOTHING), both(more, NOTHING)), (both(NOTHING, less), both(NOTHING, more))] {
                prop_assert!(!is_active(carried, one, seconds) || is_active(carried, other, seconds));
            }
            prop_assert!(!is_active(carried, Traffic::default(), seconds));
        }
    }
}
