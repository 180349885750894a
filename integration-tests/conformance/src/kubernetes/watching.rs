//! Lists and watches of a real API server.

use std::fmt::Debug;
use std::rc::Rc;

use berth_agent_core::{Kind, Watched};
use berth_schema::kubernetes::AGENT_ID;
use berth_simulation::cluster::{ApiError, Following, Listing, Object, Seen, WatchEnd};
use futures::stream::{BoxStream, StreamExt as _};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{ApiResource, DynamicObject, ListParams, WatchEvent, WatchParams};
use kube::core::PartialObjectMeta;
use kube::{Api, Resource};
use serde::de::DeserializeOwned;

use super::{RealAccess, told};

/// A kind of object that is watched: whole, or its metadata only.
trait Shown: Clone + Debug + DeserializeOwned + Send + Sync + 'static {
    fn object(self) -> Object;
}

impl Shown for Deployment {
    fn object(self) -> Object {
        self.into()
    }
}

impl<K: Clone + Debug + Send + Sync + 'static> Shown for PartialObjectMeta<K> {
    fn object(self) -> Object {
        self.metadata.into()
    }
}

/// An event before it is told apart from a bookmark.
enum Event {
    Seen(Seen, u64),
    Bookmark(u64),
    End(WatchEnd),
}

/// An open watch of a real API server.
pub struct RealWatch {
    events: BoxStream<'static, Box<dyn FnOnce() -> Event + Send>>,
    version: u64,
}

impl Debug for RealWatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RealWatch").field("version", &self.version).finish_non_exhaustive()
    }
}

impl RealWatch {
    pub(super) async fn open(access: &RealAccess, watched: Watched, after: u64) -> Result<Self, WatchEnd> {
        match watched {
            Watched::Applied(Kind::Deployment) => follow(access, &deployments(access), after).await,
            _ => follow(access, &metadata(access, watched), after).await,
        }
    }
}

impl Following for RealWatch {
    async fn next(&mut self) -> Result<Seen, WatchEnd> {
        loop {
            // A stream that ends without a word can be taken up where it was.
            let Some(event) = self.events.next().await else { return Err(WatchEnd::Closed) };
            match event() {
                Event::Seen(seen, version) => {
                    self.version = version;
                    return Ok(seen);
                }
                Event::Bookmark(version) => self.version = version,
                Event::End(end) => return Err(end),
            }
        }
    }

    fn version(&self) -> u64 {
        self.version
    }
}

fn deployments(access: &RealAccess) -> Api<Deployment> {
    Api::all(access.client.clone())
}

fn metadata(access: &RealAccess, watched: Watched) -> Api<PartialObjectMeta<DynamicObject>> {
    let resource = match watched {
        Watched::Pod => ApiResource::erase::<Pod>(&()),
        Watched::Applied(kind) => super::resource(kind),
    };
    Api::all_with(access.client.clone(), &resource)
}

async fn follow<K>(access: &RealAccess, api: &Api<K>, after: u64) -> Result<RealWatch, WatchEnd>
where
    K: Shown + Resource,
{
    let labels = format!("{AGENT_ID}={}", access.agent);
    let parameters = WatchParams::default().labels(&labels).timeout(access.watch_seconds);
    let events = api.watch(&parameters, &after.to_string()).await.map_err(|error| end(&error))?;
    let events = events.map(|event| {
        let event: Box<dyn FnOnce() -> Event + Send> = Box::new(move || read(event));
        event
    });
    Ok(RealWatch { events: events.boxed(), version: after })
}

fn end(error: &kube::Error) -> WatchEnd {
    match told(error).code {
        Some(410) => WatchEnd::Gone,
        _ => WatchEnd::Closed,
    }
}

fn read<K: Shown + Resource>(event: kube::Result<WatchEvent<K>>) -> Event {
    match event {
        Ok(WatchEvent::Added(object) | WatchEvent::Modified(object)) => {
            let at = version(object.meta());
            Event::Seen(Seen::Applied(Rc::new(object.object())), at)
        }
        Ok(WatchEvent::Deleted(object)) => {
            let at = version(object.meta());
            Event::Seen(Seen::Deleted(Rc::new(object.object())), at)
        }
        Ok(WatchEvent::Bookmark(bookmark)) => {
            Event::Bookmark(bookmark.metadata.resource_version.parse().unwrap_or_default())
        }
        Ok(WatchEvent::Error(status)) if status.code == 410 => Event::End(WatchEnd::Gone),
        Ok(WatchEvent::Error(_)) => Event::End(WatchEnd::Closed),
        Err(error) => Event::End(end(&error)),
    }
}

/// Versions are opaque to the agent. Here they are compared, and Kubernetes promises that they can be.
fn version(metadata: &ObjectMeta) -> u64 {
    metadata.resource_version.as_deref().and_then(|version| version.parse().ok()).unwrap_or_default()
}

pub(super) async fn list(access: &RealAccess, watched: Watched, relist: bool) -> Result<Listing, ApiError> {
    match watched {
        Watched::Applied(Kind::Deployment) => whole(access, &deployments(access), relist).await,
        _ => whole(access, &metadata(access, watched), relist).await,
    }
}

/// With `relist`, whatever the API server has at hand.
async fn whole<K: Shown>(access: &RealAccess, api: &Api<K>, relist: bool) -> Result<Listing, ApiError> {
    let labels = format!("{AGENT_ID}={}", access.agent);
    let mut parameters = ListParams::default().labels(&labels);
    if relist {
        parameters = parameters.match_any();
    }
    let list = api.list(&parameters).await.map_err(|error| told(&error))?;
    let version = list.metadata.resource_version.and_then(|version| version.parse().ok());
    Ok(Listing {
        version: version.unwrap_or_default(),
        objects: list.items.into_iter().map(|object| Rc::new(object.object())).collect(),
    })
}
