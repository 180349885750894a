//! What is told, what is acknowledged, and what is told again.

use super::*;

#[test]
fn half_of_a_first_apply_is_not_told() {
    let (mut agent, now) = (agent(), Instant::now());
    let plan = round(&mut agent, directive(Wish::Create, 1), now);
    agent.index_mut().apply(present(SECRETS, "w-env", 1));
    assert!(agent.news().is_empty());
    done(&mut agent, &plan, failed(), now);
    assert!(agent.news()[0].error_details.is_some(), "a failure is");
}

#[test]
fn a_proof_that_does_not_come_has_the_directive_repeated() {
    let (mut agent, now) = (agent(), Instant::now());
    let plan = round(&mut agent, directive(Wish::Create, 1), now);
    done(&mut agent, &plan, Outcome::Applied, now);
    assert_eq!(agent.next_due(), Some(now + 10 * SECOND));
    agent.tick(now + 10 * SECOND);
    assert_eq!(agent.received(), [], "the server sends it again");
    assert_eq!(round(&mut agent, directive(Wish::Create, 1), now).actions.len(), 1);
}

#[test]
fn only_what_is_echoed_by_the_answer_is_acknowledged() {
    let (mut agent, now) = (agent(), Instant::now());
    show(&mut agent, 1);
    let sent = agent.news();
    assert_eq!(agent.respond(&sent, answer(vec![]), Opened::default(), now, &mut || 0.0).acknowledged, 0);
    assert!(agent.has_news(), "no echo");

    let mut outdated = directive(Wish::None, 1);
    outdated.deployment_resource_version = Some("v0".into());
    assert_eq!(
        agent.respond(&sent, answer(vec![outdated]), Opened::default(), now, &mut || 0.0).acknowledged,
        0
    );
    assert!(agent.has_news(), "the server took an older report");

    // It changes while the answer is on its way.
    show(&mut agent, 2);
    let mut echo = directive(Wish::None, 1);
    echo.deployment_resource_version = Some("v1".into());
    assert_eq!(agent.respond(&sent, answer(vec![echo]), Opened::default(), now, &mut || 0.0).acknowledged, 1);
    assert!(agent.has_news(), "the newer state was not told yet");
    assert_eq!(round(&mut agent, directive(Wish::None, 2), now).acknowledged, 1);
    assert!(!agent.has_news());
}

#[test]
fn a_full_report_holds_what_was_acknowledged_too() {
    let (mut agent, now) = (agent(), Instant::now());
    show(&mut agent, 1);
    round(&mut agent, directive(Wish::None, 1), now);
    assert!(agent.news().is_empty());
    assert_eq!(agent.full().map(|(_, infos)| infos.len()).sum::<usize>(), 1);
    assert!(agent.has_news(), "the memory is empty until the answer comes");
}

#[test]
fn a_workspace_that_somebody_deleted_is_told_as_missing() {
    let (mut agent, now) = (agent(), Instant::now());
    show(&mut agent, 1);
    round(&mut agent, directive(Wish::None, 1), now);
    hide(&mut agent, DEPLOYMENTS, "w");
    hide(&mut agent, SECRETS, "w-env");
    hide(&mut agent, SECRETS, "w-file");
    let news = agent.news();
    assert_eq!((&news[0].latest_k8s_deployment_info, news[0].applied_generation), (&None, None));
    assert_eq!(news[0].termination_progress, None, "nobody asked for its end");
}

#[test]
fn what_was_told_without_an_answer_and_then_vanished_is_told_as_missing() {
    let mut agent = agent();
    show(&mut agent, 1);
    // The server stores the report; its answer is lost.
    assert_eq!(agent.news().len(), 1);
    hide(&mut agent, DEPLOYMENTS, "w");
    hide(&mut agent, SECRETS, "w-env");
    hide(&mut agent, SECRETS, "w-file");
    let news = agent.news();
    assert_eq!(news.len(), 1, "the server believes that it is there");
    assert_eq!((&news[0].latest_k8s_deployment_info, news[0].applied_generation), (&None, None));
    round(&mut agent, directive(Wish::None, 1), Instant::now());
    assert!(!agent.has_news(), "and once the server knows, it is no news");
}

#[test]
fn what_is_again_as_it_was_acknowledged_is_told_when_a_report_between_was_not_answered() {
    let mut agent = agent();
    show(&mut agent, 1);
    round(&mut agent, directive(Wish::None, 1), Instant::now());
    let vanish = |agent: &mut Agent| {
        hide(agent, DEPLOYMENTS, "w");
        hide(agent, SECRETS, "w-env");
        hide(agent, SECRETS, "w-file");
    };
    vanish(&mut agent);
    round(&mut agent, directive(Wish::None, 1), Instant::now());
    assert!(!agent.has_news(), "that it is gone is acknowledged");
    show(&mut agent, 2);
    assert_eq!(agent.news().len(), 1, "stored by the server, and its answer is lost");
    vanish(&mut agent);
    assert!(agent.has_news(), "the server believes that it is there");
}

#[test]
fn lost_secrets_are_told_and_a_failed_repair_is_told_again() {
    let (mut agent, now) = (agent(), Instant::now());
    show(&mut agent, 1);
    round(&mut agent, directive(Wish::None, 1), now);
    hide(&mut agent, SECRETS, "w-env");
    assert!(agent.news()[0].variables_missing);
    let plan = round(&mut agent, directive(Wish::Update, 1), now);
    done(&mut agent, &plan, failed(), now);
    round(&mut agent, directive(Wish::Update, 1), now);
    assert!(!agent.has_news(), "the error is acknowledged, the workspace rests");
    agent.tick(now + 10 * SECOND);
    assert!(agent.news()[0].variables_missing, "the server has to send them once more");
}
