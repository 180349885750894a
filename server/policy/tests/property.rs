//! Whatever an organisation's rules say, the platform's hold.

use std::net::IpAddr;

use berth_policy::{
    Asked, Asker, At, Circumstances, Elevation, Place, Policies, Proof, Reason, Resource, Rules, Who,
};
use berth_schema::access::{Role, SubjectKind, TokenScope};
use berth_schema::{Action, AgentId, Effect, ElevationId, GroupId, OrganizationId, ProjectId, ResourceKind};
use jiff::Timestamp;
use proptest::prelude::*;
use uuid::Uuid;

use crate::asked::{me, organization, policies, somebody};

/// Rules that say anything: permits of everything among them.
fn rules() -> impl Strategy<Value = String> {
    let effect = prop_oneof!["permit", "forbid"];
    let groups = Place::ALL.into_iter().filter(|place| place.is_the_organizations());
    let groups: Vec<_> = groups.map(|place| format!("action in Action::\"{}\"", place.group())).collect();
    let actions = Action::ALL.iter().filter(|action| Place::of(**action).is_the_organizations());
    let actions: Vec<_> = actions.map(|action| format!("action == Action::\"{action}\"")).collect();
    let action = prop_oneof![
        3 => Just("action".to_owned()),
        2 => prop::sample::select(groups),
        1 => prop::sample::select(actions),
    ];
    let principal = prop_oneof![
        Just("principal".to_owned()),
        Just("principal is Subject".to_owned()),
        Just(format!("principal == Subject::\"{}\"", me())),
    ];
    let condition = prop_oneof![
        3 => Just(String::new()),
        1 => Just("when { principal.suspended }".to_owned()),
        1 => Just("when { context.scope == \"read-only\" }".to_owned()),
        1 => Just("unless { principal.role == \"owner\" }".to_owned()),
        1 => Just("unless { context has address }".to_owned()),
        1 => Just("when { context.roles.contains(\"maintainer\") || context.shared }".to_owned()),
        1 => Just("when { context.mfa != context.elevated }".to_owned()),
        1 => Just("unless { resource in principal.organization && context.by == \"session\" }".to_owned()),
        1 => Just("when { context has session_age_seconds && context.session_age_seconds * 9223372036854775807 > 1 }".to_owned()),
    ];
    let rule = (effect, principal, action, condition);
    prop::collection::vec(rule, 1..6).prop_map(|rules| {
        let text = rules.into_iter().enumerate().map(|(number, (effect, principal, action, condition))| {
            format!("@id(\"r{number}\")\n{effect} ({principal}, {action}, resource) {condition};\n")
        });
        text.collect()
    })
}

/// What needs whoever asks to have proven lately who they are.
const DEMANDS: [Action; 4] = [
    Action::RequestElevation,
    Action::RequestElevationInGroup,
    Action::RequestElevationInProject,
    Action::ApproveElevation,
];

/// What is open to a workspace's own creator.
const LETS_IN: [Action; 7] = [
    Action::OpenConnection,
    Action::OpenConnectionByKey,
    Action::IssueConnectionToken,
    Action::SharePort,
    Action::PublishPort,
    Action::OpenPort,
    Action::ReadLogs,
];

fn is_recent(proof: Proof) -> bool {
    matches!(proof, Proof::Session { age_seconds, .. } if age_seconds <= 600)
}

fn elevations() -> impl Strategy<Value = Vec<Elevation>> {
    let role = prop::sample::select([&Role::ALL[..], &[Role::Unknown]].concat());
    let at = prop_oneof![
        Just(At::Organization),
        Just(At::Group(GroupId::from_uuid(Uuid::from_u128(4)))),
        Just(At::Project(ProjectId::from_uuid(Uuid::from_u128(4)))),
    ];
    let one = (role, at).prop_map(|(role, at)| Elevation {
        id: ElevationId::from_uuid(Uuid::from_u128(7)),
        role,
        at,
        ends_at: Timestamp::UNIX_EPOCH,
    });
    prop::collection::vec(one, 0..3)
}

fn askers() -> impl Strategy<Value = Asker> {
    let role = prop::sample::select([&Role::ALL[..], &[Role::Unknown]].concat());
    let kind = prop_oneof![Just(SubjectKind::User), Just(SubjectKind::Service)];
    let subject = (role, kind, any::<bool>()).prop_map(|(role, kind, suspended)| Who::Subject {
        id: me(),
        kind,
        role,
        suspended,
    });
    let agent = (4..6_u128).prop_map(|id| Who::Agent(AgentId::from_uuid(Uuid::from_u128(id))));
    let proof = prop_oneof![
        Just(Proof::Token(TokenScope::Full)),
        Just(Proof::Token(TokenScope::ReadOnly)),
        Just(Proof::Token(TokenScope::Unknown)),
        prop_oneof![0..1_000_u64, any::<u64>()]
            .prop_map(|age_seconds| Proof::Session { age_seconds, idle_seconds: age_seconds / 2 }),
    ];
    let circumstances = (proof, any::<bool>(), any::<Option<IpAddr>>())
        .prop_map(|(proof, mfa, address)| Circumstances { proof, mfa, address });
    (prop_oneof![3 => subject, 1 => agent], circumstances, elevations()).prop_map(
        |(who, circumstances, elevations)| Asker {
            who,
            organization: organization(),
            circumstances,
            elevations,
        },
    )
}

fn resources(action: Action) -> impl Strategy<Value = Resource> {
    let foreign = OrganizationId::from_uuid(Uuid::from_u128(9));
    let flags = (any::<bool>(), any::<bool>(), any::<bool>());
    (prop_oneof![4 => Just(organization()), 1 => Just(foreign)], flags).prop_map(
        move |(home, (mine, for_another, is_shared))| {
            let kind = action.resource();
            let id = match kind {
                ResourceKind::Organization => home.to_string(),
                _ => Uuid::from_u128(4).to_string(),
            };
            let owner = if mine { me() } else { somebody() };
            let thing = Resource { for_another, is_shared, ..Resource::new(kind, id, home) };
            if kind == ResourceKind::Elevation {
                let asked = Asked { role: Role::Owner, seconds: 60, at: At::Organization };
                return thing.owned_by(owner).asking(asked);
            }
            let is_owned = matches!(kind, ResourceKind::Token | ResourceKind::Workspace);
            if is_owned { thing.owned_by(owner) } else { thing }
        },
    )
}

fn questions() -> impl Strategy<Value = (Asker, Action, Resource)> {
    (askers(), prop::sample::select(Action::ALL))
        .prop_flat_map(|(asker, action)| (Just(asker), Just(action), resources(action)))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_rule_of_an_organisation_lifts_one_of_the_platform(
        text in rules(),
        questions in prop::collection::vec(questions(), 1..20),
    ) {
        let policies = policies(&text);
        for (asker, action, resource) in questions {
            let decision = policies.decide(&asker, action, &resource);
            let place = Place::of(action);
            if resource.organization != asker.organization {
                prop_assert!(!decision.allowed);
                continue;
            }
            match asker.who {
                Who::Agent(agent) => {
                    let itself = resource.kind == ResourceKind::Agent && resource.id == agent.to_string();
                    prop_assert_eq!(decision.allowed, place.is_for_agents() && itself);
                    prop_assert_eq!(decision.reason == Reason::IsAgent, !place.is_for_agents());
                }
                Who::Subject { role, suspended, .. } => {
                    let reads = action.effect() == Effect::Reads;
                    let scope = match asker.circumstances.proof {
                        Proof::Token(scope) => scope,
                        Proof::Session { .. } => TokenScope::Full,
                    };
                    let shut = suspended
                        || role == Role::Unknown
                        || place.is_for_agents()
                        || !scope.allows(reads)
                        || (action == Action::ApproveElevation && resource.owner == Some(me()))
                        || (LETS_IN.contains(&action)
                            && resource.owner != Some(me())
                            && !(action == Action::OpenConnection && resource.is_shared))
                        || (DEMANDS.contains(&action) && !is_recent(asker.circumstances.proof));
                    prop_assert!(!(shut && decision.allowed));
                    if shut {
                        prop_assert!(decision.rules.iter().any(|rule| rule.starts_with("platform.")));
                        prop_assert!(!matches!(decision.reason, Reason::Failed | Reason::Forbidden));
                    } else if place == Place::Oneself {
                        prop_assert!(decision.allowed);
                    }
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 30, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_was_asked_before_changes_no_answer(
        text in rules(),
        questions in prop::collection::vec(questions(), 20..40),
        last in 0..20_usize,
    ) {
        let rules = Rules::check(&text).expect("right");
        let (asked, fresh) = (Policies::new(&rules).expect("policies"), Policies::new(&rules).expect("policies"));
        for (asker, action, resource) in &questions {
            asked.decide(asker, *action, resource);
        }
        let (asker, action, resource) = &questions[last];
        prop_assert_eq!(asked.decide(asker, *action, resource), fresh.decide(asker, *action, resource));
    }
}
