//! Whose output is read, where somebody wants to see what a workspace writes: also of one that does not start. See decision 0083.

use berth_schema::api::StateReason;
use berth_schema::logs::LogContainer;

use crate::actual_state::is_about;

/// Those whose output is to be tried, the first that has some being the one. `asked`: by name; nothing, where there is none of that name.
/// Else it is the one that `reason`, why the workspace is not where it should be, is about; else the main one, and before that has begun the
/// last that has of those that go before it.
pub fn candidates(
    containers: &[LogContainer],
    asked: Option<&str>,
    reason: Option<&StateReason>,
) -> Vec<String> {
    let name = |container: &LogContainer| container.name.clone();
    let one = match (asked, reason) {
        (Some(asked), _) => {
            return containers.iter().filter(|container| container.name == asked).map(name).collect();
        }
        (None, Some(reason)) => containers.iter().find(|container| is_about(reason, &container.name)),
        (None, None) => None,
    };
    if let Some(one) = one {
        return vec![name(one)];
    }
    let main = containers.iter().find(|container| !container.init);
    let before = containers.iter().rev().filter(|container| container.init);
    main.into_iter().chain(before).map(name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn containers() -> Vec<LogContainer> {
        let of = |name: &str, init| LogContainer { name: name.to_owned(), init };
        vec![
            of("berth-tools", true),
            of("berth-pre-start-install", true),
            of("main", false),
            of("main-db", false),
        ]
    }

    fn about(message: &str) -> StateReason {
        StateReason { reason: "CrashLoopBackOff".into(), message: message.into() }
    }

    #[test]
    fn it_is_the_main_one_or_the_last_that_has_begun_before_it() {
        let expected = ["main", "berth-pre-start-install", "berth-tools"];
        assert_eq!(candidates(&containers(), None, None), expected);
        let of_the_pod = about("0/3 nodes are available");
        assert_eq!(candidates(&containers(), None, Some(&of_the_pod)), expected);
        assert!(candidates(&[], None, None).is_empty());
    }

    #[test]
    fn it_is_the_one_that_has_failed_and_no_other_whose_name_begins_so() {
        for failed in ["main", "main-db", "berth-pre-start-install"] {
            let reason = about(&format!("container {failed}: it ended with exit code 1"));
            assert_eq!(candidates(&containers(), None, Some(&reason)), [failed]);
        }
        let gone = about("container before: it ended with exit code 1");
        assert_eq!(candidates(&containers(), None, Some(&gone))[0], "main", "one of a pod of before");
    }

    #[test]
    fn it_is_the_one_that_was_asked_for_or_none() {
        let reason = about("container main: it ended with exit code 1");
        assert_eq!(candidates(&containers(), Some("berth-tools"), Some(&reason)), ["berth-tools"]);
        assert!(candidates(&containers(), Some("other"), Some(&reason)).is_empty());
    }
}
