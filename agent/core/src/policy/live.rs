//! Whose the live objects are: asked before each write, by what the API server holds and not by what a server says.

use berth_schema::kubernetes::{AGENT_ID, AGENT_NAMESPACE, ENFORCE, PROXY_OF, WORKSPACE_ID};
use berth_schema::{AgentId, WorkspaceId};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::{BASELINE, Identity, RESTRICTED};

/// For whom objects are written: the labels that say so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    Workspace(WorkspaceId),
    Proxy,
}

/// Where objects are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// A namespace that the agent makes, and that goes with its owner.
    Own,
    /// A namespace of the cluster's administrator.
    Shared,
}

/// Why nothing is written in a namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trespass {
    /// It is somebody else's: a person's, another workspace's, another agent's.
    Foreign,
    /// It has to be there, and is not.
    Missing,
    /// It does not enforce Pod Security.
    Unsafe,
}

fn label<'a>(metadata: &'a ObjectMeta, name: &str) -> Option<&'a str> {
    metadata.labels.as_ref()?.get(name).map(String::as_str)
}

impl Identity {
    /// Whether an object carries the labels of this agent, or of one that it adopts, and of an owner; and no mark
    /// of another installation.
    pub fn owns(&self, metadata: &ObjectMeta, owner: Owner) -> bool {
        self.is_labelled(metadata, owner) && !self.is_anothers(metadata)
    }

    /// Whether a namespace is marked as another agent's, by where that one is installed: then no other label of it says
    /// whose it is.
    pub fn is_anothers(&self, namespace: &ObjectMeta) -> bool {
        label(namespace, AGENT_NAMESPACE).is_some_and(|installed| installed != self.namespace)
    }

    /// Whether an object carries the labels alone.
    pub fn is_labelled(&self, metadata: &ObjectMeta, owner: Owner) -> bool {
        let is = |name, id: String| label(metadata, name) == Some(id.as_str());
        match owner {
            Owner::Workspace(workspace) => {
                self.owners().any(|agent| is(AGENT_ID, agent.to_string()))
                    && is(WORKSPACE_ID, workspace.to_string())
            }
            Owner::Proxy => self.owners().any(|agent| is(PROXY_OF, agent.to_string())),
        }
    }

    /// Whether an object that is known to have been an owner's may be taken for that, though it lacks the owner's labels: nobody
    /// else has been given it.
    pub fn may_take_back(&self, metadata: &ObjectMeta, owner: Owner) -> bool {
        let Owner::Workspace(workspace) = owner else { return false };
        let free = |name, allowed: &dyn Fn(&str) -> bool| label(metadata, name).is_none_or(allowed);
        let ours = |id: &str| self.owners().any(|agent| agent.to_string() == id);
        let its = |id: &str| id == workspace.to_string();
        free(AGENT_ID, &ours)
            && free(WORKSPACE_ID, &its)
            && free(PROXY_OF, &|_| false)
            && !self.is_anothers(metadata)
    }

    /// Whose objects are this agent's to change: its own, and those of the agents that it adopts.
    pub fn owners(&self) -> impl Iterator<Item = AgentId> {
        std::iter::once(self.agent).chain(self.allowances.adopts.iter().copied())
    }

    /// Whether anything may be written for an owner in a namespace that is as the API server holds it (`live`, `None` where
    /// there is none). `made`: the first thing that is written is the Namespace itself.
    pub fn may_enter(
        &self,
        owner: Owner,
        place: Place,
        live: Option<&ObjectMeta>,
        made: bool,
    ) -> Result<(), Trespass> {
        let Some(live) = live else {
            return if made && place == Place::Own { Ok(()) } else { Err(Trespass::Missing) };
        };
        if self.is_anothers(live) {
            return Err(Trespass::Foreign);
        }
        let level = label(live, ENFORCE);
        let safe = match place {
            Place::Own => made || self.enforces(level),
            // The pods in it are held to the same whatever it says; it keeps out what others would put there.
            Place::Shared => level == Some(RESTRICTED) || level == Some(BASELINE),
        };
        let foreign = match place {
            Place::Own => !self.owns(live, owner),
            Place::Shared => {
                [AGENT_ID, WORKSPACE_ID, PROXY_OF].iter().any(|name| label(live, name).is_some())
            }
        };
        if foreign {
            return Err(Trespass::Foreign);
        }
        if safe { Ok(()) } else { Err(Trespass::Unsafe) }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::policy::Allowances;

    fn metadata(labels: &[(&str, &str)]) -> ObjectMeta {
        let labels: BTreeMap<String, String> =
            labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        ObjectMeta { labels: Some(labels), ..ObjectMeta::default() }
    }

    #[test]
    fn an_own_namespace_is_ours_by_both_labels_and_enforces_pod_security() {
        let (identity, workspace) = (Identity::of(AgentId::random()), WorkspaceId::random());
        let (agent, id) = (identity.agent.to_string(), workspace.to_string());
        let owner = Owner::Workspace(workspace);
        let ours = [(AGENT_ID, agent.as_str()), (WORKSPACE_ID, id.as_str())];
        let enter = |labels: &[(&str, &str)], made| {
            identity.may_enter(owner, Place::Own, Some(&metadata(labels)), made)
        };
        let with = |more: &[(&'static str, &'static str)]| [&ours[..], more].concat();
        assert_eq!(enter(&with(&[(ENFORCE, "restricted")]), false), Ok(()));
        assert_eq!(enter(&with(&[(ENFORCE, "restricted"), (AGENT_NAMESPACE, "berth-agent")]), false), Ok(()));
        assert_eq!(enter(&with(&[(ENFORCE, "baseline")]), false), Err(Trespass::Unsafe));
        assert_eq!(enter(&ours, false), Err(Trespass::Unsafe));
        assert_eq!(enter(&ours, true), Ok(()), "the Namespace is written first, and brings it back");
        let other = with(&[(ENFORCE, "restricted"), (AGENT_NAMESPACE, "berth-agent-two")]);
        assert_eq!(enter(&other, true), Err(Trespass::Foreign), "another agent's");
        for foreign in [&ours[..1], &ours[1..], &[], &[(PROXY_OF, agent.as_str())]] {
            assert_eq!(enter(foreign, true), Err(Trespass::Foreign));
        }
        assert_eq!(identity.may_enter(owner, Place::Own, None, true), Ok(()));
        assert_eq!(identity.may_enter(owner, Place::Own, None, false), Err(Trespass::Missing));
    }

    #[test]
    fn what_another_installation_has_marked_is_not_ours_whatever_else_it_carries() {
        let (identity, workspace) = (Identity::of(AgentId::random()), WorkspaceId::random());
        let (agent, id) = (identity.agent.to_string(), workspace.to_string());
        let marked = |home: &'static str| {
            let labels = [(AGENT_ID, agent.as_str()), (WORKSPACE_ID, id.as_str()), (PROXY_OF, &agent)];
            metadata(&[&labels[..], &[(AGENT_NAMESPACE, home)]].concat())
        };
        for owner in [Owner::Workspace(workspace), Owner::Proxy] {
            assert!(identity.owns(&marked("berth-agent"), owner));
            for other in ["berth-agent-two", ""] {
                assert!(!identity.owns(&marked(other), owner), "{other:?}");
                assert!(identity.is_labelled(&marked(other), owner));
                assert!(identity.is_anothers(&marked(other)));
            }
        }
        assert!(!identity.is_anothers(&ObjectMeta::default()));
    }

    #[test]
    fn what_an_adopted_agent_left_is_ours_and_nobody_elses() {
        let (gone, workspace) = (AgentId::random(), WorkspaceId::random());
        let allowances = Allowances { adopts: vec![gone], ..Allowances::default() };
        let heir = Identity { allowances, ..Identity::of(AgentId::random()) };
        let (gone, id) = (gone.to_string(), workspace.to_string());
        let left = metadata(&[(AGENT_ID, gone.as_str()), (WORKSPACE_ID, id.as_str())]);
        assert!(heir.owns(&left, Owner::Workspace(workspace)));
        assert!(!heir.owns(&left, Owner::Workspace(WorkspaceId::random())), "another workspace's");
        assert!(!Identity::of(heir.agent).owns(&left, Owner::Workspace(workspace)), "without consent");
    }

    #[test]
    fn the_proxys_place_of_an_adopted_agent_is_taken_over_like_its_workspaces() {
        let gone = AgentId::random();
        let allowances = Allowances { adopts: vec![gone], ..Allowances::default() };
        let heir = Identity { allowances, ..Identity::of(AgentId::random()) };
        let gone = gone.to_string();
        let left = metadata(&[(PROXY_OF, gone.as_str()), (ENFORCE, RESTRICTED)]);
        assert_eq!(heir.may_enter(Owner::Proxy, Place::Own, Some(&left), true), Ok(()));
        assert!(heir.owns(&left, Owner::Proxy));
        assert!(!heir.owns(&left, Owner::Workspace(WorkspaceId::random())), "it is no workspace's");
        let stranger = Identity::of(heir.agent);
        let refused = stranger.may_enter(Owner::Proxy, Place::Own, Some(&left), true);
        assert_eq!(refused, Err(Trespass::Foreign), "without consent");
        let elsewhere = metadata(&[(PROXY_OF, gone.as_str()), (AGENT_NAMESPACE, "berth-agent-two")]);
        let refused = heir.may_enter(Owner::Proxy, Place::Own, Some(&elsewhere), true);
        assert_eq!(refused, Err(Trespass::Foreign), "another installation's");
        let another = metadata(&[(PROXY_OF, &*AgentId::random().to_string())]);
        assert!(!heir.owns(&another, Owner::Proxy));
    }

    #[test]
    fn what_lacks_labels_may_be_taken_back_and_what_carries_somebody_elses_may_not() {
        let identity = Identity::of(AgentId::random());
        let workspace = WorkspaceId::random();
        let owner = Owner::Workspace(workspace);
        let (agent, id, other) =
            (identity.agent.to_string(), workspace.to_string(), AgentId::random().to_string());
        for labels in [
            &[][..],
            &[(AGENT_ID, agent.as_str())],
            &[(WORKSPACE_ID, &id)],
            &[("app", "x"), (AGENT_NAMESPACE, "berth-agent")],
        ] {
            assert!(identity.may_take_back(&metadata(labels), owner), "{labels:?}");
            assert!(!identity.may_take_back(&metadata(labels), Owner::Proxy), "{labels:?}");
        }
        for label in [
            (AGENT_ID, other.as_str()),
            (WORKSPACE_ID, &other),
            (PROXY_OF, &agent),
            (AGENT_NAMESPACE, "other"),
        ] {
            assert!(!identity.may_take_back(&metadata(&[label]), owner), "{label:?}");
        }
    }

    #[test]
    fn a_shared_namespace_is_there_and_enforces_pod_security_and_is_no_ones_own() {
        let identity = Identity::of(AgentId::random());
        let owner = Owner::Workspace(WorkspaceId::random());
        let enter = |labels: &[(&str, &str)]| {
            identity.may_enter(owner, Place::Shared, Some(&metadata(labels)), false)
        };
        assert_eq!(enter(&[(ENFORCE, "restricted")]), Ok(()));
        assert_eq!(enter(&[(ENFORCE, "baseline"), (AGENT_NAMESPACE, "berth-agent")]), Ok(()));
        for level in ["privileged", ""] {
            assert_eq!(enter(&[(ENFORCE, level)]), Err(Trespass::Unsafe));
        }
        assert_eq!(enter(&[]), Err(Trespass::Unsafe));
        assert_eq!(enter(&[(ENFORCE, "restricted"), (AGENT_ID, "somebody")]), Err(Trespass::Foreign));
        assert_eq!(enter(&[(ENFORCE, "restricted"), (AGENT_NAMESPACE, "other")]), Err(Trespass::Foreign));
        assert_eq!(identity.may_enter(owner, Place::Shared, None, true), Err(Trespass::Missing));
    }

    #[test]
    fn what_is_the_proxys_is_no_workspaces() {
        let identity = Identity::of(AgentId::random());
        let mine = identity.agent.to_string();
        let proxys = metadata(&[(PROXY_OF, &mine)]);
        assert!(identity.owns(&proxys, Owner::Proxy));
        assert!(!identity.owns(&proxys, Owner::Workspace(WorkspaceId::random())));
        assert!(!identity.owns(&metadata(&[(PROXY_OF, "other")]), Owner::Proxy));
        assert!(!identity.owns(&ObjectMeta::default(), Owner::Proxy));
    }
}
