//! Whose everything is, looked at before anything is written: the one way from the agent to an object of the API server.
//!
//! The policy (`berth_agent_core::Identity`) says what a server may ask for; this is about what is there already. The namespace
//! is read before the first write, and the owner of each object before that object is written over. What is there without this
//! agent's labels is never taken over, pruned or deleted. Every write holds on to what was looked at: by the object's uid, or,
//! where nothing was, by a version that no object has.

use berth_agent_core::{Kind, Known, NO_VERSION, Owner, Place, SecretManifest, Trespass};
use berth_schema::kubernetes::FIELD_MANAGER;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{ListParams, Patch, PatchParams, PostParams};
use serde::Serialize;
use serde_json::Value;

use crate::cluster::Cluster;
use crate::failure::{self, Failure, during};

/// How often an object is looked at and written when somebody makes or deletes it at the same moment.
const ATTEMPTS: u32 = 3;

/// A namespace in which an owner's objects may be written: it was looked at.
#[derive(Debug)]
pub struct Ground<'a> {
    cluster: &'a Cluster,
    namespace: &'a str,
    owner: Owner,
    /// What is the owner's without saying so.
    known: &'a Known,
    /// The namespace as it was; none: it is made first, and nothing of anybody is in it.
    live: Option<ObjectMeta>,
}

/// What was found where an object is to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Found {
    Nothing,
    /// An object of the same owner, by its uid.
    Ours(String),
}

impl<'a> Ground<'a> {
    /// Looks at a namespace. `made`: the first thing to be written is the Namespace itself. `known`: what is the owner's although it
    /// may not say so any more.
    pub async fn enter(
        cluster: &'a Cluster,
        namespace: &'a str,
        owner: Owner,
        place: Place,
        made: bool,
        known: &'a Known,
    ) -> Result<Self, Failure> {
        let live = cluster.metadata(Kind::Namespace, namespace, namespace).await?;
        let ground = Self { cluster, namespace, owner, known, live };
        let back = made && ground.live.as_ref().is_some_and(|live| ground.takes_back(Kind::Namespace, live));
        let entered = cluster.identity().may_enter(owner, place, ground.live.as_ref(), made);
        match entered {
            Err(Trespass::Foreign) if back && place == Place::Own => {}
            Err(trespass) => return Err(refused(trespass, namespace)),
            Ok(()) => {}
        }
        if ground.is_leaving() { Err(Failure::Leaving { name: namespace.to_owned() }) } else { Ok(ground) }
    }

    /// Whether somebody has deleted the namespace, and it is there still.
    fn is_leaving(&self) -> bool {
        self.live.as_ref().is_some_and(|live| live.deletion_timestamp.is_some())
    }

    /// Whether there is no namespace yet.
    pub const fn is_new(&self) -> bool {
        self.live.is_none()
    }

    /// Whether an object is this owner's: by its labels, or because it is the very one that was, and nobody has given it to
    /// somebody else.
    pub fn owns(&self, kind: Kind, live: &ObjectMeta) -> bool {
        self.cluster.identity().owns(live, self.owner) || self.takes_back(kind, live)
    }

    fn takes_back(&self, kind: Kind, live: &ObjectMeta) -> bool {
        self.known.is(kind, live) && self.cluster.identity().may_take_back(live, self.owner)
    }

    /// Looks whose an object is.
    async fn look(&self, kind: Kind, name: &str) -> Result<Found, Failure> {
        let own = self.own(kind, name).await?;
        Ok(own.map_or(Found::Nothing, |live| Found::Ours(live.uid.unwrap_or_default())))
    }

    /// What is there, if it is this owner's; what was found of the namespace when it was entered.
    pub async fn seen(&self, kind: Kind, name: &str) -> Result<Option<ObjectMeta>, Failure> {
        match (kind, &self.live) {
            (_, None) => Ok(None),
            (Kind::Namespace, live) => Ok(live.clone()),
            _ => self.own(kind, name).await,
        }
    }

    /// Whether anything is there, whoever it belongs to.
    pub async fn has(&self, kind: Kind, name: &str) -> Result<bool, Failure> {
        self.find(kind, name).await.map(|found| found.is_some())
    }

    /// What is there, if it is this owner's.
    async fn own(&self, kind: Kind, name: &str) -> Result<Option<ObjectMeta>, Failure> {
        let live = match kind {
            Kind::Namespace => self.cluster.metadata(kind, name, name).await?,
            _ => self.find(kind, name).await?,
        };
        if live.as_ref().is_some_and(|live| !self.owns(kind, live)) {
            return Err(foreign(kind, name));
        }
        Ok(live)
    }

    /// By a list of one: the agent has no right to read most kinds, and of Secrets only the metadata is asked for.
    async fn find(&self, kind: Kind, name: &str) -> Result<Option<ObjectMeta>, Failure> {
        let one = ListParams::default().fields(&format!("metadata.name={name}"));
        let list = self.cluster.api(kind, self.namespace).list_metadata(&one).await;
        let list = list.map_err(during(format!("looking at {}/{name}", kind.as_str())))?;
        Ok(list
            .items
            .into_iter()
            .map(|object| object.metadata)
            .find(|found| found.name.as_deref() == Some(name)))
    }

    /// Applies an object on condition that it is this owner's, or that nothing is there.
    pub async fn apply(&self, kind: Kind, name: &str, mut object: Value) -> Result<ObjectMeta, Failure> {
        let what = || format!("applying {}/{name}", kind.as_str());
        // Of a namespace what was found is known already, and in one that is made now nothing is.
        let mut found = match (&self.live, kind) {
            (None, _) => Found::Nothing,
            (Some(live), Kind::Namespace) => Found::Ours(live.uid.clone().unwrap_or_default()),
            (Some(_), _) => self.look(kind, name).await?,
        };
        for attempt in 1.. {
            found.bind(&mut object["metadata"]);
            match self.patch(kind, name, &object).await {
                Err(error) if failure::code(&error) == Some(409) && attempt < ATTEMPTS => {
                    found = self.look(kind, name).await?;
                }
                answer => return answer.map_err(during(what())),
            }
        }
        Err(Failure::Contended)
    }

    /// Puts an object in the place of what somebody has made of it: whatever was added goes, which an apply would leave.
    pub async fn replace(&self, kind: Kind, name: &str, mut object: Value) -> Result<ObjectMeta, Failure> {
        for attempt in 1.. {
            let Some(live) = self.own(kind, name).await? else { break };
            object["metadata"]["uid"] = Value::from(live.uid.clone());
            object["metadata"]["resourceVersion"] = Value::from(live.resource_version.clone());
            match self.put(kind, name, object.clone()).await {
                Err(error) if matches!(failure::code(&error), Some(404 | 409)) && attempt < ATTEMPTS => {}
                // Somebody made it immutable.
                Err(error) if failure::code(&error) == Some(422) => {
                    self.cluster.delete(kind, self.namespace, &live).await?;
                    break;
                }
                answer => return answer.map_err(during(format!("replacing {}/{name}", kind.as_str()))),
            }
        }
        self.apply(kind, name, object).await
    }

    /// Writes a Secret so that it holds what came and nothing else, whatever somebody has made of it. Its values are never
    /// read for that.
    pub async fn write_secret(&self, secret: &SecretManifest) -> Result<ObjectMeta, Failure> {
        let told = |source| Failure::Secret { what: format!("applying Secret/{}", secret.name), source };
        match self.patch(Kind::Secret, &secret.name, &secret.new_one()).await {
            Err(error) if failure::code(&error) == Some(409) => {}
            made => return made.map_err(told),
        }
        let Found::Ours(uid) = self.look(Kind::Secret, &secret.name).await? else {
            return Err(Failure::Contended);
        };
        let api = self.cluster.api(Kind::Secret, self.namespace);
        let parameters =
            PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
        match api.patch_metadata(&secret.name, &parameters, &Patch::Strategic(secret.over(Some(&uid)))).await
        {
            // It was made immutable, or is of another type.
            Err(error) if failure::code(&error) == Some(422) => {}
            patched => return patched.map(|answer| answer.metadata).map_err(told),
        }
        let name = Some(secret.name.clone());
        let live = ObjectMeta { name, uid: Some(uid), ..ObjectMeta::default() };
        self.cluster.delete(Kind::Secret, self.namespace, &live).await?;
        self.patch(Kind::Secret, &secret.name, &secret.new_one()).await.map_err(told)
    }

    /// That a Secret which is named and not written is this owner's, or not there.
    pub async fn is_not_foreign(&self, secret: &str) -> Result<(), Failure> {
        if self.is_new() { Ok(()) } else { self.look(Kind::Secret, secret).await.map(drop) }
    }

    /// Sends a full replacement: whoever calls has put into the object what it was seen to be. What the API server has allotted,
    /// a Service's address, stays without being named.
    pub async fn put(&self, kind: Kind, name: &str, object: Value) -> kube::Result<ObjectMeta> {
        let parameters =
            PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PostParams::default() };
        let object = serde_json::from_value(object).map_err(kube::Error::SerdeError)?;
        let answer = self.cluster.api(kind, self.namespace).replace(name, &parameters, &object).await?;
        Ok(answer.metadata)
    }

    /// Sends an apply as it is: whoever calls has put into the object what it was seen to be.
    pub async fn patch(
        &self,
        kind: Kind,
        name: &str,
        object: &(impl Serialize + std::fmt::Debug),
    ) -> kube::Result<ObjectMeta> {
        let parameters = PatchParams::apply(FIELD_MANAGER).force();
        let api = self.cluster.api(kind, self.namespace);
        // Only metadata comes back: an answer with the whole object would hold a Secret's values.
        let answer = api.patch_metadata(name, &parameters, &Patch::Apply(object)).await?;
        Ok(answer.metadata)
    }
}

impl Found {
    /// With these a server-side apply is refused when another object is there, or any.
    fn bind(&self, metadata: &mut Value) {
        match self {
            Self::Nothing => {
                metadata["resourceVersion"] = Value::from(NO_VERSION);
                if let Some(fields) = metadata.as_object_mut() {
                    fields.remove("uid");
                }
            }
            Self::Ours(uid) => {
                metadata["uid"] = Value::from(uid.as_str());
                if let Some(fields) = metadata.as_object_mut() {
                    fields.remove("resourceVersion");
                }
            }
        }
    }
}

fn foreign(kind: Kind, name: &str) -> Failure {
    Failure::Foreign { kind: kind.as_str(), name: name.to_owned() }
}

fn refused(trespass: Trespass, namespace: &str) -> Failure {
    let name = namespace.to_owned();
    match trespass {
        Trespass::Foreign => foreign(Kind::Namespace, namespace),
        Trespass::Missing => Failure::NoNamespace { name },
        Trespass::Unsafe => Failure::UnsafeNamespace { name },
    }
}
