//! What a workspace's containers have written, as Kubernetes keeps it: asked for at the proxy, decided by the server. See decision 0083.

use serde::{Deserialize, Serialize};

use crate::connection::Opened;
use crate::{WorkspaceId, WorkspaceName};

/// Where a proxy gives them, at every host of a workspace.
pub const LOGS_PATH: &str = "/.berth/logs";
/// What stands for them where a proxy asks about a port. No connection has it.
pub const LOGS: u16 = 0;
/// The header of an answer that says whose output it is.
pub const CONTAINER_HEADER: &str = "berth-container";
/// The longest name of a container: Kubernetes' own bound.
pub const MAX_CONTAINER: usize = 63;

/// What of it is wanted: Kubernetes' own options, and their names in a query. What is not said is Kubernetes' to choose.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct LogOptions {
    /// Absent: of the container that has failed, else of the main one, or of the last that has begun before it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub container: Option<String>,
    /// Of the run before this one.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub previous: bool,
    /// It goes on with what is written from now on, until the container ends.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub follow: bool,
    /// So many lines from the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tail: Option<u32>,
    /// What was written in the last so many seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<u32>,
    /// Each line begins with when it was written.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub timestamps: bool,
}

/// Whether that may be the name of a container (an RFC 1123 label).
pub fn is_container_name(text: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=MAX_CONTAINER).contains(&text.len())
        && text.bytes().all(inner)
        && !text.starts_with('-')
        && !text.ends_with('-')
}

/// The body of `POST /api/v1/proxy/logs`: somebody wants to read them. Whose session that is says the header `Berth-Grant`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReadLogs {
    pub workspace: WorkspaceId,
    /// What the host says that the workspace is called.
    pub name: WorkspaceName,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container: Option<String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub previous: bool,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub follow: bool,
}

/// The answer to [`ReadLogs`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogsOpened {
    #[serde(flatten)]
    pub opened: Opened,
    /// Those of the workspace's pod, in the order in which they start; none where it was denied.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub containers: Vec<LogContainer>,
    /// Whose output it is: of the first of these that has any. None where there is no container of the name that was asked for; nothing was
    /// read then.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub candidates: Vec<String>,
}

/// A container of a workspace's pod.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogContainer {
    pub name: String,
    /// It runs to its end before the others begin.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub init: bool,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connection::{Decision, Why};

    #[test]
    fn a_containers_name_is_a_label() {
        for good in ["a", "0", "berth-pre-start-install", &"a".repeat(MAX_CONTAINER)] {
            assert!(is_container_name(good), "{good}");
        }
        for wrong in ["", "-a", "a-", "A", "a_b", "a b", "a/b", "ä", &"a".repeat(MAX_CONTAINER + 1)] {
            assert!(!is_container_name(wrong), "{wrong}");
        }
    }

    #[test]
    fn an_answer_is_that_of_a_decision_with_containers_beside_it() {
        let denied =
            Opened { decision: Decision::Denied { why: Why::Policy }, grant: None, grant_until: None };
        let answer = LogsOpened { opened: denied, containers: vec![], candidates: vec![] };
        let text = r#"{"decision":"denied","why":"policy"}"#;
        assert_eq!(serde_json::to_string(&answer).expect("JSON"), text);
        assert_eq!(serde_json::from_str::<LogsOpened>(text).expect("and back"), answer);
        let main = LogContainer { name: "main".to_owned(), init: false };
        let more = LogsOpened { containers: vec![main], candidates: vec!["main".to_owned()], ..answer };
        let text =
            r#"{"decision":"denied","why":"policy","containers":[{"name":"main"}],"candidates":["main"]}"#;
        assert_eq!(serde_json::to_string(&more).expect("JSON"), text);
        assert_eq!(serde_json::from_str::<LogsOpened>(text).expect("and back"), more);
    }
}
