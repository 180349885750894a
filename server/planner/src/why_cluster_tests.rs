//! What happens in the cluster without anybody having asked for it: a node is lost, somebody changes what is applied.

use super::*;

impl Case {
    fn says(mut self, reason: &str, message: &str) -> Self {
        self.workspace.reason = Some(StateReason { reason: reason.into(), message: message.into() });
        self
    }
}

#[test]
fn a_lost_node_needs_an_administrator_whatever_is_wanted_of_the_workspace() {
    let words = "pod reef-x is on node n1, which does not answer. An administrator: kubectl delete node n1.";
    for (desired, actual, situation) in [
        (D::Running, A::Starting, Situation::PodWaits),
        (D::Running, A::Failed, Situation::Failed),
        (D::Stopped, A::Stopping, Situation::Stopping),
        (D::RestartRequested, A::Stopping, Situation::RestartStopping),
        (D::Terminated, A::Terminating, Situation::Terminating),
    ] {
        let answer = case(desired, actual, 3, 3).says(PodProblem::NODE_LOST, words).why();
        let next = answer.next.expect("somebody acts next");
        assert_eq!((answer.situation, next.actor), (situation, Actor::Administrator));
        assert_eq!((next.action.as_str(), next.by), (words, None), "what to do, and at which node");
        assert!(answer.cause.starts_with("The node that its pod is on does not answer"), "{}", answer.cause);
    }
}

#[test]
fn what_somebody_changed_by_hand_is_named_until_the_agent_has_put_it_right_and_afterwards() {
    let objects = "NetworkPolicy/reef was changed, Service/reef is gone";
    for (desired, actual) in [(D::Running, A::Running), (D::Stopped, A::Stopped), (D::Running, A::Starting)] {
        let changed = case(desired, actual, 3, 3).says("ChangedByHand", objects);
        let answer = changed.is(Situation::ScaledByHand, Actor::Agent, 10, HEARD_BY);
        assert!(answer.cause.contains(objects) && answer.cause.contains("'berlin'"), "{}", answer.cause);
    }
    for (desired, actual, situation) in
        [(D::Running, A::Running, Situation::Running), (D::Stopped, A::Stopped, Situation::Stopped)]
    {
        let answer = case(desired, actual, 3, 3).says("PutRight", objects).why();
        assert_eq!(answer.situation, situation);
        let told = format!("Somebody had changed it in the cluster, and it was put right: {objects}.");
        assert!(answer.cause.ends_with(&told), "{}", answer.cause);
    }
    let starts = case(D::Running, A::Starting, 3, 3).says("PutRight", objects).why();
    assert_eq!(starts.situation, Situation::Starting, "it is no problem of the pod's");
}
