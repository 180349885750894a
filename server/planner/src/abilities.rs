//! What the other side of a message can do, where versions differ.

use berth_schema::reconcile::ReconcileRequest;

/// What an agent can do, as its message shows: agents say it by what they write, and have no other word for it. It is decided here, once for
/// a message, and nowhere else.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Abilities {
    /// It answers [`full_reconcile_requested`](berth_schema::reconcile::ReconcileResponse::full_reconcile_requested) with a full report, as
    /// every agent does that tells the term of its leadership. To one that cannot, the request is no news: it would ask again at once.
    /// Every agent of 0.1.0 can; builds before it could not.
    pub reports_in_full_when_asked: bool,
    /// It writes Git credentials into workspaces, as every agent does that tells which it has. One that cannot is given none.
    /// Every agent of 0.1.0 can; builds before it could not.
    pub takes_git_credentials: bool,
}

impl Abilities {
    /// Those of the agent that has sent this.
    pub const fn of(request: &ReconcileRequest) -> Self {
        Self {
            reports_in_full_when_asked: request.term.is_some(),
            takes_git_credentials: request.git.is_some(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use berth_schema::TermId;
    use berth_schema::git::GitAsk;

    #[test]
    fn each_ability_is_told_by_what_such_an_agent_writes() {
        let old = ReconcileRequest::default();
        assert_eq!(Abilities::of(&old), Abilities::default());
        let term = ReconcileRequest { term: Some(TermId::random()), ..ReconcileRequest::default() };
        let reports = Abilities { reports_in_full_when_asked: true, ..Abilities::default() };
        assert_eq!(Abilities::of(&term), reports);
        let git = ReconcileRequest {
            git: Some(GitAsk { version: 0, wanted: vec![] }),
            ..ReconcileRequest::default()
        };
        let takes = Abilities { takes_git_credentials: true, ..Abilities::default() };
        assert_eq!(Abilities::of(&git), takes);
    }
}
