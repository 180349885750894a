//! Where a workspace is reached, and how large it is, by its spec and its agent's configuration.

use berth_schema::WorkspaceName;
use berth_schema::api::shape::{ContainerSize, Endpoint};
use berth_schema::kubernetes::EDITOR_PORT;
use berth_schema::spec::{Resources, WorkspaceSpec};

use crate::{AgentConfig, ProxyConfig};

/// The port that addresses leave out.
const HTTPS: u16 = 443;

/// The ports that browsers get to through the proxy, the editor's first and those that were opened last. Without a proxy there are none.
pub fn endpoints(
    name: &WorkspaceName,
    (spec, opened): (&WorkspaceSpec, &[(String, u16)]),
    config: &AgentConfig,
    proxy: Option<&ProxyConfig>,
) -> Vec<Endpoint> {
    let Some(proxy) = proxy else { return Vec::new() };
    let outside = match proxy.public_port {
        HTTPS => String::new(),
        port => format!(":{port}"),
    };
    let endpoint = |called: &str, port: u16| Endpoint {
        name: called.to_owned(),
        port,
        url: format!("https://{port}-{name}.{}{outside}/", config.dns_zone),
    };
    let editor = config.tools_image.as_ref().map(|_| endpoint("editor", EDITOR_PORT));
    let own = spec.endpoints().map(|own| (own.name.as_str(), own.port));
    let opened = opened.iter().map(|(name, port)| (name.as_str(), *port));
    editor.into_iter().chain(own.chain(opened).map(|(name, port)| endpoint(name, port))).collect()
}

/// What each container that stays may use.
pub fn sizes(spec: &WorkspaceSpec, defaults: &Resources) -> Vec<ContainerSize> {
    let stay = spec.containers.iter().filter(|container| !container.init);
    let sizes = stay.map(|container| {
        let has = container.resources.over(defaults);
        ContainerSize {
            container: container.name.clone(),
            image: container.image.clone(),
            cpu: has.cpu_limit,
            memory: has.memory_limit,
        }
    });
    sizes.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use berth_schema::AgentConfiguration;
    use berth_schema::spec::EndpointSpec;
    use serde_json::json;

    fn written(proxy: &serde_json::Value, tools: bool) -> AgentConfiguration {
        let mut document = json!({"dns_zone": "ws.example", "proxy": proxy});
        if tools {
            document["tools_image"] = json!("tools:1");
        }
        serde_json::from_value(document).expect("a configuration")
    }

    fn of(proxy: &serde_json::Value, tools: bool) -> Vec<String> {
        let mut spec = WorkspaceSpec::from_image("a");
        spec.containers[0].endpoints.push(EndpointSpec { name: "web".to_owned(), port: 8080 });
        let defaults = AgentConfiguration::built_in();
        let written = written(proxy, tools);
        let config = AgentConfig::new(&written, &defaults);
        let proxy = ProxyConfig::new(&written, &defaults, None);
        let name = WorkspaceName::new("reef").expect("a name");
        let opened = [("preview".to_owned(), 3000)];
        let all = endpoints(&name, (&spec, &opened), &config, proxy.as_ref());
        all.into_iter().map(|endpoint| format!("{} {}", endpoint.name, endpoint.url)).collect()
    }

    #[test]
    fn a_port_is_at_a_host_of_its_own_and_the_outside_port_is_told_where_it_is_not_the_usual_one() {
        let image = "proxy:1";
        assert_eq!(
            of(&json!({"image": image}), true),
            [
                "editor https://60001-reef.ws.example/",
                "web https://8080-reef.ws.example/",
                "preview https://3000-reef.ws.example/"
            ]
        );
        assert_eq!(
            of(&json!({"image": image, "public_port": 8443}), false),
            ["web https://8080-reef.ws.example:8443/", "preview https://3000-reef.ws.example:8443/"]
        );
        assert!(of(&json!({}), true).is_empty(), "nobody listens there");
    }

    #[test]
    fn a_size_is_the_containers_own_or_the_agents_default() {
        let mut spec = WorkspaceSpec::from_image("a");
        spec.containers[0].resources.cpu_limit = Some("2".to_owned());
        let defaults = Resources { memory_limit: Some("1Gi".to_owned()), ..Resources::default() };
        let [size] = sizes(&spec, &defaults).try_into().expect("one container");
        assert_eq!((size.cpu.as_deref(), size.memory.as_deref()), (Some("2"), Some("1Gi")));
    }
}
