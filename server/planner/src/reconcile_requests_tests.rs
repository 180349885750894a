//! What the server asks of an agent, and of which agent.

use berth_schema::TermId;
use berth_schema::reconcile::PodProblem;

use super::tests::*;
use super::*;

/// An administrator wants a full report.
fn wanted(request: &ReconcileRequest) -> Plan {
    let wanted = Snapshot { full_wanted: true, ..snapshot(vec![]) };
    reconcile(&wanted, request, Timestamp::UNIX_EPOCH)
}

#[test]
fn a_full_report_that_is_wanted_is_news_for_agents_that_understand_it_alone() {
    let old = request(UpdateType::Partial, vec![]);
    let plan = wanted(&old);
    assert!(plan.full_reconcile_requested && !plan.has_news, "it would ask again at once");
    let plan = wanted(&ReconcileRequest { term: Some(TermId::random()), ..old });
    assert!(plan.full_reconcile_requested && plan.has_news);
}

#[test]
fn between_the_pages_of_a_full_report_no_other_is_asked_for() {
    let mut request = request(UpdateType::Full, vec![]);
    request.page = Some(berth_schema::reconcile::Page { number: 0, last: false });
    assert!(!wanted(&request).full_reconcile_requested);
}

#[test]
fn a_pod_that_has_the_word_for_a_suspected_loss_is_answered_as_any_other() {
    let workspace = running(3);
    let mut report = info(&workspace, 3, 1);
    report
        .latest_k8s_deployment_info
        .as_mut()
        .and_then(|info| info.status.as_mut())
        .expect("a status")
        .available_replicas = Some(0);
    let problem =
        PodProblem { container: None, reason: LOSS_SUSPECTED.into(), message: "boo".into(), since: None };
    report.pod_problems = vec![problem];
    let plan = partial(&workspace, vec![report]);
    assert_eq!(plan.updates[0].reason.as_ref().expect("a reason").reason, LOSS_SUSPECTED);
    assert_eq!(plan.report[0].cause, Cause::Acknowledged, "its agent would tell it for ever");
}
