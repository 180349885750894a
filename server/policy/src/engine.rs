//! The rules put together, and asked.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::LazyLock;

use berth_schema::access::Role;
use berth_schema::{Action, ElevationId, ResourceKind};
use cedar_policy::{
    ActionConstraint, AuthorizationError, Authorizer, Context, Decision as Answer, Entities, Entity,
    EntityId, EntityTypeName, EntityUid, PolicySet, Request, Response, RestrictedExpression,
};

use crate::alike::{Answers, Question};
use crate::decision::{Decision, Reason};
use crate::error::RuleError;
use crate::facts::{Asker, At, Elevation, Resource, Who};
use crate::looks::Looks;
use crate::place::{Place, counts_elevations, effect_group, sight_in_tree};
use crate::rules::Rules;
use crate::schema::{ACTION, SUBJECT, entity_type};

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// The platform's rules with one organisation's. Nothing changes them: they are asked from many threads, and what they have answered
/// once they answer again.
pub struct Policies {
    /// By action.
    sets: Vec<Set>,
    names_ids: bool,
    answers: Answers,
}

/// The rules that can apply to an action: the others are not looked at.
#[derive(Default)]
struct Set {
    policies: PolicySet,
    looks: Looks,
}

impl fmt::Debug for Policies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Policies").finish_non_exhaustive()
    }
}

/// What is the same in every decision.
struct Words {
    authorizer: Authorizer,
    subject: EntityTypeName,
    kinds: Vec<EntityTypeName>,
    /// By action: its name, and itself with its groups.
    actions: Vec<(EntityUid, Entity)>,
}

static WORDS: LazyLock<Result<Words, String>> =
    LazyLock::new(|| Words::new().map_err(|error| error.to_string()));

impl Words {
    fn new() -> Result<Self, Failure> {
        let action_type: EntityTypeName = ACTION.parse()?;
        let uid = |name: &str| EntityUid::from_type_name_and_id(action_type.clone(), EntityId::new(name));
        let actions = Action::ALL.iter().map(|action| {
            let groups = [uid(Place::of(*action).group()), uid(effect_group(action.effect()))];
            let itself = uid(action.as_str());
            (itself.clone(), Entity::new_no_attrs(itself, HashSet::from(groups)))
        });
        let kinds = ResourceKind::ALL.iter().map(|kind| entity_type(*kind).parse().map_err(Failure::from));
        Ok(Self {
            authorizer: Authorizer::new(),
            subject: SUBJECT.parse()?,
            actions: actions.collect(),
            kinds: kinds.collect::<Result<_, _>>()?,
        })
    }

    fn thing(&self, kind: ResourceKind, id: &(impl ToString + ?Sized)) -> EntityUid {
        EntityUid::from_type_name_and_id(self.kinds[kind as usize].clone(), EntityId::new(id.to_string()))
    }

    fn subject(&self, id: &impl ToString) -> EntityUid {
        EntityUid::from_type_name_and_id(self.subject.clone(), EntityId::new(id.to_string()))
    }
}

fn words() -> Result<&'static Words, Failure> {
    WORDS.as_ref().map_err(|error| error.as_str().into())
}

impl Policies {
    /// With the rules that hold where an organisation has written none.
    pub fn built_in() -> Result<Self, Vec<RuleError>> {
        Self::new(&Rules::built_in()?)
    }

    pub fn new(organization: &Rules) -> Result<Self, Vec<RuleError>> {
        let platform = Rules::platform()?.policies;
        let looked = |rule| (rule, Looks::of(rule));
        let platform: Vec<_> = platform.policies().map(looked).collect();
        let theirs: Vec<_> = organization.policies.policies().map(looked).collect();
        let sets = Action::ALL.iter().map(|action| {
            let place = Place::of(*action);
            let names = [action.as_str(), place.group(), effect_group(action.effect())];
            let rules = platform.iter().chain(theirs.iter().filter(|_| place.is_the_organizations()));
            let applying: Vec<_> =
                rules.filter(|(rule, _)| may_apply(&rule.action_constraint(), names)).collect();
            let policies = PolicySet::from_policies(applying.iter().map(|(rule, _)| (*rule).clone()))
                .map_err(|error| vec![RuleError::at("", 0, error.to_string())])?;
            let looks = applying.iter().fold(Looks::default(), |looks, (_, more)| looks.and(*more));
            Ok::<_, Vec<RuleError>>(Set { policies, looks })
        });
        let sets = sets.collect::<Result<_, _>>()?;
        let mut named = platform.iter().chain(&theirs).flat_map(|(rule, _)| rule.entity_literals());
        let names_ids = named.any(|uid| uid.type_name().to_string() != ACTION);
        Ok(Self { sets, names_ids, answers: Answers::default() })
    }

    /// With no rules at all: whatever is asked, the answer is no.
    pub fn nothing() -> Self {
        let sets = Action::ALL.iter().map(|_| Set::default()).collect();
        Self { sets, names_ids: false, answers: Answers::default() }
    }

    pub(crate) const fn names_ids(&self) -> bool {
        self.names_ids
    }

    /// Decides. What cannot be decided is denied, and so is all that would be done to a group or a project that may not be read:
    /// by the rules that deny the reading.
    pub fn decide(&self, asker: &Asker, action: Action, resource: &Resource) -> Decision {
        let decision = self.by_rules(asker, action, resource);
        match sight_in_tree(resource.kind).filter(|sight| decision.allowed && *sight != action) {
            Some(sight) => {
                let seen = self.by_rules(asker, sight, resource);
                if seen.allowed { decision } else { seen }
            }
            None => decision,
        }
    }

    /// By which role for a time somebody may do what they may; `None`: by what they are without any.
    pub fn needed_elevation(
        &self,
        asker: &Asker,
        action: Action,
        resource: &Resource,
    ) -> Option<ElevationId> {
        let elevated = elevated(asker, action, resource);
        let first = elevated.first()?;
        if self.decide(&asker.lasting(), action, resource).allowed {
            return None;
        }
        let is_enough = |elevation: &&Elevation| {
            let alone = Asker { elevations: vec![**elevation], ..asker.clone() };
            self.decide(&alone, action, resource).allowed
        };
        Some(elevated.iter().find(is_enough).unwrap_or(first).id)
    }

    fn by_rules(&self, asker: &Asker, action: Action, resource: &Resource) -> Decision {
        let case = Case::new(asker, action, resource);
        let question = self.question(&case);
        if let Some(known) = question.and_then(|question| self.answers.find(&question)) {
            debug_assert_eq!(self.ask(&case).map_err(|error| error.to_string()), Ok(known.clone()));
            return known;
        }
        let Ok(decision) = self.ask(&case) else { return Decision::failed(Vec::new()) };
        if let Some(question) = question {
            self.answers.keep(question, &decision);
        }
        decision
    }

    /// What the rules can tell of it; `None`: they can tell more.
    fn question(&self, case: &Case<'_>) -> Option<Question> {
        let Looks { at_address, at_times } = self.sets[case.action as usize].looks;
        if self.names_ids || at_address || at_times {
            return None;
        }
        let role = match case.asker.who {
            Who::Subject { role, .. } => in_organization(role, &case.elevated),
            Who::Agent(_) => Role::Unknown,
        };
        let known = (role, case.roles().collect(), !case.elevated.is_empty());
        Question::of((case.asker, case.action, case.resource), known)
    }

    fn ask(&self, case: &Case<'_>) -> Result<Decision, Failure> {
        let words = words()?;
        let Case { asker, action, resource, elevated } = case;
        let set = &self.sets[*action as usize];
        let (action_uid, action_entity) = &words.actions[*action as usize];
        let home = words.thing(ResourceKind::Organization, &asker.organization);
        let principal = principal(words, asker, (&home, elevated));
        let owner = if asker.organization == resource.organization {
            home.clone()
        } else {
            words.thing(ResourceKind::Organization, &resource.organization)
        };
        let target = words.thing(resource.kind, &resource.id);
        let mut entities = vec![action_entity.clone()];
        let (principal_uid, attributes) = principal;
        // An agent that acts on itself is one thing, in one organisation: otherwise there are two of one name, which is refused.
        let is_itself = target == principal_uid && resource.organization == asker.organization;
        if !is_itself && resource.kind != ResourceKind::Organization {
            entities.push(thing(words, target.clone(), resource, owner)?);
        }
        entities.push(Entity::new(principal_uid.clone(), attributes, HashSet::from([home]))?);
        let context = circumstances(case, set.looks)?;
        let request = Request::new(principal_uid, action_uid.clone(), target, context, None)?;
        let entities = Entities::from_entities(entities, None)?;
        Ok(read(&words.authorizer.is_authorized(&request, &set.policies, &entities)))
    }
}

/// What is asked, with what somebody is for a time that counts for it.
struct Case<'a> {
    asker: &'a Asker,
    action: Action,
    resource: &'a Resource,
    elevated: Vec<Elevation>,
}

impl<'a> Case<'a> {
    fn new(asker: &'a Asker, action: Action, resource: &'a Resource) -> Self {
        Self { asker, action, resource, elevated: elevated(asker, action, resource) }
    }

    /// What somebody is there. What they are in the organisation, they are everywhere in it.
    fn roles(&self) -> impl Iterator<Item = Role> {
        let everywhere = match self.asker.who {
            Who::Subject { role, .. } => Some(role),
            Who::Agent(_) => None,
        };
        let for_a_time = self.elevated.iter().map(|elevation| elevation.role);
        let there = self.resource.roles.iter().copied().chain(for_a_time);
        there.filter(|role| *role != Role::Unknown).chain(everywhere)
    }
}

fn principal(
    words: &Words,
    asker: &Asker,
    (home, elevated): (&EntityUid, &[Elevation]),
) -> (EntityUid, HashMap<String, RestrictedExpression>) {
    let organization = ("organization".to_owned(), RestrictedExpression::new_entity_uid(home.clone()));
    let text = |text: &str| RestrictedExpression::new_string(text.to_owned());
    match &asker.who {
        Who::Agent(id) => (words.thing(ResourceKind::Agent, id), HashMap::from([organization])),
        Who::Subject { id, kind, role, suspended } => {
            let attributes = HashMap::from([
                organization,
                ("kind".to_owned(), text(kind.as_str())),
                ("role".to_owned(), text(in_organization(*role, elevated).as_str())),
                ("suspended".to_owned(), RestrictedExpression::new_bool(*suspended)),
            ]);
            (words.subject(id), attributes)
        }
    }
}

/// What somebody is for a time that counts for an action.
fn elevated(asker: &Asker, action: Action, resource: &Resource) -> Vec<Elevation> {
    if counts_elevations(action) { asker.elevated_at(resource).copied().collect() } else { Vec::new() }
}

/// What somebody is in the organisation: their role, or the one for a time that has all of it.
fn in_organization(role: Role, elevated: &[Elevation]) -> Role {
    let there = elevated.iter().filter(|elevation| elevation.at == At::Organization);
    there.fold(role, |role, elevation| if elevation.role.includes(role) { elevation.role } else { role })
}

/// What is acted on, in the organisation that it belongs to.
fn thing(words: &Words, uid: EntityUid, resource: &Resource, owner: EntityUid) -> Result<Entity, Failure> {
    let mut attributes = HashMap::new();
    if resource.kind == ResourceKind::Agent {
        attributes.insert("organization".to_owned(), RestrictedExpression::new_entity_uid(owner.clone()));
    }
    if let Some(subject) = resource.owner {
        let subject = RestrictedExpression::new_entity_uid(words.subject(&subject));
        attributes.insert("owner".to_owned(), subject);
    }
    if let Some(asked) = resource.asked {
        let text = |text: &str| RestrictedExpression::new_string(text.to_owned());
        attributes.insert("role".to_owned(), text(asked.role.as_str()));
        attributes.insert("seconds".to_owned(), RestrictedExpression::new_long(asked.seconds.into()));
        attributes.insert("at".to_owned(), text(asked.at.as_str()));
    }
    let mut parents = HashSet::from([owner]);
    if let Some(agent) = resource.agent {
        parents.insert(words.thing(ResourceKind::Agent, &agent));
    }
    if let Some(project) = resource.project {
        parents.insert(words.thing(ResourceKind::Project, &project));
    }
    parents.extend(resource.groups.iter().map(|group| words.thing(ResourceKind::Group, group)));
    Ok(Entity::new(uid, attributes, parents)?)
}

fn circumstances(case: &Case<'_>, looks: Looks) -> Result<Context, Failure> {
    let (how, resource) = (&case.asker.circumstances, case.resource);
    let text = |text: &str| RestrictedExpression::new_string(text.to_owned());
    let roles = RestrictedExpression::new_set(case.roles().map(|role| text(role.as_str())));
    let mut pairs = vec![
        ("by".to_owned(), text(how.proof.name())),
        ("scope".to_owned(), text(how.proof.scope().as_str())),
        ("mfa".to_owned(), RestrictedExpression::new_bool(how.mfa)),
        ("elevated".to_owned(), RestrictedExpression::new_bool(!case.elevated.is_empty())),
        ("for_another".to_owned(), RestrictedExpression::new_bool(resource.for_another)),
        ("shared".to_owned(), RestrictedExpression::new_bool(resource.is_shared)),
        ("roles".to_owned(), roles),
    ];
    if let crate::Proof::Session { age_seconds, idle_seconds } = how.proof {
        for (name, seconds) in [("session_age_seconds", age_seconds), ("session_idle_seconds", idle_seconds)]
        {
            let seconds = i64::try_from(seconds).unwrap_or(i64::MAX);
            pairs.push((name.to_owned(), RestrictedExpression::new_long(seconds)));
        }
    }
    // Cedar parses what an address is called whenever one is made: a tenth of a decision.
    if let Some(address) = how.address.filter(|_| looks.at_address) {
        // Of a socket for both families, ::ffff:192.0.2.1 is 192.0.2.1: for rules, and for Cedar, which cannot read it.
        let address = address.to_canonical().to_string();
        pairs.push(("address".to_owned(), RestrictedExpression::new_ip(address)));
    }
    Ok(Context::from_pairs(pairs)?)
}

/// Whether a rule for those actions can apply to the one that has these names.
fn may_apply(constraint: &ActionConstraint, names: [&str; 3]) -> bool {
    let is_named = |uid: &EntityUid| {
        let id: &str = uid.id().as_ref();
        names.contains(&id)
    };
    match constraint {
        ActionConstraint::Any => true,
        ActionConstraint::Eq(uid) => is_named(uid),
        ActionConstraint::In(uids) => uids.iter().any(is_named),
    }
}

fn read(response: &Response) -> Decision {
    let mut rules: Vec<String> = response.diagnostics().reason().map(ToString::to_string).collect();
    rules.sort_unstable();
    let allowed = response.decision() == Answer::Allow;
    let is_forbidden = !allowed && !rules.is_empty();
    if is_forbidden {
        let of_platform = Reason::PLATFORM.into_iter().find(|reason| rules.contains(&reason.rule()));
        return Decision { allowed: false, rules, reason: of_platform.unwrap_or(Reason::Forbidden) };
    }
    let failed = response.diagnostics().errors().map(|error| match error {
        AuthorizationError::PolicyEvaluationError(error) => error.policy_id().to_string(),
    });
    let failed: Vec<String> = failed.collect();
    if !failed.is_empty() {
        return Decision::failed(failed);
    }
    let reason = if allowed { Reason::Permitted } else { Reason::NotPermitted };
    Decision { allowed, rules, reason }
}
