//! Anything at all that agents and others do to a few objects, on both clusters: what comes of it is the same.

use std::fmt::Write as _;

use berth_agent_core::{Kind, Watched};
use berth_conformance::difference::{self, Difference};
use berth_schema::kubernetes::{AGENT_ID, GENERATION};
use berth_simulation::cluster::{ClusterApi, Following, Seen};
use fastrand::Rng;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::Value;

use crate::ground::{Edit, Ground, Real, Simulated, annotation, code, label, look, object, real};

/// Where the preconditions of a write come from.
#[derive(Clone, Copy, Debug)]
enum Seeing {
    Nothing,
    /// As it is now.
    Now,
    /// As it was when the script looked last.
    Before,
}

#[derive(Clone, Debug)]
enum Act {
    Apply { generation: u8, more: bool, replicas: u8, seeing: Seeing },
    Create { generation: u8 },
    Delete(Seeing),
    Remember,
    Edit(Edit),
    Scale,
}

#[derive(Clone, Debug)]
struct Script {
    kind: Kind,
    acts: Vec<Act>,
}

impl Act {
    fn any(rng: &mut Rng) -> Self {
        let seeing = [Seeing::Nothing, Seeing::Now, Seeing::Before][rng.usize(..3)];
        let generation = rng.u8(1..=3);
        match rng.u8(..16) {
            0..=5 => Self::Apply { generation, more: rng.bool(), replicas: rng.u8(..4) / 3, seeing },
            6 | 7 => Self::Create { generation },
            8 | 9 => Self::Delete(seeing),
            10 | 11 => Self::Remember,
            12 => Self::Edit(Edit::Annotation(GENERATION, rng.bool().then(|| "9".to_owned()))),
            13 => Self::Edit(Edit::Label("theirs", rng.bool().then(|| "label".to_owned()))),
            14 => Self::Edit(Edit::Label(AGENT_ID, rng.bool().then(|| "nobody".to_owned()))),
            _ => Self::Scale,
        }
    }
}

fn script(seed: u64) -> Script {
    let mut rng = Rng::with_seed(seed);
    let kind = if rng.u8(..4) == 0 { Kind::Deployment } else { Kind::Secret };
    let length = if kind == Kind::Deployment { 4..12 } else { 5..30 };
    Script { kind, acts: (0..rng.usize(length)).map(|_| Act::any(&mut rng)).collect() }
}

/// A run of a script: what is remembered, and what is told.
struct Telling<'a, G> {
    ground: &'a G,
    kind: Kind,
    remembered: Option<ObjectMeta>,
    told: String,
}

impl<G: Ground> Telling<'_, G> {
    async fn seen(&self, seeing: Seeing) -> Option<ObjectMeta> {
        match seeing {
            Seeing::Nothing => None,
            Seeing::Now => look(self.ground, self.kind, "d").await,
            Seeing::Before => self.remembered.clone(),
        }
    }

    fn wanted(&self, generation: u8) -> Value {
        let mut wanted = object(self.ground, self.kind, "d");
        wanted["metadata"]["annotations"][GENERATION] = generation.to_string().into();
        wanted
    }

    async fn act(&mut self, act: &Act) -> String {
        let (api, kind) = (self.ground.api(), self.kind);
        match act {
            Act::Apply { generation, more, replicas, seeing } => {
                let mut wanted = self.wanted(*generation);
                if *more {
                    wanted["metadata"]["labels"]["more"] = "label".into();
                    wanted["metadata"]["annotations"]["more"] = "annotation".into();
                }
                if kind == Kind::Deployment {
                    wanted["spec"]["replicas"] = (*replicas).into();
                }
                if let Some(seen) = self.seen(*seeing).await {
                    wanted["metadata"]["uid"] = seen.uid.into();
                    wanted["metadata"]["resourceVersion"] = seen.resource_version.into();
                }
                format!("{:?}", code(api.apply(kind, wanted).await))
            }
            Act::Create { generation } => {
                format!("{:?}", code(api.create(kind, self.wanted(*generation)).await))
            }
            Act::Delete(seeing) => match self.seen(*seeing).await {
                Some(seen) => format!("{:?}", code(api.delete(kind, &seen).await)),
                None => "nothing to delete".to_owned(),
            },
            Act::Remember => {
                self.remembered = look(self.ground, kind, "d").await;
                "remembered".to_owned()
            }
            Act::Edit(edit) => {
                self.ground.edit(kind, "d", edit.clone()).await;
                "edited".to_owned()
            }
            Act::Scale if kind == Kind::Deployment => {
                self.ground.scale("d").await;
                "scaled".to_owned()
            }
            Act::Scale => "nothing to scale".to_owned(),
        }
    }

    /// One act, and what it changed.
    async fn step(&mut self, number: usize, act: &Act) {
        let before = look(self.ground, self.kind, "d").await;
        let answer = self.act(act).await;
        let now = look(self.ground, self.kind, "d").await;
        let change =
            |field: fn(&ObjectMeta) -> &Option<String>| before.as_ref().map(field) != now.as_ref().map(field);
        let (version, uid) =
            (change(|metadata| &metadata.resource_version), change(|metadata| &metadata.uid));
        let _ = writeln!(self.told, "{number}: {answer} version {version} uid {uid} {}", words(now.as_ref()));
        if self.kind == Kind::Deployment {
            self.ground.settle().await;
        }
    }
}

fn words(metadata: Option<&ObjectMeta>) -> String {
    let Some(metadata) = metadata else { return "nothing".to_owned() };
    let labels = ["more", "theirs"].map(|name| label(metadata, name));
    let annotations = [GENERATION, "more"].map(|name| annotation(metadata, name));
    let agent = label(metadata, AGENT_ID).map(|agent| agent != "nobody");
    format!("{labels:?} {agent:?} {annotations:?} {:?}", metadata.generation)
}

/// Plays a script while a watch is open; everything that was answered and shown, line by line.
async fn play<G: Ground>(ground: &G, script: &Script) -> String {
    let mut telling = Telling { ground, kind: script.kind, remembered: None, told: String::new() };
    let watched = Watched::Applied(script.kind);
    let from = ground.api().list(watched, false).await.expect("a list").version;
    for (number, act) in script.acts.iter().enumerate() {
        telling.step(number, act).await;
    }
    // The last thing that a watch shows.
    let mut last = object(ground, script.kind, "last");
    last["metadata"]["annotations"][GENERATION] = "1".into();
    ground.api().apply(script.kind, last).await.expect("it is applied");
    let mut watch = ground.api().watch(watched, from).await.expect("a watch");
    let mut shown = String::new();
    loop {
        let seen = watch.next().await.expect("an event");
        let (what, object) = match &seen {
            Seen::Applied(object) => ("applied", object),
            Seen::Deleted(object) => ("deleted", object),
        };
        if object.metadata().name.as_deref() == Some("last") {
            return telling.told;
        }
        // A controller's writes change nothing of this.
        let line = format!("shown: {what} {}", words(Some(object.metadata())));
        if line != shown {
            let _ = writeln!(telling.told, "{line}");
        }
        shown = line;
    }
}

async fn compare(script: &Script) -> Option<Difference> {
    let acts = script.clone();
    let simulated =
        berth_simulation::run::alone(0, |env| async move { play(&Simulated::new(&env).await, &acts).await });
    Difference::between(&simulated.expect("it ends"), &play(&Real::new().await, script).await)
}

#[test]
fn whatever_is_done_to_an_object_comes_to_the_same() {
    real(async |_| {
        for seed in difference::seeds(60) {
            let script = script(seed);
            if let Some(found) = compare(&script).await {
                let (mut shortest, mut why) = (script, found);
                while let Some((shorter, found)) = shorter(&shortest).await {
                    (shortest, why) = (shorter, found);
                }
                panic!("seed {seed}, shrunk to {shortest:#?}\n{why}");
            }
        }
    });
}

/// The same script without one of its acts, if it still tells a difference.
async fn shorter(script: &Script) -> Option<(Script, Difference)> {
    for leave_out in 0..script.acts.len() {
        let mut less = script.clone();
        less.acts.remove(leave_out);
        if let Some(found) = compare(&less).await {
            return Some((less, found));
        }
    }
    None
}
