//! What is told of a workspace, and how much of it fits into one message.

use berth_schema::WorkspaceId;
use berth_schema::reconcile::{MAX_MESSAGE_BYTES, Page, PodProblem, TerminationProgress, WorkspaceAgentInfo};

use crate::home::Home;
use crate::index::View;
use crate::work::{Entry, Phase};

/// The most problems of one workspace that are worth telling.
const MAX_PROBLEMS: usize = 20;
/// What the infos of one message may take; the rest is for what else the message holds.
const MAX_INFO_BYTES: usize = MAX_MESSAGE_BYTES / 4 * 3;

/// The report of one workspace from what is seen of it and what is done about it. With nothing of either, it is the blank
/// report of a workspace that is not in the cluster. `waits`: what keeps its next pod from a node.
pub(crate) fn info(
    workspace: WorkspaceId,
    home: &Home,
    view: &View<'_>,
    entry: Option<&Entry>,
    waits: Vec<PodProblem>,
) -> WorkspaceAgentInfo {
    let deployment = view.deployment();
    let mut pod_problems: Vec<PodProblem> =
        waits.into_iter().chain(view.pods().flat_map(|(_, pod)| pod.problems.iter().cloned())).collect();
    pod_problems.truncate(MAX_PROBLEMS);
    let live_pods = view.pods().filter(|(_, pod)| pod.live).count();
    let wanted = deployment.is_some() || entry.is_some_and(|entry| entry.trouble.is_some());
    // While an apply is on its way through the watches, Secrets and Deployment show up in any order.
    let settled = entry.is_none_or(|entry| !entry.is_on_its_way() && !entry.terminates());
    WorkspaceAgentInfo {
        workspace_id: workspace,
        applied_generation: deployment.and_then(|fact| fact.applied_generation),
        latest_k8s_deployment_info: deployment.map(|fact| fact.info.clone()),
        pod_problems,
        termination_progress: entry.and_then(progress),
        error_details: entry.and_then(|entry| Some(entry.trouble.as_ref()?.details.clone())),
        live_pods: u32::try_from(live_pods).unwrap_or(u32::MAX),
        variables_missing: wanted && settled && !view.has_secrets(),
        drift: if settled { view.drift() } else { vec![] },
        lost: if settled { view.lost() } else { None },
        name: home.name.clone(),
        namespace: home.namespace.clone(),
    }
}

fn progress(entry: &Entry) -> Option<TerminationProgress> {
    entry.terminates().then_some(match entry.phase {
        Phase::Gone | Phase::Doubtful { .. } => TerminationProgress::Terminated,
        _ => TerminationProgress::Terminating,
    })
}

/// Reports cut into messages that the server accepts. Where there are several, one more closes them: it reports nothing, so
/// that it has room for the ids of all of them.
#[derive(Debug)]
pub struct Pages(std::vec::IntoIter<Vec<WorkspaceAgentInfo>>, u32);

impl Pages {
    pub(crate) fn new(infos: Vec<WorkspaceAgentInfo>, per_message: usize) -> Self {
        let mut pages = vec![];
        let mut page = vec![];
        let mut bytes = 0;
        for info in infos {
            // An info that cannot be measured could not be sent either: JSON of plain data does not fail.
            let size = serde_json::to_vec(&info).map_or(MAX_INFO_BYTES, |json| json.len());
            if page.len() == per_message || (!page.is_empty() && bytes + size > MAX_INFO_BYTES) {
                pages.push(std::mem::take(&mut page));
                bytes = 0;
            }
            bytes += size;
            page.push(info);
        }
        pages.push(page);
        if pages.len() > 1 {
            pages.push(vec![]);
        }
        Self(pages.into_iter(), 0)
    }

    /// The first page alone.
    pub(crate) fn first(mut self) -> Vec<WorkspaceAgentInfo> {
        self.0.next().unwrap_or_default()
    }
}

impl Iterator for Pages {
    /// Which page it is (`None`: the only one), and what it holds.
    type Item = (Option<Page>, Vec<WorkspaceAgentInfo>);

    fn next(&mut self) -> Option<Self::Item> {
        let infos = self.0.next()?;
        let page = Page { number: self.1, last: self.0.len() == 0 };
        self.1 += 1;
        Some(((page.number > 0 || !page.last).then_some(page), infos))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::Index;
    use berth_schema::reconcile::{MAX_WORKSPACES, PodProblem};
    use berth_schema::text::Message;
    use berth_schema::{NamespaceName, WorkspaceName};

    fn problem(text: usize) -> PodProblem {
        PodProblem { container: None, reason: "Odd".into(), message: "x".repeat(text).into(), since: None }
    }

    fn infos(count: usize, text: usize) -> Vec<WorkspaceAgentInfo> {
        let info = || WorkspaceAgentInfo {
            workspace_id: WorkspaceId::random(),
            name: WorkspaceName::new("w").expect("a name"),
            namespace: NamespaceName::new("berth-w").expect("a name"),
            applied_generation: None,
            latest_k8s_deployment_info: None,
            // Each text is bounded, so that a message is filled by many of them.
            pod_problems: vec![problem(text); text.div_ceil(Message::MAX)],
            termination_progress: None,
            error_details: None,
            live_pods: 0,
            variables_missing: false,
            drift: vec![],
            lost: None,
        };
        std::iter::repeat_with(info).take(count).collect()
    }

    fn pages(infos: Vec<WorkspaceAgentInfo>) -> Pages {
        Pages::new(infos, MAX_WORKSPACES)
    }

    fn sizes(pages: Pages) -> Vec<(Option<(u32, bool)>, usize)> {
        let short = |page: Page| (page.number, page.last);
        pages.map(|(page, infos)| (page.map(short), infos.len())).collect()
    }

    #[test]
    fn no_more_problems_of_one_workspace_are_told_than_are_worth_it() {
        let (workspace, name) = (WorkspaceId::random(), WorkspaceName::new("w").expect("a name"));
        let home = Home::new(workspace, &name, &NamespaceName::new("berth-w").expect("a name"));
        let index = Index::default();
        let waits = vec![problem(1); MAX_PROBLEMS + 1];
        let told = info(workspace, &home, &index.view(workspace, Some(&home)), None, waits);
        assert_eq!(told.pod_problems.len(), MAX_PROBLEMS);
    }

    #[test]
    fn nothing_is_one_empty_page_that_needs_no_number() {
        assert_eq!(sizes(pages(vec![])), [(None, 0)]);
        assert_eq!(sizes(pages(infos(500, 1))), [(None, 500)]);
    }

    #[test]
    fn more_workspaces_than_a_message_holds_continue_on_another_page() {
        let expected =
            [(Some((0, false)), 500), (Some((1, false)), 500), (Some((2, false)), 1), (Some((3, true)), 0)];
        assert_eq!(sizes(pages(infos(1_001, 1))), expected);
    }

    #[test]
    fn a_page_ends_before_the_message_is_too_large() {
        let mut pages: Vec<_> = pages(infos(400, 20_000)).map(|(_, page)| page).collect();
        assert!(pages.pop().expect("the closing one").is_empty());
        for page in pages {
            let size = serde_json::to_vec(&page).expect("JSON").len();
            assert!(size < MAX_MESSAGE_BYTES && !page.is_empty());
        }
    }
}
