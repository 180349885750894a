use super::*;
use serde_json::json;

const ZONE: &str = "ws.example";

struct World {
    agent: AgentId,
    directory: Directory,
}

impl World {
    fn new() -> Self {
        let agent = AgentId::random();
        Self { agent, directory: Directory::new(agent, zones()) }
    }

    fn service(&self, name: &str, id: WorkspaceId, ports: &[u16]) -> Service {
        let ports: Vec<_> = ports
            .iter()
            .map(|port| json!({"name": format!("p{port}"), "port": port, "targetPort": port}))
            .collect();
        let name = WorkspaceName::new(name).expect("a name");
        let service = json!({
            "metadata": {
                "name": name.as_str(), "namespace": own_namespace(&name, id),
                "labels": {AGENT_ID: self.agent, WORKSPACE_ID: id, WORKSPACE_NAME: name.as_str()},
                "annotations": {HOST_TEMPLATE: format!("{{{{port}}}}-{name}.{ZONE}")},
            },
            "spec": {"ports": ports},
        });
        serde_json::from_value(service).expect("a Service")
    }

    /// The slice that the cluster's controller makes of it.
    fn slice(service: &Service, address: &str) -> EndpointSlice {
        let metadata = &service.metadata;
        let (name, namespace) =
            (metadata.name.clone().expect("a name"), metadata.namespace.clone().expect("one"));
        let mut labels = metadata.labels.clone().expect("labels");
        labels.insert(SERVICE_NAME.to_owned(), name.clone());
        labels.insert(MANAGED_BY.to_owned(), CONTROLLER.to_owned());
        let ports: Vec<_> =
            service.spec.iter().flat_map(|spec| spec.ports.iter().flatten()).map(|port| port.port).collect();
        let slice = json!({
            "metadata": {"name": format!("{name}-x7k2p"), "namespace": namespace, "labels": labels},
            "addressType": "IPv4",
            "endpoints": [{
                "addresses": [address], "conditions": {"ready": true},
                "targetRef": {"kind": "Pod", "name": "p", "namespace": namespace},
            }],
            "ports": ports.iter().map(|port| json!({"port": port})).collect::<Vec<_>>(),
        });
        serde_json::from_value(slice).expect("a slice")
    }

    fn run(&mut self, name: &str, ports: &[u16], address: &str) -> (WorkspaceId, Service, EndpointSlice) {
        let id = WorkspaceId::random();
        let service = self.service(name, id, ports);
        let slice = Self::slice(&service, address);
        self.directory.service(Change::Written(&service)).expect("believed");
        self.directory.slice(Change::Written(&slice)).expect("believed");
        (id, service, slice)
    }

    fn find(&self, host: &str) -> Place {
        self.directory.find(&zones().parse(host).expect("an address"))
    }
}

fn zones() -> Zones {
    Zones::new([ZONE.to_owned()], 443)
}

fn place(id: WorkspaceId, address: &str) -> Place {
    Place::Workspace(id, vec![address.parse().expect("an address")])
}

#[test]
fn two_ports_of_one_workspace_are_two_hosts() {
    let mut world = World::new();
    let (id, ..) = world.run("one", &[60_001, 60_022, 8080], "10.0.0.7");
    assert_eq!(world.find("60001-one.ws.example"), place(id, "10.0.0.7:60001"));
    assert_eq!(world.find("8080-one.ws.example"), place(id, "10.0.0.7:8080"));
    let undeclared = place(id, "10.0.0.7:9090");
    assert_eq!(world.find("9090-one.ws.example"), undeclared, "whether that is open is the server's to say");
    assert_eq!(world.find("8080-two.ws.example"), Place::Nowhere);
    let ssh = |host: &str| world.directory.find_ssh(&zones().parse(host).expect("an address"));
    assert_eq!(ssh("60001-one.ws.example"), place(id, "10.0.0.7:60022"), "sshd has no host of its own");
    assert_eq!(ssh("9090-one.ws.example"), place(id, "10.0.0.7:60022"));
    assert_eq!(ssh("60001-two.ws.example"), Place::Nowhere);
}

#[test]
fn what_is_deleted_or_about_to_be_is_gone_at_once() {
    let mut world = World::new();
    let (_, mut service, _) = world.run("one", &[8080], "10.0.0.7");
    let (other, _, slice) = world.run("two", &[8080], "10.0.0.8");
    world.directory.service(Change::Deleted(&service)).expect("taken");
    assert_eq!(world.find("8080-one.ws.example"), Place::Nowhere);
    world.directory.slice(Change::Deleted(&slice)).expect("taken");
    assert_eq!(world.find("8080-two.ws.example"), Place::Workspace(other, vec![]), "it does not run");
    let going = json!("2026-11-29T12:00:00Z");
    service.metadata.deletion_timestamp = serde_json::from_value(going).expect("a time");
    world.directory.service(Change::Written(&service)).expect("taken");
    assert_eq!(world.find("8080-one.ws.example"), Place::Nowhere);
}

#[test]
fn what_a_new_list_lacks_is_gone_and_nothing_is_while_it_comes() {
    let mut world = World::new();
    let (_, service, _) = world.run("one", &[8080], "10.0.0.7");
    let (kept, other, _) = world.run("two", &[8080], "10.0.0.8");
    world.directory.service(Change::Begin).expect("taken");
    world.directory.service(Change::Listed(&other)).expect("taken");
    assert_ne!(world.find("8080-one.ws.example"), Place::Nowhere);
    world.directory.service(Change::End).expect("taken");
    assert_eq!(world.find("8080-one.ws.example"), Place::Nowhere);
    assert_eq!(world.find("8080-two.ws.example"), place(kept, "10.0.0.8:8080"));
    world.directory.service(Change::Written(&service)).expect("taken");
    assert_ne!(world.find("8080-one.ws.example"), Place::Nowhere);
}

#[test]
fn no_annotation_or_label_claims_the_host_of_another_workspace() {
    let mut world = World::new();
    let (victim, ..) = world.run("victim", &[8080], "10.0.0.7");
    let hostile = WorkspaceId::random();
    let good = world.service("hostile", hostile, &[8080]);
    let refused = |world: &mut World, change: &dyn Fn(&mut ObjectMeta)| {
        let mut service = good.clone();
        change(&mut service.metadata);
        let why = world.directory.service(Change::Written(&service)).expect_err("not believed");
        assert_eq!(world.find("8080-victim.ws.example"), place(victim, "10.0.0.7:8080"));
        assert_eq!(world.find("8080-hostile.ws.example"), Place::Nowhere);
        why
    };
    let annotate = |template: &'static str| {
        move |metadata: &mut ObjectMeta| {
            metadata
                .annotations
                .get_or_insert_default()
                .insert(HOST_TEMPLATE.to_owned(), template.to_owned());
        }
    };
    for template in [
        "{{port}}-victim.ws.example",
        "victim.ws.example",
        "{{port}}-hostile.ws.example.evil.example",
        "{{port}}-hostile.evil.example",
        "8080-victim.ws.example",
        "{{port}}-hostile.",
        "{{port}}-victim.ws.example#-hostile.ws.example",
        "{{port}}{{port}}-hostile.ws.example",
        "",
    ] {
        assert_eq!(refused(&mut world, &annotate(template)), Unbelieved::Template, "{template}");
    }
    let label = |name: &'static str, value: String| {
        move |metadata: &mut ObjectMeta| {
            metadata.labels.get_or_insert_default().insert(name.to_owned(), value.clone());
        }
    };
    assert_eq!(refused(&mut world, &label(WORKSPACE_NAME, "victim".to_owned())), Unbelieved::Namespace);
    assert_eq!(refused(&mut world, &label(WORKSPACE_ID, victim.to_string())), Unbelieved::Namespace);
    assert_eq!(refused(&mut world, &label(WORKSPACE_ID, "x".to_owned())), Unbelieved::NoWorkspace);
    let all = |metadata: &mut ObjectMeta| {
        label(WORKSPACE_NAME, "victim".to_owned())(metadata);
        label(WORKSPACE_ID, victim.to_string())(metadata);
        annotate("{{port}}-victim.ws.example")(metadata);
    };
    assert_eq!(refused(&mut world, &all), Unbelieved::Namespace);
    assert_eq!(refused(&mut world, &|metadata| metadata.name = Some("other".to_owned())), Unbelieved::Name);
    assert_eq!(refused(&mut world, &label(AGENT_ID, AgentId::random().to_string())), Unbelieved::OtherAgent);
}

#[test]
fn a_service_that_turns_hostile_loses_the_host_it_had() {
    let mut world = World::new();
    let (_, mut service, _) = world.run("one", &[8080], "10.0.0.7");
    service.metadata.annotations.get_or_insert_default().insert(HOST_TEMPLATE.to_owned(), "x".to_owned());
    assert!(world.directory.service(Change::Written(&service)).is_err());
    assert_eq!(world.find("8080-one.ws.example"), Place::Nowhere);
}

#[test]
fn of_two_workspaces_that_claim_one_host_none_is_served() {
    let mut world = World::new();
    let (_, service, _) = world.run("one", &[8080], "10.0.0.7");
    let (second, ..) = world.run("one", &[8080], "10.0.0.8");
    assert_eq!(world.find("8080-one.ws.example"), Place::Ambiguous);
    world.directory.service(Change::Deleted(&service)).expect("taken");
    assert_eq!(world.find("8080-one.ws.example"), place(second, "10.0.0.8:8080"));
}

#[test]
fn upstream_is_a_ready_pod_of_the_workspace_and_nothing_else() {
    let mut world = World::new();
    let (id, _, slice) = world.run("one", &[8080], "10.0.0.7");
    let mut with = |change: &dyn Fn(&mut EndpointSlice)| {
        let mut slice = slice.clone();
        change(&mut slice);
        let believed = world.directory.slice(Change::Written(&slice));
        (believed, world.find("8080-one.ws.example"))
    };
    let nothing = Place::Workspace(id, vec![]);
    for address in [
        "127.0.0.1",
        "169.254.169.254",
        "0.0.0.0",
        "224.0.0.1",
        "255.255.255.255",
        "::1",
        "fe80::1",
        "::ffff:10.0.0.1",
        "x",
    ] {
        let address = address.to_owned();
        let (believed, place) = with(&|slice| slice.endpoints[0].addresses = vec![address.clone()]);
        assert_eq!((believed, place), (Ok(()), nothing.clone()), "{address}");
    }
    let conditions = |value: serde_json::Value| {
        move |slice: &mut EndpointSlice| {
            slice.endpoints[0].conditions = serde_json::from_value(value.clone()).expect("conditions");
        }
    };
    assert_eq!(with(&conditions(json!({"ready": false}))).1, nothing);
    assert_eq!(with(&conditions(json!({"ready": true, "terminating": true}))).1, nothing);
    let target = |value: serde_json::Value| {
        move |slice: &mut EndpointSlice| {
            slice.endpoints[0].target_ref = serde_json::from_value(value.clone()).expect("a reference");
        }
    };
    assert_eq!(with(&target(json!({"kind": "Pod", "namespace": "elsewhere"}))).1, nothing);
    assert_eq!(with(&target(json!(null))).1, nothing);
    let label = |name: &'static str, value: String| {
        move |slice: &mut EndpointSlice| {
            slice.metadata.labels.get_or_insert_default().insert(name.to_owned(), value.clone());
        }
    };
    assert_eq!(with(&label(WORKSPACE_ID, WorkspaceId::random().to_string())).1, nothing);
    assert_eq!(with(&label(SERVICE_NAME, "other".to_owned())).1, nothing);
    assert_eq!(with(&label(MANAGED_BY, "somebody".to_owned())), (Err(Unbelieved::Keeper), nothing.clone()));
    assert_eq!(with(&label(AGENT_ID, AgentId::random().to_string())).0, Err(Unbelieved::OtherAgent));
    assert_eq!(with(&|_| ()).1, place(id, "10.0.0.7:8080"));
    let foreign = ObjectMeta { namespace: Some("elsewhere".to_owned()), ..slice.metadata.clone() };
    assert_eq!(
        with(&|slice| slice.metadata = foreign.clone()).1,
        place(id, "10.0.0.7:8080"),
        "it is another's"
    );
}

#[test]
fn a_workspace_has_left_when_a_pod_of_it_is_in_no_slice_any_more() {
    let mut world = World::new();
    let (a, service, mut slice) = world.run("a", &[8080], "10.0.0.1");
    world.run("b", &[8080], "10.0.0.2");
    let left = |world: &mut World| world.directory.take_left().into_iter().collect::<Vec<_>>();
    assert_eq!(left(&mut world), [], "it has come");
    // It is ending: nobody new is led there, and what is open goes on.
    let of = |slice: &mut EndpointSlice, conditions| {
        slice.endpoints[0].conditions = Some(serde_json::from_value(conditions).expect("conditions"));
    };
    of(&mut slice, json!({"ready": false, "serving": true, "terminating": true}));
    world.directory.slice(Change::Written(&slice)).expect("believed");
    assert_eq!((world.find("8080-a.ws.example"), left(&mut world)), (Place::Workspace(a, vec![]), vec![]));
    // The same pod is in another slice before it is taken out of this one.
    let mut other = slice.clone();
    other.metadata.name = Some("a-other".to_owned());
    world.directory.slice(Change::Written(&other)).expect("believed");
    world.directory.slice(Change::Deleted(&slice)).expect("believed");
    assert_eq!(left(&mut world), []);
    // Another pod is there in the same moment.
    let next = World::slice(&service, "10.0.0.3");
    let both = EndpointSlice { metadata: other.metadata.clone(), ..next };
    world.directory.slice(Change::Written(&both)).expect("believed");
    assert_eq!(left(&mut world), [a]);
    assert_eq!(left(&mut world), [], "it is told once");
    world.directory.slice(Change::Deleted(&both)).expect("believed");
    assert_eq!(left(&mut world), [a]);
}

#[test]
fn whom_a_new_list_lacks_has_left() {
    let mut world = World::new();
    let (_, _, stays) = world.run("a", &[8080], "10.0.0.1");
    let (b, ..) = world.run("b", &[8080], "10.0.0.2");
    world.directory.slice(Change::Begin).expect("a list");
    world.directory.slice(Change::Listed(&stays)).expect("believed");
    assert!(world.directory.take_left().is_empty(), "not while it comes");
    world.directory.slice(Change::End).expect("a list");
    assert_eq!(world.directory.take_left().into_iter().collect::<Vec<_>>(), [b]);
}

#[test]
fn a_pod_is_found_that_is_not_ready_and_the_one_that_stays_before_the_one_that_ends() {
    let mut world = World::new();
    let (id, service, mut slice) = world.run("one", &[60_001], "10.0.0.7");
    let find =
        |world: &World, host: &str| world.directory.find_pod(&zones().parse(host).expect("an address"));
    let namespace = service.metadata.namespace.clone().expect("one");
    let pod = |name: &str| Some(Pod { namespace: namespace.clone(), name: name.to_owned() });
    assert_eq!(find(&world, "60001-one.ws.example"), Some((id, pod("p"))));
    assert_eq!(find(&world, "9090-one.ws.example"), Some((id, pod("p"))), "whichever port is named");
    assert_eq!(find(&world, "60001-two.ws.example"), None);
    let endpoint = |name: &str, conditions: serde_json::Value| {
        let target = json!({"kind": "Pod", "name": name, "namespace": namespace});
        json!({"addresses": ["10.0.0.8"], "conditions": conditions, "targetRef": target})
    };
    let mut write = |endpoints: Vec<serde_json::Value>| {
        slice.endpoints =
            endpoints.into_iter().map(|one| serde_json::from_value(one).expect("an endpoint")).collect();
        world.directory.slice(Change::Written(&slice)).expect("believed");
        find(&world, "60001-one.ws.example")
    };
    let ending = endpoint("a-old", json!({"ready": false, "serving": true, "terminating": true}));
    let begins = endpoint("b-new", json!({"ready": false, "serving": false, "terminating": false}));
    assert_eq!(write(vec![ending.clone(), begins]), Some((id, pod("b-new"))), "it does not have to be ready");
    assert_eq!(write(vec![ending]), Some((id, pod("a-old"))));
    // A name that would lead elsewhere at the API server is none.
    for wrong in ["../../secrets/a", "a/log?x=", "A", "", "a..b", "-a", "a%2f"] {
        assert_eq!(write(vec![endpoint(wrong, json!({"ready": true}))]), Some((id, None)), "{wrong}");
    }
    assert_eq!(write(vec![]), Some((id, None)), "it does not run");
}

#[test]
fn no_pod_is_found_where_two_workspaces_claim_a_host() {
    let mut world = World::new();
    world.run("one", &[60_001], "10.0.0.7");
    world.run("one", &[60_001], "10.0.0.8");
    assert_eq!(world.directory.find_pod(&zones().parse("60001-one.ws.example").expect("a host")), None);
}
