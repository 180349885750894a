//! Cases that once worked.

use berth_planner::AgentConfig;
use berth_planner::objects::proxy;
use berth_schema::kubernetes::{
    AGENT_ID, AGENT_NAMESPACE, ENFORCE, PROXY_OF, WORKSPACE_ID, object_name, own_namespace,
};
use berth_schema::reconcile::{TerminationProgress, WorkspaceAgentInfo};
use berth_schema::{AgentId, WorkspaceId, WorkspaceName};
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::api::{Api, DeleteParams, PostParams};
use serde_json::{Value, json};

use super::sets::Target;
use super::{Attack, PATIENCE, namespace, outside, restricted};

/// What somebody else keeps in a namespace.
const PRECIOUS: &str = "precious";
/// Which of the namespaces of others carries labels of ours.
const FORGED: usize = 1;

impl Attack {
    async fn keep(&self, namespace: &str, name: &str, labels: &Value) -> anyhow::Result<()> {
        let metadata = json!({ "name": name, "labels": labels });
        let map = json!({ "metadata": metadata, "data": { "a": "b" } });
        let maps: Api<ConfigMap> = Api::namespaced(self.client.clone(), namespace);
        maps.create(&PostParams::default(), &serde_json::from_value(map)?).await?;
        let secret = json!({ "metadata": metadata, "stringData": { "DB_PASSWORD": "CANARY" } });
        let secrets: Api<Secret> = Api::namespaced(self.client.clone(), namespace);
        secrets.create(&PostParams::default(), &serde_json::from_value(secret)?).await?;
        Ok(())
    }

    /// Says all of it, waits until the agent has told of each, and finds everything outside as it was. Each error holds what
    /// it must.
    async fn is_refused(&self, targets: Vec<(Target, &str)>) -> anyhow::Result<()> {
        let before = self.outside().await?;
        for (target, _) in &targets {
            self.server.direct(target.id, target.directive());
        }
        self.told().await?;
        for (target, expected) in targets {
            let told = self.server.error(target.id);
            assert!(told.contains(expected), "{}: {told:?} instead of {expected:?}", target.namespace);
        }
        self.is_as(&before).await?;
        assert_eq!(outside::labelled(&self.client, self.id).await?, Vec::<String>::new());
        Ok(())
    }

    fn own(&self) -> Target {
        Target::own(self.id, &self.proxy)
    }

    fn at(&self, namespace: &str) -> Target {
        Target::elsewhere(self.id, &self.proxy, namespace)
    }
}

#[tokio::test]
async fn no_namespace_but_its_own_is_touched() -> anyhow::Result<()> {
    let attack = Attack::begin(|_, _| vec![]).await?;
    let foreign = format!("atk-{}", attack.home);
    namespace(&attack.client, &foreign, &json!({})).await?;
    attack.keep(&foreign, PRECIOUS, &json!({})).await?;
    let refused = "allows no workspace in namespace";
    let mut targets = vec![];
    for place in [&foreign, &attack.home, &attack.proxy, "kube-system", "default", "berth-shared-other"] {
        let target = attack.at(place);
        targets.push((target.clone().terminated(), refused));
        for mut target in [attack.at(place), attack.at(place).without("Namespace")] {
            // As if what is there were the workspace's.
            target = target.also("v1", "ConfigMap", PRECIOUS, json!({ "data": { "a": "theirs" } }));
            targets.push((target, refused));
        }
    }
    attack.is_refused(targets).await?;
    // What nobody asked about is not removed from there either.
    let before = attack.outside().await?;
    let stranger = WorkspaceId::random();
    attack.server.disown(stranger, "stranger", &foreign);
    attack.told().await?;
    assert!(attack.server.error(stranger).contains(refused));
    attack.is_as(&before).await?;
    Ok(())
}

#[tokio::test]
async fn another_agents_workspace_is_not_taken_over_by_its_id_and_name() -> anyhow::Result<()> {
    let attack = Attack::begin(|_, _| vec![]).await?;
    let mut targets = vec![];
    let other = AgentId::random();
    for labels in [
        json!({ AGENT_ID: other, AGENT_NAMESPACE: "berth-agent-two" }),
        // The label of ours, forged, in a namespace that another installation has marked.
        json!({ AGENT_ID: attack.id, AGENT_NAMESPACE: "berth-agent-two" }),
        json!({}),
    ] {
        let target = attack.own();
        let mut theirs = labels.clone();
        if labels != json!({}) {
            theirs[WORKSPACE_ID] = json!(target.id);
        }
        theirs["pod-security.kubernetes.io/enforce"] = json!("restricted");
        namespace(&attack.client, &target.namespace, &theirs).await?;
        let secret = format!("{}-env", target.name);
        attack.keep(&target.namespace, &secret, &json!({ AGENT_ID: other })).await?;
        targets.push((target, "exists and belongs to another"));
    }
    let before = attack.outside().await?;
    for (target, _) in &targets {
        attack.server.direct(target.id, target.directive());
    }
    attack.told().await?;
    for (target, expected) in &targets {
        let told = attack.server.error(target.id);
        assert!(told.contains(expected), "{told}");
        // And then it is to go.
        attack.server.insist(target.id, target.clone().terminated().directive());
    }
    attack.server.rounds(8, PATIENCE).await?;
    // Where nothing carries the workspace's labels, nothing of it is left; where something does, it is told of.
    for (at, (target, expected)) in targets.iter().enumerate() {
        let is_told = |info: &WorkspaceAgentInfo| match &info.error_details {
            Some(error) => at == FORGED && error.error_message.contains(expected),
            None => at != FORGED && info.termination_progress == Some(TerminationProgress::Terminated),
        };
        attack.server.until_heard(target.id, PATIENCE, is_told).await?;
    }
    attack.is_as(&before).await?;
    Ok(())
}

#[tokio::test]
async fn a_proxys_namespace_that_is_somebody_elses_stays_theirs() -> anyhow::Result<()> {
    let attack = Attack::begin(|agent, namespace| {
        let config = AgentConfig { proxy_namespace: namespace.to_owned(), ..AgentConfig::default() };
        proxy(agent, &config, None)
    })
    .await?;
    // It was made by the agent at its start; an administrator has taken it since.
    attack.server.until_installed(PATIENCE).await?;
    let errors: Vec<_> = attack.server.installed().into_iter().filter_map(|report| report.error).collect();
    assert!(errors.is_empty(), "{errors:?}");
    namespace(&attack.client, &attack.proxy, &json!({ PROXY_OF: AgentId::random() })).await?;
    attack.keep(&attack.proxy, PRECIOUS, &json!({ PROXY_OF: attack.id })).await?;
    let before = attack.outside().await?;
    let identity = berth_agent_core::Identity {
        proxy_namespace: attack.proxy.clone(),
        namespace: attack.home.clone(),
        ..berth_agent_core::Identity::of(attack.id)
    };
    let hands = berth_agent::cluster::Cluster::new(attack.client.clone(), identity.clone());
    let config = AgentConfig { proxy_namespace: attack.proxy.clone(), ..AgentConfig::default() };
    let wanted = proxy(attack.id, &config, None);
    for objects in [wanted.clone(), wanted[1..].to_vec(), vec![]] {
        let reports = berth_agent::prerequisites::install(&hands, &identity, objects, &[]).await.reports;
        assert!(reports.iter().any(|report| report.error.is_some()), "{reports:?}");
    }
    attack.is_as(&before).await?;
    Ok(())
}

#[tokio::test]
async fn a_shared_namespace_is_looked_at_and_not_believed() -> anyhow::Result<()> {
    let attack = Attack::begin(|_, _| vec![]).await?;
    let target = attack.at(&attack.shared);
    attack.is_refused(vec![(target, "is not there")]).await?;
    namespace(&attack.client, &attack.shared, &json!({})).await?;
    attack.is_refused(vec![(attack.at(&attack.shared), "does not enforce Pod Security")]).await?;
    namespace(&attack.client, &attack.shared, &restricted()).await?;
    // A Secret of somebody that has the name of a workspace's, by the choice of that name.
    let target = attack.at(&attack.shared);
    let named = object_name(&target.name, target.id, &attack.shared);
    for secret in ["env", "file", "git"] {
        attack.keep(&attack.shared, &format!("{named}-{secret}"), &json!({})).await?;
    }
    let foreign = "exists and belongs to another";
    let map = attack.at(&attack.shared);
    let named = object_name(&map.name, map.id, &attack.shared);
    attack.keep(&attack.shared, &format!("{named}-scripts"), &json!({ WORKSPACE_ID: map.id })).await?;
    let read = attack.at(&attack.shared).pod(|pod| {
        pod["volumes"]
            .as_array_mut()
            .expect("volumes")
            .push(json!({ "name": "x", "secret": { "secretName": PRECIOUS } }));
    });
    let before = attack.outside().await?;
    for (target, expected) in [(target, foreign), (map, foreign), (read, "not one of the workspace's own")] {
        attack.server.direct(target.id, target.directive());
        attack.told().await?;
        let told = attack.server.error(target.id);
        assert!(told.contains(expected), "{told}");
        let now = attack.outside().await?;
        assert_eq!(now.losses_since(&before), Vec::<String>::new());
        let here = now.only(|(_, namespace, _)| *namespace == attack.shared);
        assert!(!here.has("Deployment"), "nothing runs");
    }
    // Another installation has marked it since: what carries this agent's labels there stays as it is, too.
    let theirs = json!({ ENFORCE: "restricted", AGENT_NAMESPACE: "berth-agent-two" });
    namespace(&attack.client, &attack.shared, &theirs).await?;
    let target = attack.at(&attack.shared);
    let labels = json!({ AGENT_ID: attack.id, WORKSPACE_ID: target.id });
    attack.keep(&attack.shared, PRECIOUS, &labels).await?;
    let before = attack.outside().await?;
    attack.server.insist(target.id, target.clone().terminated().directive());
    let told = |info: &WorkspaceAgentInfo| {
        info.error_details.as_ref().is_some_and(|error| error.error_message.contains(foreign))
    };
    attack.server.until_heard(target.id, PATIENCE, told).await?;
    attack.is_as(&before).await
}

#[tokio::test]
async fn what_an_administrator_put_into_a_workspaces_namespace_is_not_taken_over() -> anyhow::Result<()> {
    let attack = Attack::begin(|_, _| vec![]).await?;
    let target = attack.own();
    attack.server.direct(target.id, target.directive());
    attack.told().await?;
    assert_eq!(attack.server.error(target.id), "", "an honest workspace is applied");
    // The scripts are replaced by somebody's own map, and there is another thing of theirs.
    let maps: Api<ConfigMap> = Api::namespaced(attack.client.clone(), &target.namespace);
    let scripts = format!("{}-scripts", target.name);
    maps.delete(&scripts, &DeleteParams::default()).await?;
    attack.keep(&target.namespace, &scripts, &json!({})).await?;
    attack.keep(&target.namespace, PRECIOUS, &json!({})).await?;
    let look = async || {
        anyhow::Ok(attack.outside().await?.only(|(kind, namespace, name)| {
            *namespace == target.namespace
                && matches!(kind.as_str(), "ConfigMap" | "Secret")
                && (*name == scripts || name == PRECIOUS)
        }))
    };
    let before = look().await?;
    assert_eq!(before.len(), 4);
    let mut again = target.directive();
    again["generation"] = json!(2);
    for object in again["config_to_apply"].as_array_mut().expect("objects") {
        object["metadata"]["annotations"]["berth.dev/generation"] = json!("2");
        if object["kind"] == "ConfigMap" {
            object["data"]["more"] = json!("text");
        }
    }
    attack.server.insist(target.id, again);
    let refused = |info: &WorkspaceAgentInfo| {
        info.error_details.as_ref().is_some_and(|error| error.error_message.contains("belongs to another"))
    };
    attack.server.until_heard(target.id, PATIENCE, refused).await?;
    assert_eq!(look().await?.changes_since(&before), Vec::<String>::new());
    Ok(())
}

#[tokio::test]
async fn an_honest_workspace_comes_and_goes() -> anyhow::Result<()> {
    let attack = Attack::begin(|_, _| vec![]).await?;
    let target = attack.own();
    assert_eq!(target.namespace, own_namespace(&WorkspaceName::new(target.name.to_string())?, target.id));
    attack.server.direct(target.id, target.directive());
    attack.told().await?;
    assert_eq!(attack.server.error(target.id), "");
    assert_eq!(outside::labelled(&attack.client, attack.id).await?, [target.namespace.as_str()]);
    let id = target.id;
    attack.server.insist(id, target.terminated().directive());
    let gone = |info: &WorkspaceAgentInfo| info.termination_progress == Some(TerminationProgress::Terminated);
    attack.server.until_heard(id, PATIENCE, gone).await?;
    assert_eq!(outside::labelled(&attack.client, attack.id).await?, Vec::<String>::new());
    Ok(())
}
