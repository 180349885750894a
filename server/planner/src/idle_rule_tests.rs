use proptest::prelude::*;

use super::*;
use IdleAfter::Minutes;

fn agent(minutes: Option<u32>) -> Said {
    Said::of_agent("berlin".parse().expect("a name"), minutes)
}

fn says(by: IdleBy, stop_after: Option<IdleAfter>, max_minutes: Option<u32>) -> Said {
    Said { by, rule: IdleRule { stop_after, max_minutes } }
}

const NEVER: Option<IdleAfter> = Some(IdleAfter::Never);

fn group(path: &str) -> IdleBy {
    IdleBy::Group(path.parse().expect("a path"))
}

fn project() -> IdleBy {
    IdleBy::Project("platform/web".parse().expect("a path"))
}

fn words(chain: &[Said]) -> String {
    in_force(chain).map_or_else(|| "nothing".to_owned(), |rule| rule.to_string())
}

#[test]
fn where_nobody_says_anything_nothing_holds() {
    assert_eq!(in_force(&[]), None);
    assert_eq!(in_force(&[agent(None), says(IdleBy::Organization, None, None)]), None);
}

#[test]
fn the_nearest_says_how_long_and_is_named() {
    let mut chain = vec![agent(None)];
    let nearer = [
        (IdleBy::Organization, Some(Minutes(60)), "60 minutes, by the organization"),
        (group("platform"), Some(Minutes(120)), "120 minutes, by group 'platform'"),
        (group("platform/payments"), None, "120 minutes, by group 'platform'"),
        (project(), Some(Minutes(30)), "30 minutes, by project 'platform/web'"),
        (IdleBy::Workspace, NEVER, "never, by the workspace's own rule"),
    ];
    for (by, stop_after, expected) in nearer {
        chain.push(says(by, stop_after, None));
        assert_eq!(words(&chain), expected);
    }
}

#[test]
fn no_project_and_no_workspace_lifts_what_an_agent_or_the_organisation_sets_as_the_most() {
    for wish in [Some(Minutes(600)), NEVER] {
        let workspace = || says(IdleBy::Workspace, wish, None);
        let by_agent =
            in_force(&[agent(Some(30)), says(project(), wish, None), workspace()]).expect("a rule");
        assert_eq!(by_agent.said.stop_after, Minutes(30));
        assert_eq!(by_agent.said.by, IdleBy::Agent("berlin".parse().expect("a name")));
        assert_eq!(by_agent.in_place_of.expect("it is told").by, IdleBy::Workspace);
        let organization = says(IdleBy::Organization, Some(Minutes(60)), Some(480));
        let rule = in_force(&[agent(None), organization, workspace()]).expect("a rule");
        assert_eq!((rule.said.stop_after, rule.said.by), (Minutes(480), IdleBy::Organization));
    }
    let longer = [agent(Some(30)), says(project(), Some(Minutes(480)), None)];
    assert_eq!(
        words(&longer),
        "30 minutes, by agent 'berlin', which is the most; project 'platform/web' would be 480 minutes"
    );
}

#[test]
fn the_strictest_of_several_maxima_holds_whoever_is_nearer() {
    let chain = |organization, project_most| {
        [
            says(IdleBy::Organization, None, Some(organization)),
            says(project(), None, Some(project_most)),
            says(IdleBy::Workspace, NEVER, None),
        ]
    };
    assert!(words(&chain(120, 240)).starts_with("120 minutes, by the organization"));
    assert!(words(&chain(240, 120)).starts_with("120 minutes, by project"));
    assert!(
        words(&chain(120, 120)).starts_with("120 minutes, by the organization"),
        "of two alike the outer one"
    );
}

#[test]
fn within_the_maximum_what_is_wished_for_holds() {
    let chain = [
        agent(Some(240)),
        says(IdleBy::Organization, Some(Minutes(60)), Some(480)),
        says(IdleBy::Workspace, Some(Minutes(90)), None),
    ];
    assert_eq!(words(&chain), "90 minutes, by the workspace's own rule");
    assert_eq!(words(&chain[..2]), "60 minutes, by the organization");
    assert_eq!(words(&chain[..1]), "240 minutes, by agent 'berlin'");
}

#[test]
fn a_maximum_alone_is_a_rule() {
    assert_eq!(words(&[says(group("platform"), None, Some(90))]), "90 minutes, by group 'platform'");
}

#[test]
fn whoever_wants_more_than_those_around_allow_is_told_who_and_how_much() {
    let around =
        [agent(None), says(IdleBy::Organization, None, Some(120)), says(group("platform"), None, Some(60))];
    let told = |stop_after, max_minutes| {
        let errors = objections(&around, &IdleRule { stop_after, max_minutes });
        errors.into_iter().map(|error| (error.field, error.message)).collect::<Vec<_>>()
    };
    let message = "must be at most 60 minutes: group 'platform' sets that maximum".to_owned();
    assert_eq!(told(NEVER, None), [(MINUTES.to_owned(), message.clone())]);
    assert_eq!(told(Some(Minutes(61)), Some(61)).len(), 2);
    assert_eq!(told(None, Some(61)), [(MAX_MINUTES.to_owned(), message)]);
    assert!(told(Some(Minutes(60)), Some(60)).is_empty());
    assert!(objections(&[agent(None)], &IdleRule { stop_after: NEVER, max_minutes: None }).is_empty());
}

fn any_after() -> impl Strategy<Value = Option<IdleAfter>> {
    prop_oneof![Just(None), Just(NEVER), (15_u32..=43_200).prop_map(|minutes| Some(Minutes(minutes)))]
}

fn any_said() -> impl Strategy<Value = Said> {
    let by = prop_oneof![
        Just(IdleBy::Organization),
        Just(group("platform")),
        Just(project()),
        Just(IdleBy::Workspace)
    ];
    (by, any_after(), prop::option::of(15_u32..=43_200)).prop_map(|(by, after, most)| says(by, after, most))
}

proptest! {
    #[test]
    fn what_holds_is_said_by_somebody_and_never_longer_than_any_maximum(
        figure in prop::option::of(15_u32..=43_200), mut chain in prop::collection::vec(any_said(), 0..8),
    ) {
        chain.insert(0, agent(figure));
        let silent = chain.iter().all(|said| said.rule.is_empty());
        let Some(rule) = in_force(&chain) else { prop_assert!(silent); return Ok(()) };
        prop_assert!(!silent);
        for most in chain.iter().filter_map(|said| said.rule.max_minutes) {
            prop_assert!(rule.said.stop_after <= Minutes(most));
        }
        let is_theirs = |said: &Said| said.by == rule.said.by
            && (said.rule.stop_after == Some(rule.said.stop_after) || said.rule.max_minutes.map(Minutes) == Some(rule.said.stop_after));
        prop_assert!(chain.iter().any(is_theirs), "{rule:?}");
    }

    #[test]
    fn whatever_is_added_nearer_a_maximum_once_set_is_never_exceeded(
        outer in prop::collection::vec(any_said(), 1..5), nearer in prop::collection::vec(any_said(), 0..5),
    ) {
        let most = outer.iter().filter_map(|said| said.rule.max_minutes).min();
        let all: Vec<_> = outer.into_iter().chain(nearer).collect();
        if let Some(most) = most {
            prop_assert!(in_force(&all).expect("a rule").said.stop_after <= Minutes(most));
        }
    }

    #[test]
    fn what_nobody_objects_to_is_what_holds(around in prop::collection::vec(any_said(), 0..5), stop_after in any_after()) {
        let rule = IdleRule { stop_after, max_minutes: None };
        let accepted = objections(&around, &rule).is_empty();
        let mut chain = around;
        chain.push(Said { by: IdleBy::Workspace, rule });
        if let Some(wish) = stop_after {
            let holds = in_force(&chain).expect("a rule");
            prop_assert_eq!(accepted, holds.said.stop_after == wish);
            prop_assert_eq!(accepted, holds.in_place_of.is_none());
        }
    }
}
