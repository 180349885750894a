//! Whether a new leader of an agent can be an honest one. A leader is believed in any case, since both are who they say they
//! are; but somebody who uses a stolen token shows by how it comes to lead.

use berth_schema::TermId;

/// Who led until now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Before {
    pub epoch: i64,
    pub term: Option<TermId>,
    /// Who led before that.
    pub predecessor: Option<TermId>,
}

/// What is odd about a new leader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Suspicion {
    /// Its epoch is further away than one that honest leaders come to.
    Jumped { from: i64, to: i64 },
    /// It had been deposed by the one that it deposes now.
    Returned,
}

/// The furthest that honest leaders move at once. Each change of a Lease's holder is one; a process that finds itself deposed
/// moves twice as far each time, after ten minutes.
const FARTHEST_STEP: i64 = 1_000;
/// The furthest that an agent begins which was never heard of, or whose epochs were forgotten: its Lease may be old.
const FARTHEST_START: i64 = 1_000_000_000;

/// What is odd about the leader of a newer epoch, if anything is.
pub fn suspicion(before: Before, epoch: i64, term: Option<TermId>) -> Option<Suspicion> {
    let farthest = if before.term.is_none() && before.epoch == 0 { FARTHEST_START } else { FARTHEST_STEP };
    if epoch.saturating_sub(before.epoch) > farthest {
        return Some(Suspicion::Jumped { from: before.epoch, to: epoch });
    }
    let returned = term.is_some() && term == before.predecessor && term != before.term;
    returned.then_some(Suspicion::Returned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(clippy::unnecessary_wraps, reason = "a term may be missing")]
    fn term(byte: u8) -> Option<TermId> {
        Some(TermId::from_uuid(uuid::Uuid::from_bytes([byte; 16])))
    }

    fn before(epoch: i64, term: Option<TermId>, predecessor: Option<TermId>) -> Before {
        Before { epoch, term, predecessor }
    }

    #[test]
    fn an_ordinary_succession_is_not_suspected() {
        assert_eq!(suspicion(before(0, None, None), 5_000, term(1)), None, "an old Lease");
        assert_eq!(suspicion(before(7, term(1), None), 8, term(2)), None);
        assert_eq!(suspicion(before(8, term(2), term(1)), 9, term(3)), None);
        assert_eq!(suspicion(before(8, term(2), term(1)), 512, term(2)), None, "a deposed one goes further");
        assert_eq!(suspicion(before(8, None, None), 9, None), None, "agents without terms");
    }

    #[test]
    fn an_epoch_that_none_comes_to_is_told() {
        for to in [1_009, 1 << 62, i64::MAX] {
            let found = suspicion(before(8, term(1), None), to, term(2));
            assert_eq!(found, Some(Suspicion::Jumped { from: 8, to }));
        }
        assert!(suspicion(before(0, None, None), i64::MAX, term(1)).is_some());
    }

    #[test]
    fn two_who_take_turns_are_told() {
        assert_eq!(suspicion(before(8, term(2), term(1)), 9, term(1)), Some(Suspicion::Returned));
    }
}
