//! Where workspaces are: what the cluster's Services and EndpointSlices say, as far as they are believed.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::hash::Hash;
use std::net::{IpAddr, SocketAddr};

use berth_schema::kubernetes::{
    AGENT_ID, HOST_TEMPLATE, SSH_PORT, WORKSPACE_ID, WORKSPACE_NAME, is_shared, object_name, own_namespace,
};
use berth_schema::{AgentId, WorkspaceId, WorkspaceName};
use k8s_openapi::api::core::v1::Service;
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::{Address, Zones};

/// Label of a slice: the Service that it is of.
const SERVICE_NAME: &str = "kubernetes.io/service-name";
/// Label of a slice: who keeps it.
const MANAGED_BY: &str = "endpointslice.kubernetes.io/managed-by";
const CONTROLLER: &str = "endpointslice-controller.k8s.io";
/// The most addresses of one port that are kept: a workspace has one pod.
const MOST: usize = 16;

/// Why an object is not served. An operator reads it in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unbelieved {
    #[error("it has no name, or no namespace")]
    Nameless,
    #[error("it is another agent's")]
    OtherAgent,
    #[error("its labels name no workspace")]
    NoWorkspace,
    #[error("its namespace is not the workspace's that its labels name")]
    Namespace,
    #[error("its own name is not the workspace's that its labels name")]
    Name,
    #[error("its host template is not the workspace's that its labels name, below a zone of this proxy")]
    Template,
    #[error("it is not kept by the cluster's controller of slices")]
    Keeper,
}

/// Which object of its kind.
type Key = (String, String);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Claim {
    workspace: WorkspaceId,
    name: WorkspaceName,
    zone: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Slice {
    service: Key,
    workspace: WorkspaceId,
    /// Where somebody new is led.
    addresses: Vec<IpAddr>,
    /// The same, and pods that are not ready or are ending: what is open there goes on.
    standing: Vec<IpAddr>,
    /// The names of these, and which of them are ending.
    pods: Vec<(bool, String)>,
}

/// A pod of a workspace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pod {
    pub namespace: String,
    pub name: String,
}

/// Where an address leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A workspace, and where its pods answer at that port, if at all: none where it does not run. Whether it has such a port is the server's
    /// to say.
    Workspace(WorkspaceId, Vec<SocketAddr>),
    /// There is no such workspace.
    Nowhere,
    /// Two workspaces claim to be it: none of them is.
    Ambiguous,
}

/// What has changed of one kind of object.
#[derive(Clone, Copy, Debug)]
pub enum Change<T> {
    Written(T),
    Deleted(T),
    /// A list follows; what is not in it is gone when it ends.
    Begin,
    Listed(T),
    End,
}

/// What is known, by Service and by slice: what is deleted takes away what it said and nothing else.
#[derive(Debug)]
pub struct Directory {
    agent: AgentId,
    zones: Zones,
    services: Known<Claim>,
    slices: Known<Slice>,
    /// Objects of a list that has begun.
    listed_services: Option<Known<Claim>>,
    listed_slices: Option<Known<Slice>>,
    /// Since that was asked last.
    left: BTreeSet<WorkspaceId>,
}

impl Directory {
    pub fn new(agent: AgentId, zones: Zones) -> Self {
        Self {
            agent,
            zones,
            services: Known::default(),
            slices: Known::default(),
            listed_services: None,
            listed_slices: None,
            left: BTreeSet::new(),
        }
    }

    /// # Errors
    /// Why an object is not believed. It counts for nothing then, and neither does what it said before.
    pub fn service(&mut self, change: Change<&Service>) -> Result<(), Unbelieved> {
        let (agent, zones) = (self.agent, &self.zones);
        take(&mut self.services, &mut self.listed_services, change, |service| claim(agent, zones, service))
    }

    /// # Errors
    /// As [`Self::service`].
    pub fn slice(&mut self, change: Change<&EndpointSlice>) -> Result<(), Unbelieved> {
        let agent = self.agent;
        // Of one slice, or where a list ends of all: what that lacks may be anybody's.
        let touched = match change {
            Change::Written(one) | Change::Deleted(one) => {
                key(&one.metadata).ok().and_then(|key| self.slices.all.get(&key))
            }
            Change::Begin | Change::Listed(_) | Change::End => None,
        };
        let is_end = matches!(change, Change::End);
        let service = touched.map(|slice| slice.service.clone());
        let before = standing(touched.into_iter().chain(self.slices.all.values().filter(|_| is_end)));
        let taken = take(&mut self.slices, &mut self.listed_slices, change, |found| slice(agent, found));
        if !before.is_empty() {
            let of_it = service.iter().flat_map(|service| self.slices.by(service)).map(|(_, slice)| slice);
            let after = standing(of_it.chain(self.slices.all.values().filter(|_| is_end)));
            self.left.extend(before.difference(&after).map(|(workspace, _)| *workspace));
        }
        taken
    }

    /// Workspaces that had a pod which is no more, since this was asked last. Whatever is open to them leads nowhere: the network may
    /// have swallowed the pod's last words. Of two pods one after the other the first goes before anybody is led to the second.
    pub fn take_left(&mut self) -> BTreeSet<WorkspaceId> {
        std::mem::take(&mut self.left)
    }

    /// How many workspaces are known.
    pub fn len(&self) -> usize {
        self.services.all.len()
    }

    pub fn is_empty(&self) -> bool {
        self.services.all.is_empty()
    }

    pub fn find(&self, address: &Address) -> Place {
        self.look(address, address.port)
    }

    /// Where sshd answers of the workspace that a host is of, whichever of its ports that names.
    pub fn find_ssh(&self, address: &Address) -> Place {
        self.look(address, SSH_PORT)
    }

    /// The workspace that a host is of, and its pod, whether or not anything answers there: what is written before all is ready is kept, too.
    /// `None`: there is no such workspace, or two claim to be it.
    pub fn find_pod(&self, address: &Address) -> Option<(WorkspaceId, Option<Pod>)> {
        let (key, claim) = self.claim(address).ok()?;
        let of_it =
            self.slices.by(key).map(|(_, slice)| slice).filter(|slice| slice.workspace == claim.workspace);
        // Of two pods one after the other it is the one that stays.
        let pod = of_it.flat_map(|slice| &slice.pods).min().map(|(_, name)| name.clone());
        Some((claim.workspace, pod.map(|name| Pod { namespace: key.0.clone(), name })))
    }

    /// The one claim of a host.
    fn claim(&self, address: &Address) -> Result<(&Key, &Claim), Place> {
        let asked = (address.zone().to_ascii_lowercase(), address.workspace.clone());
        let mut claims = self.services.by(&asked);
        match (claims.next(), claims.next()) {
            (Some(claim), None) => Ok(claim),
            (Some(_), Some(_)) => Err(Place::Ambiguous),
            (None, _) => Err(Place::Nowhere),
        }
    }

    fn look(&self, address: &Address, port: u16) -> Place {
        let (key, claim) = match self.claim(address) {
            Ok(claim) => claim,
            Err(place) => return place,
        };
        let of_it = |slice: &&Slice| slice.workspace == claim.workspace;
        let slices = self.slices.by(key).map(|(_, slice)| slice).filter(of_it);
        let addresses = slices.flat_map(|slice| &slice.addresses);
        let unique: BTreeSet<_> = addresses.copied().take(MOST).collect();
        let places = unique.into_iter().map(|ip| SocketAddr::new(ip, port)).collect();
        Place::Workspace(claim.workspace, places)
    }
}

/// Objects of one kind, found by their key and by what is asked for: a request must not cost more the more workspaces there are.
#[derive(Debug)]
struct Known<V: Sought> {
    all: HashMap<Key, V>,
    sought: HashMap<V::By, BTreeSet<Key>>,
}

/// What an object is looked for by, beside its key.
trait Sought {
    type By: Eq + Hash;

    fn sought_by(&self) -> Self::By;
}

impl Sought for Claim {
    /// Zone, in lower case, and name.
    type By = (String, WorkspaceName);

    fn sought_by(&self) -> Self::By {
        (self.zone.to_ascii_lowercase(), self.name.clone())
    }
}

impl Sought for Slice {
    /// Its Service.
    type By = Key;

    fn sought_by(&self) -> Self::By {
        self.service.clone()
    }
}

impl<V: Sought> Default for Known<V> {
    fn default() -> Self {
        Self { all: HashMap::new(), sought: HashMap::new() }
    }
}

impl<V: Sought> Known<V> {
    fn insert(&mut self, key: Key, value: V) {
        self.remove(&key);
        self.sought.entry(value.sought_by()).or_default().insert(key.clone());
        self.all.insert(key, value);
    }

    fn remove(&mut self, key: &Key) {
        let Some(value) = self.all.remove(key) else { return };
        let by = value.sought_by();
        if let Some(keys) = self.sought.get_mut(&by) {
            keys.remove(key);
            if keys.is_empty() {
                self.sought.remove(&by);
            }
        }
    }

    fn by(&self, by: &V::By) -> impl Iterator<Item = (&Key, &V)> {
        self.sought.get(by).into_iter().flatten().filter_map(|key| self.all.get_key_value(key))
    }
}

/// One kind's change, and whether the object is believed. One that is about to be deleted is gone.
fn take<T, V: Sought>(
    known: &mut Known<V>,
    listed: &mut Option<Known<V>>,
    change: Change<&T>,
    read: impl Fn(&T) -> Result<V, Unbelieved>,
) -> Result<(), Unbelieved>
where
    T: k8s_openapi::Metadata<Ty = ObjectMeta>,
{
    match change {
        Change::Begin => *listed = Some(Known::default()),
        Change::End => {
            if let Some(listed) = listed.take() {
                *known = listed;
            }
        }
        Change::Deleted(object) => known.remove(&key(object.metadata())?),
        Change::Written(object) | Change::Listed(object) => {
            let key = key(object.metadata())?;
            let is_going = object.metadata().deletion_timestamp.is_some();
            let value = if is_going { None } else { Some(read(object)) };
            let place = match (&change, listed) {
                (Change::Listed(_), Some(listed)) => listed,
                _ => known,
            };
            match value {
                Some(Ok(value)) => place.insert(key, value),
                Some(Err(why)) => {
                    place.remove(&key);
                    return Err(why);
                }
                None => place.remove(&key),
            }
        }
    }
    Ok(())
}

fn key(metadata: &ObjectMeta) -> Result<Key, Unbelieved> {
    metadata.namespace.clone().zip(metadata.name.clone()).ok_or(Unbelieved::Nameless)
}

/// Whose an object of this agent is.
fn workspace(agent: AgentId, labels: &BTreeMap<String, String>) -> Result<WorkspaceId, Unbelieved> {
    if labels.get(AGENT_ID).and_then(|id| id.parse().ok()) != Some(agent) {
        return Err(Unbelieved::OtherAgent);
    }
    labels.get(WORKSPACE_ID).and_then(|id| id.parse().ok()).ok_or(Unbelieved::NoWorkspace)
}

fn claim(agent: AgentId, zones: &Zones, service: &Service) -> Result<Claim, Unbelieved> {
    let (namespace, own) = key(&service.metadata)?;
    let labels = service.metadata.labels.as_ref().ok_or(Unbelieved::NoWorkspace)?;
    let workspace = workspace(agent, labels)?;
    let name = labels.get(WORKSPACE_NAME).and_then(|name| WorkspaceName::new(name.as_str()).ok());
    let name = name.ok_or(Unbelieved::NoWorkspace)?;
    if namespace != own_namespace(&name, workspace) && !is_shared(&name, workspace, &namespace) {
        return Err(Unbelieved::Namespace);
    }
    if own != object_name(&name, workspace, &namespace) {
        return Err(Unbelieved::Name);
    }
    let template = service.metadata.annotations.as_ref().and_then(|all| all.get(HOST_TEMPLATE));
    let zone = template.and_then(|template| template.strip_prefix(&format!("{{{{port}}}}-{name}.")));
    let zone = zone.filter(|zone| zones.contains(zone)).ok_or(Unbelieved::Template)?.to_owned();
    Ok(Claim { workspace, name, zone })
}

fn slice(agent: AgentId, slice: &EndpointSlice) -> Result<Slice, Unbelieved> {
    let (namespace, _) = key(&slice.metadata)?;
    let labels = slice.metadata.labels.as_ref().ok_or(Unbelieved::NoWorkspace)?;
    let workspace = workspace(agent, labels)?;
    if labels.get(MANAGED_BY).map(String::as_str) != Some(CONTROLLER) {
        return Err(Unbelieved::Keeper);
    }
    let service = labels.get(SERVICE_NAME).cloned().ok_or(Unbelieved::Nameless)?;
    let is_ready = |endpoint: &&k8s_openapi::api::discovery::v1::Endpoint| {
        let conditions = endpoint.conditions.as_ref();
        conditions
            .is_none_or(|conditions| conditions.ready != Some(false) && conditions.terminating != Some(true))
    };
    let is_pod = |endpoint: &&k8s_openapi::api::discovery::v1::Endpoint| {
        let target = endpoint.target_ref.as_ref();
        target.is_some_and(|target| {
            target.kind.as_deref() == Some("Pod") && target.namespace.as_deref() == Some(namespace.as_str())
        })
    };
    let pods = || slice.endpoints.iter().filter(is_pod);
    let standing = addresses(pods());
    let named = pods().filter_map(|endpoint| {
        let name = endpoint.target_ref.as_ref()?.name.clone().filter(|name| is_object_name(name))?;
        let conditions = endpoint.conditions.as_ref();
        Some((conditions.is_some_and(|conditions| conditions.terminating == Some(true)), name))
    });
    let named = named.take(MOST).collect();
    let addresses = addresses(pods().filter(is_ready));
    Ok(Slice { service: (namespace.clone(), service), workspace, addresses, standing, pods: named })
}

/// Whether that can be an object's name (an RFC 1123 subdomain): it becomes a part of an address at the API server.
fn is_object_name(text: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'.');
    let is_label = |label: &str| !label.is_empty() && !label.starts_with('-') && !label.ends_with('-');
    text.len() <= 253 && text.bytes().all(inner) && text.split('.').all(is_label)
}

/// The pods of some slices, and whose they are.
fn standing<'s>(slices: impl Iterator<Item = &'s Slice>) -> HashSet<(WorkspaceId, IpAddr)> {
    slices.flat_map(|slice| slice.standing.iter().map(|address| (slice.workspace, *address))).collect()
}

fn addresses<'e>(
    endpoints: impl Iterator<Item = &'e k8s_openapi::api::discovery::v1::Endpoint>,
) -> Vec<IpAddr> {
    let addresses = endpoints.flat_map(|endpoint| &endpoint.addresses);
    addresses.filter_map(|address| address.parse().ok()).filter(may_be_a_pods).take(MOST).collect()
}

/// Whatever a slice says: this machine itself, cloud metadata and groups are no pods.
fn may_be_a_pods(address: &IpAddr) -> bool {
    let is_link_local = match address {
        IpAddr::V4(address) => address.is_link_local() || address.is_broadcast(),
        IpAddr::V6(address) => address.is_unicast_link_local() || address.to_ipv4_mapped().is_some(),
    };
    !(address.is_loopback() || address.is_unspecified() || address.is_multicast() || is_link_local)
}

#[cfg(test)]
mod tests;
