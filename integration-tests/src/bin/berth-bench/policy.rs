//! What a decision about a request costs, beside a `match` that knows the built-in rules by heart.

use std::hint::black_box;
use std::time::Instant;

use anyhow::Context as _;
use berth_policy::{Asker, BUILT_IN, Circumstances, Place, Policies, Proof, Resource, Rules, Who};
use berth_schema::access::{Role, SubjectKind, TokenScope};
use berth_schema::{Action, Effect, OrganizationId, ResourceKind, SubjectId, WorkspaceId};

use crate::figure::{Figures, Goal};

const ROUNDS: u32 = 50;
const FROM_THE_MOON: &str =
    "forbid (principal, action, resource) when { context has address && context.address.isLoopback() };";

#[expect(clippy::unused_async, reason = "rows are measured one like the other")]
pub(crate) async fn measure(figures: &mut Figures) -> anyhow::Result<()> {
    let built_in = Policies::built_in().map_err(|errors| anyhow::anyhow!("{errors:?}"))?;
    // What looks at more than who is what to what is evaluated at each question.
    let rules = format!("{BUILT_IN}\n@id(\"from-the-moon\")\n{FROM_THE_MOON}");
    let looking = Rules::check(&rules).and_then(|rules| Policies::new(&rules));
    let looking = looking.map_err(|errors| anyhow::anyhow!("{errors:?}"))?;
    let questions = questions();
    let ask = |policies: &Policies| {
        let allowed = |(asker, action, thing): &&(Asker, Action, Resource)| {
            policies.decide(asker, *action, thing).allowed
        };
        questions.iter().filter(allowed).count()
    };
    let by_heart = || questions.iter().filter(|(asker, action, thing)| may(asker, *action, thing)).count();
    anyhow::ensure!(ask(&built_in) == by_heart(), "the match does not say what the rules say");
    anyhow::ensure!(ask(&looking) == by_heart(), "the match does not say what the rules say");
    let bare = microseconds(by_heart, questions.len())?;
    for (name, policies) in
        [("policy, a decision", &built_in), ("policy, one whose rules look at addresses", &looking)]
    {
        let rules = microseconds(|| ask(policies), questions.len())?;
        figures.add(name.to_owned(), "µs", rules, Some(bare), Goal::AtMost(5.0));
    }
    Ok(())
}

fn microseconds(ask: impl Fn() -> usize, questions: usize) -> anyhow::Result<f64> {
    let start = Instant::now();
    for _ in 0..ROUNDS {
        black_box(ask());
    }
    let asked = u32::try_from(questions).context("so many questions")? * ROUNDS;
    Ok(start.elapsed().as_secs_f64() * 1e6 / f64::from(asked))
}

/// Every action on workspaces, by every role, on their own and on another's.
fn questions() -> Vec<(Asker, Action, Resource)> {
    let (me, other) = (SubjectId::random(), SubjectId::random());
    let organization = OrganizationId::random();
    let circumstances = Circumstances {
        proof: Proof::Token(TokenScope::Full),
        mfa: false,
        address: Some([192, 0, 2, 1].into()),
    };
    let mut questions = Vec::new();
    for role in Role::ALL {
        let who = Who::Subject { id: me, kind: SubjectKind::User, role, suspended: false };
        for action in Action::ALL.iter().filter(|action| Place::of(**action) == Place::Workspace) {
            for owner in [me, other] {
                let thing =
                    Resource::new(ResourceKind::Workspace, WorkspaceId::random().to_string(), organization);
                let asker = Asker { who, organization, circumstances, elevations: Vec::new() };
                questions.push((asker, *action, thing.owned_by(owner)));
            }
        }
    }
    questions
}

fn may(asker: &Asker, action: Action, thing: &Resource) -> bool {
    let Who::Subject { id, role, suspended: false, .. } = asker.who else { return false };
    let is_theirs = thing.owner == Some(id);
    let is_in = matches!(
        action,
        Action::OpenConnection
            | Action::OpenConnectionByKey
            | Action::IssueConnectionToken
            | Action::SharePort
            | Action::OpenPort
            | Action::ChangeWorkspaceVariables
            | Action::ReadLogs
    );
    thing.organization == asker.organization
        && action != Action::PublishPort
        && (is_theirs || !is_in)
        && match role {
            Role::Owner | Role::Maintainer => true,
            Role::Developer => is_theirs,
            Role::Viewer | Role::Auditor => action.effect() == Effect::Reads,
            Role::Unknown => false,
        }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_match_says_what_the_rules_say() {
        let built_in = Policies::built_in().expect("rules");
        for (asker, action, thing) in questions() {
            let allowed = built_in.decide(&asker, action, &thing).allowed;
            assert_eq!(allowed, may(&asker, action, &thing), "{action} by {:?}", asker.who);
        }
    }
}
