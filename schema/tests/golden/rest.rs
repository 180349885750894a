//! The bodies of the REST API that administrators' scripts write and read: variables and configurations.

use berth_schema::access::{
    CreateToken, RevokeToken, Role, RotateToken, SubjectKind, Token, TokenCreated, TokenKind, TokenScope,
};
use berth_schema::activity::{ActiveWorkspace, TellActivity};
use berth_schema::agents::{AllowAgent, DisallowAgent};
use berth_schema::api::account::{Account, AccountOrganization, AccountSession};
use berth_schema::api::{
    ChangeVariables, CreateAgent, Paged, RebuildWorkspace, RenewVariables, ResizeWorkspace, VariableInput,
    WhoAmI,
};
use berth_schema::configuration::ConfigurationView;
use berth_schema::connected::{
    AllConnected, Connected, ConnectionKind, ConnectionsEnded, EndConnections, TellConnected, ToldConnection,
    Whose,
};
use berth_schema::elevations::{Elevated, Elevation, ElevationState, Place, RequestElevation};
use berth_schema::groups::{ChangeGroup, CreateGroup, GiveRole, GivenRole, Group, TakeRole};
use berth_schema::idle::{IdleAfter, IdleBy, IdleInForce, IdleMax, IdleRule, IdleSaid, IdleView};
use berth_schema::lifecycle::ExtendWorkspace;
use berth_schema::members::MemberRef;
use berth_schema::ports::{
    ClosePort, DEFAULT_OPEN_MINUTES, DEFAULT_SHARE_MINUTES, OpenPort, OpenedPort, Port, PortShare, Ports,
    PublishPort, SharePort, ShareWith, SharedGroup, SharedWith, Shut, UnsharePort,
};
use berth_schema::projects::{ChangeProject, CreateProject, Project, ProjectSettings};
use berth_schema::scope::{RemoveVariable, Scope, ScopeVariable, Secret, SetVariable, VariableOrigin};
use berth_schema::variables::VariableKind;
use berth_schema::{
    AccountId, AgentConfiguration, ConnectionId, GroupId, OrganizationId, ProjectId, ProjectSpec, ProjectUrl,
    ProxyCopyId, SessionId, SubjectId, TokenId,
};
use jiff::Timestamp;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{check, workspace_id};

#[test]
fn what_a_proxy_tells_keeps_its_shape() {
    let active = vec![ActiveWorkspace { workspace: workspace_id(), seconds_ago: 7 }];
    check("activity", &TellActivity { active });
}

#[test]
fn who_is_connected_keeps_its_shape() {
    let connection = ConnectionId::from_uuid(Uuid::from_u128(7));
    let subject = SubjectId::from_uuid(Uuid::from_u128(5));
    let whose = Whose { connection, session: SessionId::from_uuid(Uuid::from_u128(8)), subject };
    let hers = ToldConnection {
        workspace: workspace_id(),
        port: 60_001,
        kind: ConnectionKind::Browser,
        whose: Some(whose),
        address: "2001:db8::1".parse().ok(),
        open: 3,
        opened_seconds_ago: 70,
        active_seconds_ago: 5,
        bytes_to_workspace: 10,
        bytes_to_person: 20,
    };
    let public = ToldConnection { kind: ConnectionKind::Public, whose: None, address: None, ..hers.clone() };
    let proxy = ProxyCopyId::from_uuid(Uuid::from_u128(9));
    check("tell-connected", &TellConnected { proxy, open: vec![hers, public] });
    let shown = Connected {
        id: Some(connection),
        workspace: "calm-blue-reef".parse().expect("a name"),
        port: 60_022,
        kind: ConnectionKind::Ssh,
        who: Some(MemberRef { id: subject, name: "Ada".to_owned() }),
        address: "192.0.2.1".parse().ok(),
        since: Timestamp::UNIX_EPOCH,
        last_active_at: Timestamp::UNIX_EPOCH,
        open: 1,
        bytes_to_workspace: 10,
        bytes_to_person: 20,
    };
    let nobody =
        Connected { id: None, who: None, address: None, kind: ConnectionKind::Public, ..shown.clone() };
    check("connected", &AllConnected { items: vec![shown, nobody], next: None });
    check("end-connection", &EndConnections { id: Some(connection) });
    check("end-connections", &EndConnections { id: None });
    check("connections-ended", &ConnectionsEnded { ended: 2 });
}

#[test]
fn variables_of_a_scope_keep_their_shape() {
    let set = |name: &str, kind, value: Option<&str>, encoded: Option<&str>, is_final| SetVariable {
        name: name.to_owned(),
        kind,
        value: value.map(|text| Secret(text.to_owned().into())),
        value_base64: encoded.map(|text| Secret(text.to_owned().into())),
        is_final,
    };
    check("set-variable", &set("GREETING", VariableKind::Environment, Some("hello"), None, true));
    check("set-variable-file", &set("key.bin", VariableKind::File, None, Some("AP8="), false));
    let stored = ScopeVariable {
        name: "GREETING".to_owned(),
        kind: VariableKind::Environment,
        version: 2,
        is_final: true,
        updated_at: Timestamp::UNIX_EPOCH,
    };
    check("remove-variable", &RemoveVariable { name: "GREETING".to_owned(), kind: VariableKind::File });
    check("variables", &Paged { items: vec![stored], next: None });
    let origin = |scope, is_final, overrides| VariableOrigin {
        name: "GREETING".to_owned(),
        kind: VariableKind::Environment,
        scope,
        scope_id: (scope == Scope::Group).then_some(Uuid::from_u128(1)),
        path: (scope == Scope::Group).then(|| "platform".to_owned()),
        version: 2,
        set_at: Timestamp::UNIX_EPOCH,
        is_set_by_devfile: false,
        frozen_at: Timestamp::UNIX_EPOCH,
        is_final,
        overrides,
    };
    let origins = [
        origin(Scope::Organization, true, None),
        origin(Scope::Group, false, None),
        origin(Scope::Workspace, false, Some(Scope::Group)),
    ];
    check("variable-origins", &Paged { items: origins.to_vec(), next: None });
}

#[test]
fn groups_and_projects_keep_their_shape() {
    let (id, parent) = (Uuid::from_u128(1), Uuid::from_u128(2));
    check("create-group", &CreateGroup { name: "payments".parse().expect("a name") });
    let path = "platform/payments".parse().expect("a path");
    check("change-group", &ChangeGroup { path });
    let group = |path: &str, parent_id| Group {
        id: GroupId::from(id),
        path: path.parse().expect("a path"),
        parent_id,
        created_at: Timestamp::UNIX_EPOCH,
        agents: None,
    };
    let of_agents =
        Group { agents: Some(vec!["berlin".parse().expect("a name")]), ..group("platform", None) };
    check("group", &of_agents);
    let groups = vec![group("platform/payments", Some(parent.into())), group("platform", None)];
    check("groups", &Paged { items: groups, next: None });
    check("give-role", &GiveRole { member: "Ada".to_owned(), role: Role::Maintainer });
    check("take-role", &TakeRole { member: "Ada".to_owned() });
    let (member, name) = (SubjectId::from(id), "Ada".to_owned());
    let given = GivenRole { member, name, kind: SubjectKind::User, role: Role::Maintainer };
    check("given-roles", &Paged { items: vec![given], next: None });
    let url = ProjectUrl::new("https://git.example/payments/api.git").expect("a URL");
    let repository = ProjectSpec { url, reference: "main".parse().ok() };
    let settings = ProjectSettings {
        repository: Some(repository),
        devfile_path: ".devfile/ruby.yaml".parse().ok(),
        agent: "berlin".parse().ok(),
    };
    check(
        "create-project",
        &CreateProject { name: "api".parse().expect("a name"), settings: settings.clone() },
    );
    let path = "platform/payments/api".parse().ok();
    check("change-project", &ChangeProject { path, settings: Some(settings.clone()) });
    let project = |path: &str, group_id, settings| Project {
        id: ProjectId::from(id),
        path: path.parse().expect("a path"),
        group_id,
        settings,
        version: 2,
        created_at: Timestamp::UNIX_EPOCH,
        updated_at: Timestamp::UNIX_EPOCH,
    };
    let projects = vec![
        project("platform/payments/api", Some(parent.into()), settings),
        project("website", None, ProjectSettings::default()),
    ];
    check("projects", &Paged { items: projects, next: None });
}

/// Everything that a configuration may say.
fn document() -> Value {
    json!({
        "dns_zone": "ws.example",
        "proxy_namespace": "berth-proxy",
        "network_policy": {"enabled": true, "egress": [
            {"allow": "0.0.0.0/0", "except": ["192.0.2.0/24"]},
            {"allow": "10.1.2.0/24", "ports": [{"port": 5432}, {"protocol": "UDP", "port": 6000, "end_port": 6100}]},
        ]},
        "default_resources": {"cpu_request": "100m", "cpu_limit": "1", "memory_request": "128Mi", "memory_limit": "1Gi"},
        "max_resources": {"cpu": "8", "memory": "16Gi"},
        "quotas": {
            "agent": {"workspaces": 100, "running": 50, "cpu": "64", "memory": "128Gi"},
            "user": {"workspaces": 5, "running": 2, "cpu": "8", "memory": "16Gi"},
        },
        "runtime_class": "gvisor",
        "user_namespaces": true,
        "allow_privilege_escalation": true,
        "image_pull_secrets": ["registry"],
        "labels": {"team": "red"},
        "annotations": {"example.com/contact": "red@example.com"},
        "shared_namespace": "berth-shared",
        "lifecycle": {
            "max_active_hours_before_stop": 12, "max_stopped_hours_before_termination": 100, "max_age_hours": 1000,
        },
        "storage_class": "fast",
        "volume_size": "5Gi",
        "node_selector": {"disk": "ssd"},
        "tolerations": [{"key": "gpu", "operator": "Equal", "value": "yes", "effect": "NoExecute", "toleration_seconds": 60}],
        "user": 6000,
        "allowed_groups": ["developers"],
    })
}

#[test]
fn a_configuration_keeps_its_shape() {
    let built_in = AgentConfiguration::built_in();
    let configuration = AgentConfiguration::read(&document(), &built_in).expect("it is right");
    let written = serde_json::to_value(&configuration).expect("JSON");
    let fields = |value: &Value| value.as_object().map(|all| all.keys().cloned().collect::<Vec<_>>());
    assert_eq!(fields(&written), fields(&document()), "none is left out");
    check("configuration", &configuration);
    let effective = AgentConfiguration::default().over(&built_in);
    let view = ConfigurationView {
        version: 3,
        changed_at: Some(Timestamp::UNIX_EPOCH),
        rendered_again: Some(7),
        not_taken: Some(2),
        unknown_groups: vec!["old/name".to_owned()],
        configuration: AgentConfiguration::default(),
        effective,
    };
    check("configuration-view", &view);
}

#[test]
fn shares_of_ports_keep_their_shape() {
    let (port, with) = (8080, ShareWith::Group("platform/payments".to_owned()));
    check("share-port", &SharePort { port, with: with.clone(), minutes: 60 });
    check("publish-port", &PublishPort { port, minutes: DEFAULT_SHARE_MINUTES });
    check("unshare-port", &UnsharePort { port, with: Some(with) });
    check("unshare-port-with-everybody", &UnsharePort { port, with: None });
    let (shared_at, expires_at) = (Timestamp::UNIX_EPOCH, Timestamp::UNIX_EPOCH);
    let share = |with| PortShare { with, shared_at, expires_at, shut: None };
    let subject = SubjectId::from_uuid(Uuid::from_u128(5));
    let group = SharedGroup {
        id: GroupId::from_uuid(Uuid::from_u128(6)),
        path: Some("platform".parse().expect("a path")),
    };
    let shares = vec![
        share(SharedWith::User(MemberRef { id: subject, name: "Bob".to_owned() })),
        share(SharedWith::Group(group)),
        share(SharedWith::Organization),
        PortShare { shut: Some(Shut::Rule), ..share(SharedWith::Public) },
    ];
    let url = Some("https://8080-calm-blue-reef.workspaces.example/".to_owned());
    let private = Port { name: "db".to_owned(), port: 5432, url: None, opened: None, shares: Vec::new() };
    let how = OpenedPort { opened_at: shared_at, expires_at, shut: None };
    let opened = Port { name: "preview".to_owned(), port: 3000, opened: Some(how), ..private.clone() };
    let web = Port { name: "web".to_owned(), port, url, opened: None, shares };
    check("ports", &Ports { items: vec![web, private, opened], next: None });
    let name = Some("preview".parse().expect("a name"));
    check("open-port", &OpenPort { port: 3000, name, minutes: 60 });
    check("open-port-as-usual", &OpenPort { port: 3000, name: None, minutes: DEFAULT_OPEN_MINUTES });
    check("close-port", &ClosePort { port: 3000 });
}

#[test]
fn what_else_is_sent_keeps_its_shape() {
    let text = |text: &str| Some(text.to_owned());
    let group = Some("platform/payments".to_owned());
    check("allow-agent", &AllowAgent { group: group.clone(), organization: false });
    check("allow-agent-everywhere", &AllowAgent { group: None, organization: true });
    check("disallow-agent", &DisallowAgent { group, organization: false, stop_now: true });
    check("create-agent", &CreateAgent { name: "berlin".parse().expect("a name") });
    check("resize-workspace", &ResizeWorkspace { cpu: text("2"), memory: text("4Gi"), disk: text("20Gi") });
    let rebuild =
        RebuildWorkspace { devfile: None, devcontainer: None, image: text("registry.example/dev:2") };
    check("rebuild-workspace", &rebuild);
    let set = VariableInput {
        name: "TOKEN".to_owned(),
        kind: VariableKind::Environment,
        value: Some("…".to_owned().into()),
        value_base64: None,
    };
    let gone = RemoveVariable { name: "ca.pem".to_owned(), kind: VariableKind::File };
    check("change-variables", &ChangeVariables { set: vec![set], remove: vec![gone], restart: true });
    check("renew-variables", &RenewVariables { restart: true });
    check("extend-workspace", &ExtendWorkspace { hours: 8 });
    check("idle-rule", &IdleRule { stop_after: Some(IdleAfter::Minutes(60)), max_minutes: Some(480) });
    check("idle-rule-never", &IdleRule { stop_after: Some(IdleAfter::Never), max_minutes: None });
    let (project, group) =
        (IdleBy::Project("web".parse().expect("a path")), IdleBy::Group("a/b".parse().expect("a path")));
    let in_force = IdleInForce {
        said: IdleSaid { stop_after: IdleAfter::Minutes(480), by: IdleBy::Organization },
        in_place_of: Some(IdleSaid { stop_after: IdleAfter::Never, by: project }),
        max: Some(IdleMax { minutes: 480, by: group }),
    };
    check("idle-view", &IdleView { rule: IdleRule::default(), in_force: Some(in_force) });
    let who = WhoAmI {
        organization_id: OrganizationId::from_uuid(Uuid::from_u128(3)),
        organization: "acme".parse().expect("a name"),
        token_name: "first administrator".to_owned(),
        token_id: Some(TokenId::from_uuid(Uuid::from_u128(4))),
        scope: TokenScope::Full,
        role: Some(Role::Maintainer),
        expires_at: None,
        elevations: Vec::new(),
    };
    check("whoami", &who);
}

#[test]
fn roles_for_a_time_keep_their_shape() {
    let id = Uuid::from_u128;
    let place = Place { group: Some("platform".to_owned()), project: None };
    let time = |second| Timestamp::from_second(second).expect("a time");
    let given = Elevation {
        id: id(5).into(),
        member: id(6).into(),
        name: "Ada".to_owned(),
        role: Role::Maintainer,
        place: place.clone(),
        reason: "a deploy".to_owned(),
        seconds: 3600,
        state: ElevationState::Active,
        created_at: time(1_800_000_000),
        decide_by: time(1_800_086_400),
        decided_at: Some(time(1_800_000_060)),
        decided_by: Some(id(7).into()),
        decided_by_name: Some("Grace".to_owned()),
        ends_at: Some(time(1_800_003_660)),
        ended_at: None,
    };
    check("elevation", &given);
    check(
        "request_elevation",
        &RequestElevation { role: Role::Owner, reason: "a deploy".to_owned(), seconds: None },
    );
    check(
        "elevated",
        &Elevated { id: id(5).into(), role: Role::Maintainer, place, ends_at: time(1_800_003_660) },
    );
}

#[test]
fn access_tokens_keep_their_shape() {
    let create = CreateToken {
        name: "ci".parse().expect("a name"),
        scope: TokenScope::ReadOnly,
        expires_at: None,
        same_subject: true,
        role: Some(Role::Viewer),
    };
    check("create-token", &create);
    check("rotate-token", &RotateToken { overlap_seconds: 3600, expires_at: Some(Timestamp::UNIX_EPOCH) });
    check("revoke-token", &RevokeToken { force: true });
    let details = Token {
        signed_by: Some("…".to_owned()),
        id: TokenId::from_uuid(Uuid::from_u128(4)),
        subject_id: Some(SubjectId::from_uuid(Uuid::from_u128(6))),
        subject_name: Some("ci".to_owned()),
        kind: TokenKind::Session,
        name: "ci".to_owned(),
        scope: TokenScope::ReadOnly,
        created_at: Timestamp::UNIX_EPOCH,
        created_by: Some(TokenId::from_uuid(Uuid::from_u128(5))),
        created_by_name: Some("first administrator".to_owned()),
        last_used_at: Some(Timestamp::UNIX_EPOCH),
        expires_at: Some(Timestamp::UNIX_EPOCH),
        rotated_at: Some(Timestamp::UNIX_EPOCH),
        previous_valid_until: Some(Timestamp::UNIX_EPOCH),
        revoked_at: None,
        key_revoked: true,
    };
    let role = Some(Role::Viewer);
    check("token-created", &TokenCreated { details, role, token: "eyJ…".to_owned() });
}

#[test]
fn an_account_keeps_its_shape() {
    let organization = |id, name: &str, role, suspended| AccountOrganization {
        id: OrganizationId::from_uuid(Uuid::from_u128(id)),
        name: name.parse().expect("a name"),
        role,
        suspended,
        elevations: Vec::new(),
        member_id: None,
    };
    let account = Account {
        id: AccountId::from_uuid(Uuid::from_u128(7)),
        name: "Zoë".to_owned(),
        session: AccountSession {
            id: SessionId::from_uuid(Uuid::from_u128(8)),
            expires_at: Timestamp::UNIX_EPOCH,
        },
        organizations: vec![
            organization(3, "acme", Role::Owner, false),
            organization(9, "umbrella", Role::Auditor, true),
        ],
        new_device_at: None,
    };
    check("account", &account);
}
