//! Questions that rules cannot tell apart have one answer, which is found once.
//!
//! Rules can compare what is named with what is named, and look at attributes; an id is nothing that they can look into. So where
//! they name no id and look at neither times nor addresses, two questions that agree in all that is in a [`Question`] are
//! answered alike, whoever asks about whatever. (A build with debug assertions finds each answer anew and compares.)

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

use berth_schema::access::{Role, SubjectKind, TokenScope};
use berth_schema::{Action, AgentId, ResourceKind};

use crate::decision::Decision;
use crate::facts::{Asker, Resource, Who};

/// The most answers that are kept for one set of rules. All the questions of an organisation are some hundreds.
const MOST: usize = 4_096;

/// What is asked, as far as rules that name no id can tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own, as rules have it")]
pub(crate) struct Question {
    action: Action,
    who: Asking,
    /// By a token or a session, and with which scope.
    proof: (&'static str, TokenScope),
    mfa: bool,
    is_elevated: bool,
    roles: Roles,
    kind: ResourceKind,
    is_at_home: bool,
    owner: Relation,
    agent: Relation,
    project: Relation,
    groups: Relation,
    for_another: bool,
    is_shared: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Asking {
    Agent,
    Subject { kind: SubjectKind, role: Role, suspended: bool },
}

/// What something of a thing is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Relation {
    None,
    Asker,
    /// The thing itself.
    Itself,
    Another,
}

/// A set of roles.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Roles(u16);

impl FromIterator<Role> for Roles {
    fn from_iter<I: IntoIterator<Item = Role>>(roles: I) -> Self {
        Self(roles.into_iter().fold(0, |set, role| set | 1 << role as u16))
    }
}

impl Question {
    /// `role`: what somebody counts as in the organisation; `roles`: what they are there. `None`: it is of a kind that is asked seldom, each
    /// time in another way.
    pub(crate) fn of(
        (asker, action, resource): (&Asker, Action, &Resource),
        (role, roles, is_elevated): (Role, Roles, bool),
    ) -> Option<Self> {
        if resource.asked.is_some() {
            return None;
        }
        let who = match asker.who {
            Who::Agent(_) => Asking::Agent,
            Who::Subject { kind, suspended, .. } => Asking::Subject { kind, role, suspended },
        };
        let how = &asker.circumstances;
        let is_itself = |kind, id: &dyn ToString| resource.kind == kind && resource.id == id.to_string();
        let owner = match (resource.owner, asker.who) {
            (None, _) => Relation::None,
            (Some(owner), Who::Subject { id, .. }) if owner == id => Relation::Asker,
            (Some(_), _) => Relation::Another,
        };
        let of_agent = |id: AgentId| match asker.who {
            Who::Agent(asker) if asker == id => Relation::Asker,
            _ if is_itself(ResourceKind::Agent, &id) => Relation::Itself,
            _ => Relation::Another,
        };
        // An agent is found by itself alone.
        let agent = match (resource.kind, resource.agent, asker.who) {
            (ResourceKind::Agent, None, Who::Agent(id)) if is_itself(ResourceKind::Agent, &id) => {
                Relation::Asker
            }
            (ResourceKind::Agent, Some(_), _) => return None,
            (_, agent, _) => agent.map_or(Relation::None, of_agent),
        };
        let project = resource.project.map_or(Relation::None, |id| {
            if is_itself(ResourceKind::Project, &id) { Relation::Itself } else { Relation::Another }
        });
        let groups = match resource.groups.as_slice() {
            [] => Relation::None,
            groups if groups.iter().any(|id| is_itself(ResourceKind::Group, id)) => Relation::Itself,
            _ => Relation::Another,
        };
        if resource.kind == ResourceKind::Organization && resource.id != resource.organization.to_string() {
            return None;
        }
        Some(Self {
            action,
            who,
            proof: (how.proof.name(), how.proof.scope()),
            mfa: how.mfa,
            is_elevated,
            roles,
            kind: resource.kind,
            is_at_home: asker.organization == resource.organization,
            owner,
            agent,
            project,
            groups,
            for_another: resource.for_another,
            is_shared: resource.is_shared,
        })
    }
}

/// What was answered so far.
#[derive(Debug, Default)]
pub(crate) struct Answers(RwLock<HashMap<Question, Decision>>);

impl Answers {
    pub(crate) fn find(&self, question: &Question) -> Option<Decision> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(question).cloned()
    }

    pub(crate) fn keep(&self, question: Question, decision: &Decision) {
        let mut answers = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if answers.len() < MOST {
            answers.insert(question, decision.clone());
        }
    }
}
