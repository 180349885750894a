use berth_schema::activity::IdleStop;
use berth_schema::api::StateReason;
use berth_schema::idle::{IdleAfter, IdleBy, IdleInForce, IdleSaid};
use berth_schema::lifecycle::{Deadline, LifecycleAction, LifecycleRule};
use berth_schema::reconcile::PodProblem;
use berth_schema::why::{Actor, Situation, Why};
use berth_schema::{
    ActualState, AgentId, AgentName, DesiredState, Generation, NamespaceName, OrganizationId, WorkspaceId,
    WorkspaceName, WorkspaceSpec,
};
use jiff::Timestamp;

#[path = "why_pods_tests.rs"]
mod pods_tests;

use super::{AgentContact, Circumstances, Idled, standing_cause, why};
use crate::admission::Refusal;
use crate::config::AgentConfig;
use crate::model::{Cause, Snapshot, Workspace};

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + seconds).expect("a time")
}

/// The agent and the workspace were made at second -1000, the states changed at second 10, the newest generation was asked for at second 20, the agent spoke at second 95 and
/// now is second 100.
struct Case {
    workspace: Workspace,
    agent: AgentContact,
    created_at: Timestamp,
    deadline: Option<Deadline>,
    idle_stop: Option<(IdleStop, IdleInForce)>,
    idled: Option<Idled>,
    vanished: Option<(Timestamp, StateReason)>,
    refusal: Option<Refusal>,
    now: Timestamp,
}

fn case(desired: DesiredState, actual: ActualState, generation: i64, applied: i64) -> Case {
    let name = WorkspaceName::new("reef").expect("a name");
    Case {
        workspace: Workspace {
            id: WorkspaceId::random(),
            namespace: NamespaceName::new("berth-reef-0").expect("a name"),
            name,
            desired_state: desired,
            actual_state: actual,
            reason: None,
            generation: Generation::of(generation),
            applied_generation: Generation::of(applied),
            variables_generation: Generation::default(),
            deployment_resource_version: None,
            reported: None,
            spec: WorkspaceSpec::from_image("debian:13"),
            unreadable: false,
        },
        agent: AgentContact {
            name: AgentName::new("berlin").expect("a name"),
            created_at: at(-1_000),
            revoked_at: None,
            last_contact_at: Some(at(95)),
            ever_spoke: true,
            listening_since: at(0),
        },
        created_at: at(-1_000),
        deadline: None,
        idle_stop: None,
        idled: None,
        vanished: None,
        refusal: None,
        now: at(100),
    }
}

impl Case {
    fn because(mut self, reason: &str) -> Self {
        self.workspace.reason = Some(StateReason { reason: reason.into(), message: "its words".into() });
        self
    }

    fn cause(&self) -> Option<Cause> {
        let (organization, agent) = (OrganizationId::random(), AgentId::random());
        let workspaces = vec![self.workspace.clone()];
        let snapshot = Snapshot::new(organization, agent, AgentConfig::default(), workspaces);
        standing_cause(&snapshot, self.now)
    }

    fn why(&self) -> Why {
        let circumstances = Circumstances {
            workspace: &self.workspace,
            cause: self.cause(),
            asked_at: at(20),
            created_at: self.created_at,
            actual_state_changed_at: at(10),
            agent: &self.agent,
            deadline: self.deadline,
            idle_stop: self.idle_stop.clone(),
            idled: self.idled.clone(),
            vanished: self.vanished.clone(),
            git_problems: vec![],
            refusal: self.refusal,
            project: Some("platform/api".parse().expect("a path")),
        };
        why(&circumstances, self.now)
    }

    /// Checks the situation, who acts next, since when it is so and until when that will have been done.
    #[track_caller]
    fn is(&self, situation: Situation, actor: Actor, since: i64, by: Option<i64>) -> Why {
        let answer = self.why();
        assert_eq!(answer.situation, situation, "{answer:?}");
        let next = answer.next.as_ref().expect("somebody acts next");
        assert_eq!((next.actor, answer.since, next.by), (actor, at(since), by.map(at)), "{answer:?}");
        answer
    }
}

#[path = "why_admission_tests.rs"]
mod admission;
#[path = "why_cluster_tests.rs"]
mod cluster;

use ActualState as A;
use DesiredState as D;

/// When the agent's silence would be noticed.
const HEARD_BY: Option<i64> = Some(95 + 120);
/// When Kubernetes gives up.
const DEADLINE: Option<i64> = Some(10 + 600);

#[test]
fn what_runs_as_wanted_needs_nobody() {
    let answer = case(D::Running, A::Running, 3, 3).is(Situation::Running, Actor::User, 10, None);
    assert_eq!(answer.cause, "It runs, as wanted.");
}

#[test]
fn what_a_lifecycle_rule_will_do_is_told_with_the_time_and_the_way_to_put_it_off() {
    let deadline = |action, rule, extendable_hours| {
        Some(Deadline { action, rule, at: at(5_000), extended_hours: 0, extendable_hours })
    };
    let mut running = case(D::Running, A::Running, 3, 3);
    running.deadline = deadline(LifecycleAction::Stop, LifecycleRule::MaxActiveHoursBeforeStop, 7);
    let next = running.is(Situation::Running, Actor::Server, 10, Some(5_000)).next.expect("a step");
    assert!(next.action.contains("max_active_hours_before_stop stops it"), "{}", next.action);
    assert!(next.action.contains("`berth extend reef --hours N` grants up to 7 more."), "{}", next.action);
    let mut stopped = case(D::Stopped, A::Stopped, 3, 3);
    stopped.deadline = deadline(LifecycleAction::Terminate, LifecycleRule::MaxAgeHours, 0);
    let next = stopped.is(Situation::Stopped, Actor::Server, 10, Some(5_000)).next.expect("a step");
    assert!(next.action.contains("max_age_hours deletes it with its volume"), "{}", next.action);
    assert!(next.action.ends_with("No more hours are granted."), "{}", next.action);
}

#[test]
fn what_is_stopped_where_nothing_happens_is_told_before_and_afterwards() {
    let mut running = case(D::Running, A::Running, 3, 3);
    let (action, rule) = (LifecycleAction::Stop, LifecycleRule::MaxActiveHoursBeforeStop);
    running.deadline = Some(Deadline { action, rule, at: at(5_000), extended_hours: 0, extendable_hours: 7 });
    let said =
        IdleSaid { stop_after: IdleAfter::Minutes(30), by: IdleBy::Project("web".parse().expect("a path")) };
    let rule = IdleInForce { said, in_place_of: None, max: None };
    let idle = |at| Some((IdleStop { minutes: 30, at }, rule.clone()));
    running.idle_stop = idle(Some(at(1_900)));
    let next = running.is(Situation::Running, Actor::Server, 10, Some(1_900)).next.expect("a step");
    assert!(
        next.action.contains("if nothing happens in it")
            && next.action.contains("(30 minutes, by project 'web')"),
        "{}",
        next.action
    );
    assert!(next.action.contains("`berth extend reef --hours N` grants up to 7 more."), "{}", next.action);
    // The limit comes first.
    running.idle_stop = idle(Some(at(5_001)));
    let next = running.is(Situation::Running, Actor::Server, 10, Some(5_000)).next.expect("a step");
    assert!(next.action.contains("max_active_hours_before_stop stops it"), "{}", next.action);
    // Nobody knows what happens.
    running.idle_stop = idle(None);
    let next = running.is(Situation::Running, Actor::Server, 10, Some(5_000)).next.expect("a step");
    assert!(next.action.ends_with("as long as no proxy tells what happens in it."), "{}", next.action);

    let mut stopped = case(D::Stopped, A::Stopped, 3, 3);
    stopped.idled = Some(Idled { minutes: 30, by: Some(IdleBy::Organization) });
    let answer = stopped.is(Situation::Stopped, Actor::User, 10, None);
    assert!(
        answer.cause.contains("because nothing happened in it for 30 minutes, as the organization says;"),
        "{}",
        answer.cause
    );
    assert!(answer.cause.contains("`berth start reef` starts it again"), "{}", answer.cause);
}

#[test]
fn what_is_stopped_as_wanted_needs_nobody() {
    case(D::Stopped, A::Stopped, 3, 3).is(Situation::Stopped, Actor::User, 10, None);
}

#[test]
fn what_is_gone_has_no_next_step() {
    let answer = case(D::Terminated, A::Terminated, 3, 3).why();
    assert_eq!((answer.situation, answer.next), (Situation::Gone, None));
}

#[test]
fn a_new_workspace_waits_for_its_agent() {
    let answer = case(D::Running, A::CreationRequested, 1, 0);
    answer.is(Situation::CreationRequested, Actor::Agent, 20, HEARD_BY);
}

#[test]
fn a_change_that_is_not_proven_waits_for_the_agent() {
    for actual in [A::Running, A::Stopped, A::Failed, A::Starting, A::Unknown] {
        let answer =
            case(D::Running, actual, 4, 3).is(Situation::ChangeRequested, Actor::Agent, 20, HEARD_BY);
        assert!(
            answer.cause.contains("generation 4") && answer.cause.contains("proven: 3"),
            "{}",
            answer.cause
        );
    }
}

#[test]
fn a_restart_that_has_not_begun_waits_for_the_agent() {
    case(D::RestartRequested, A::Running, 4, 3).is(Situation::RestartRequested, Actor::Agent, 20, HEARD_BY);
}

#[test]
fn a_restart_half_way_waits_for_the_old_pod() {
    let mut restarting = case(D::RestartRequested, A::Stopping, 4, 4);
    restarting.now = at(22);
    restarting.agent.last_contact_at = Some(at(22));
    restarting.is(Situation::RestartStopping, Actor::Kubelet, 20, Some(30));
}

#[test]
fn a_termination_that_has_not_begun_waits_for_the_agent() {
    for actual in [A::Running, A::CreationRequested, A::Failed, A::Unknown] {
        let asked = case(D::Terminated, actual, 4, 3);
        asked.is(Situation::TerminationRequested, Actor::Agent, 20, HEARD_BY);
    }
}

#[test]
fn a_termination_under_way_waits_for_kubernetes() {
    case(D::Terminated, A::Terminating, 4, 3).is(Situation::Terminating, Actor::Kubernetes, 10, None);
}

#[test]
fn of_a_namespace_that_others_share_it_is_not_said_that_it_goes() {
    for namespace in ["berth-shared", "berth-shared-red"] {
        for (desired, actual, applied) in
            [(D::Terminated, A::Running, 3), (D::Terminated, A::Terminating, 3), (D::Running, A::Unknown, 0)]
        {
            let mut case = case(desired, actual, 4, applied).because("NoDeployment");
            let words = |case: &Case| {
                let why = case.why();
                format!("{} {}", why.cause, why.next.expect("somebody acts next").action)
            };
            assert!(words(&case).contains("namespace"), "{}", words(&case));
            case.workspace.namespace = NamespaceName::new(namespace).expect("a name");
            let words = words(&case);
            for wrong in ["deletes the namespace", "removes the namespace", "Its namespace", "its namespace"]
            {
                assert!(!words.contains(wrong), "{words}");
            }
        }
    }
}

#[test]
fn what_somebody_deleted_in_the_cluster_is_made_again_by_the_agent() {
    for reason in ["NotInCluster", "NoDeployment"] {
        let missing = case(D::Running, A::Unknown, 3, 0).because(reason);
        missing.is(Situation::MissingInCluster, Actor::Agent, 10, HEARD_BY);
    }
}

#[test]
fn what_was_made_again_is_said_to_have_begun_empty() {
    let lost = || Some((at(-600), crate::remade("somebody deleted its namespace")));
    for (desired, actual, reason) in [
        (D::Running, A::Running, None),
        (D::Running, A::Starting, Some("ContainerCreating")),
        (D::Stopped, A::Stopped, None),
        (D::Running, A::Failed, Some("CrashLoopBackOff")),
    ] {
        let mut again = case(desired, actual, 3, 3);
        again.workspace.reason =
            reason.map(|word| StateReason { reason: word.into(), message: "its words".into() });
        again.vanished = lost();
        let cause = again.why().cause;
        let told = " At 2027-01-15T07:50:00Z it was gone (somebody deleted its namespace), and was made again with empty volumes.";
        assert!(cause.ends_with(told), "{cause}");
    }
    let mut gone = case(D::Running, A::Unknown, 3, 0);
    gone.workspace.reason = Some(crate::remade("somebody deleted its namespace"));
    gone.vanished = lost();
    let answer = gone.is(Situation::MissingInCluster, Actor::Agent, 10, HEARD_BY);
    assert_eq!(
        answer.cause,
        "It is not in the cluster, although it should be: somebody deleted its namespace."
    );
}

#[test]
fn a_volume_that_goes_with_the_pod_is_told_while_it_runs() {
    let leaving = case(D::Running, A::Running, 3, 3).because("VolumeLeaving");
    let answer = leaving.is(Situation::Running, Actor::User, 10, None);
    assert_eq!(answer.cause, "It runs, as wanted. But its words.");
}

#[test]
fn what_somebody_scaled_by_hand_is_set_right_by_the_agent() {
    case(D::Running, A::Stopped, 3, 0).is(Situation::ScaledByHand, Actor::Agent, 10, HEARD_BY);
    case(D::Stopped, A::Running, 3, 0).is(Situation::ScaledByHand, Actor::Agent, 10, HEARD_BY);
}

#[test]
fn what_the_agents_policy_refuses_needs_an_administrator() {
    let refused = case(D::Running, A::Error, 3, 0).because("ApplyRefused");
    refused.is(Situation::AgentRefuses, Actor::Administrator, 10, None);
}

#[test]
fn what_the_api_server_refuses_is_tried_again_within_a_minute() {
    let refused = case(D::Running, A::Error, 3, 2).because("KubernetesRefused");
    let answer = refused.is(Situation::KubernetesRefuses, Actor::Agent, 10, Some(160));
    assert_eq!(answer.reason.expect("a reason").message, "its words");
    // An error on the way out is told as well.
    let stuck = case(D::Terminated, A::Error, 3, 2).because("KubernetesRefused");
    stuck.is(Situation::KubernetesRefuses, Actor::Agent, 10, Some(160));
}

#[test]
fn variables_that_do_not_open_need_an_administrator() {
    let unreadable = case(D::Running, A::Error, 3, 0).because("VariablesUnreadable");
    unreadable.is(Situation::VariablesUnreadable, Actor::Administrator, 10, None);
    let keyless = case(D::Running, A::Error, 3, 0).because("AgentHasNoKey");
    keyless.is(Situation::AgentHasNoKey, Actor::Administrator, 10, None);
    let unconfigured = case(D::Running, A::Error, 3, 0).because("ConfigurationUnreadable");
    unconfigured.is(Situation::ConfigurationUnreadable, Actor::Administrator, 10, None);
}

#[test]
fn a_suspected_loss_needs_an_administrator_unless_it_is_to_be_gone_anyway() {
    let lost = case(D::Running, A::Unknown, 3, 3).because("LossSuspected");
    lost.is(Situation::LossSuspected, Actor::Administrator, 10, None);
    let unwanted = case(D::Terminated, A::Unknown, 3, 2).because("LossSuspected");
    unwanted.is(Situation::TerminationRequested, Actor::Agent, 20, HEARD_BY);
}

#[test]
fn what_stops_waits_for_its_pod_to_end() {
    let mut stopping = case(D::Stopped, A::Stopping, 3, 3);
    stopping.now = at(25);
    stopping.agent.last_contact_at = Some(at(25));
    stopping.is(Situation::Stopping, Actor::Kubelet, 20, Some(30));
}

#[test]
fn an_answer_that_fits_no_state_waits_for_the_next_report() {
    case(D::Running, A::Unknown, 3, 3).is(Situation::Unclear, Actor::Agent, 10, HEARD_BY);
}

#[test]
fn a_silent_agent_needs_an_administrator_whatever_the_state_was() {
    for (desired, actual) in
        [(D::Running, A::Running), (D::Running, A::CreationRequested), (D::Terminated, A::Error)]
    {
        let mut silent = case(desired, actual, 3, 3);
        silent.agent.last_contact_at = Some(at(-20));
        let answer = silent.is(Situation::AgentSilent, Actor::Administrator, -20, None);
        assert!(answer.cause.contains("has fallen silent"), "{}", answer.cause);
    }
}

#[test]
fn an_agent_that_a_new_server_has_not_heard_of_gets_two_minutes() {
    let mut unheard = case(D::Running, A::CreationRequested, 1, 0);
    unheard.agent.last_contact_at = None;
    unheard.is(Situation::CreationRequested, Actor::Agent, 20, Some(120));
    unheard.now = at(120);
    let answer = unheard.is(Situation::AgentSilent, Actor::Administrator, 0, None);
    assert!(answer.cause.contains("has not spoken to this server"), "{}", answer.cause);
}

#[test]
fn an_agent_that_was_never_installed_is_told_as_that() {
    let mut unheard = case(D::Running, A::CreationRequested, 1, 0);
    (unheard.agent.last_contact_at, unheard.agent.ever_spoke) = (None, false);
    unheard.now = at(800);
    unheard.created_at = at(790);
    let answer = unheard.is(Situation::AgentSilent, Actor::Administrator, 790, None);
    assert!(answer.agent.never_connected && answer.cause.contains("has never connected"), "{answer:?}");
    let next = answer.next.expect("a step").action;
    assert!(next.contains("Install agent 'berlin'"), "{next}");
    // It gets its two minutes from when it was made, not from when the server was started.
    unheard.agent.created_at = at(700);
    let answer = unheard.is(Situation::CreationRequested, Actor::Agent, 790, Some(820));
    assert!(answer.agent.never_connected, "{answer:?}");
}

#[test]
fn what_is_told_of_a_workspace_is_never_older_than_itself() {
    for (revoked_at, last_contact_at) in [(Some(at(-500)), None), (None, Some(at(-500))), (None, None)] {
        let mut young = case(D::Running, A::CreationRequested, 1, 0);
        (young.agent.revoked_at, young.agent.last_contact_at) = (revoked_at, last_contact_at);
        young.now = at(800);
        young.created_at = at(798);
        assert_eq!(young.why().since, at(798));
    }
}

#[test]
fn a_command_that_is_named_works_when_it_is_typed() {
    for reason in
        ["CrashLoopBackOff", "RunContainerError", "ImagePullBackOff", "ProgressDeadlineExceeded", "Odd"]
    {
        let next = case(D::Running, A::Failed, 3, 3).because(reason).why().next.expect("a step").action;
        let (_, named) = next.split_once("`berth rebuild reef").expect("a command");
        assert!(named.starts_with(" --image IMAGE`"), "{next}");
    }
}

#[test]
fn a_revoked_agent_needs_an_administrator_and_its_silence_is_no_news() {
    let mut revoked = case(D::Stopped, A::Running, 3, 2);
    revoked.agent.revoked_at = Some(at(50));
    revoked.agent.last_contact_at = Some(at(-500));
    revoked.is(Situation::AgentRevoked, Actor::Administrator, 50, None);
}

#[test]
fn a_problem_that_needs_a_person_is_never_just_a_failure() {
    for reason in [
        "ErrImagePull",
        "ImagePullBackOff",
        "InvalidImageName",
        "ErrImageNeverPull",
        "ImageInspectError",
        "RegistryUnavailable",
        "SignatureValidationFailed",
        "CrashLoopBackOff",
        "CreateContainerConfigError",
        "CreateContainerError",
        "RunContainerError",
        "VolumeNotFound",
    ] {
        let problem = PodProblem { container: None, reason: reason.into(), message: "".into(), since: None };
        assert!(problem.needs_a_person());
        let situation = case(D::Running, A::Failed, 3, 3).because(reason).why().situation;
        assert_ne!(situation, Situation::Failed, "{reason}");
    }
}

#[test]
fn every_row_that_is_not_final_says_who_acts_next() {
    let reasons = [None, Some("KubernetesRefused"), Some("ImagePullBackOff"), Some("Odd\u{1b}[31m")];
    for desired in D::ALL {
        for actual in A::ALL {
            for applied in [0, 2, 3, 4] {
                for reason in reasons {
                    for silent in [false, true] {
                        let mut case = case(*desired, *actual, 3, applied);
                        if let Some(reason) = reason {
                            case = case.because(reason);
                        }
                        if silent {
                            case.agent.last_contact_at = Some(at(-500));
                        }
                        let answer = case.why();
                        let text = format!("{desired} {actual} {applied} {reason:?} {silent}: {answer:?}");
                        assert!(answer.cause.ends_with('.'), "{text}");
                        let finished = (*desired, *actual) == (D::Terminated, A::Terminated);
                        assert_eq!(answer.next.is_none(), finished, "{text}");
                        assert!(answer.next.iter().all(|next| next.action.ends_with('.')), "{text}");
                        assert!(answer.since <= case.now, "{text}");
                    }
                }
            }
        }
    }
}

#[test]
fn what_is_not_settled_is_never_called_as_wanted() {
    for desired in D::ALL {
        for actual in A::ALL {
            for applied in [0, 2, 3] {
                let case = case(*desired, *actual, 3, applied);
                let situation = case.why().situation;
                let settled = applied == 3 && desired.as_str() == actual.as_str();
                let called = matches!(situation, Situation::Running | Situation::Stopped);
                assert!(settled || !called, "{desired} {actual} {applied}: {situation:?}");
                // The planner has no order for what is called as wanted.
                assert!(!called || case.cause().is_none(), "{:?}", case.cause());
            }
        }
    }
}
