//! The API server, which has the outputs of the cluster's containers.

use std::fmt;
use std::pin::Pin;
use std::time::Duration;

use berth_proxy_core::{MAX_BYTES, Pod};
use berth_schema::logs::LogOptions;
use berth_schema::text::plain;
use futures::future::BoxFuture;
use futures::{AsyncBufRead, FutureExt as _};
use k8s_openapi::api::core::v1::Pod as PodObject;
use kube::api::{Api, LogParams};
use kube::{Client, Error};

use super::No;

/// How long it may take until it says whether there is any.
const PATIENCE: Duration = Duration::from_secs(10);
/// The longest of its words that are passed on, in bytes.
const MAX_WORDS: usize = 500;

/// The cluster that the proxy is in.
#[derive(Clone)]
pub(crate) struct Cluster(Client);

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Cluster")
    }
}

impl From<Client> for Cluster {
    fn from(client: Client) -> Self {
        Self(client)
    }
}

pub(super) type Source = Pin<Box<dyn AsyncBufRead + Send>>;
/// One that is opened by whoever reads it: of what is to be followed the API server's answer begins with the first line, however late.
pub(super) type Opening = BoxFuture<'static, Result<Source, Error>>;

/// The output of the first of these containers that has any.
pub(super) async fn choose(
    cluster: &Cluster,
    pod: &Pod,
    options: &LogOptions,
    candidates: &[String],
) -> Result<(String, Opening), No> {
    let pods = Api::<PodObject>::namespaced(cluster.0.clone(), &pod.namespace);
    let mut of_the_first = None;
    for container in candidates {
        let wanted = params(options, container);
        let nothing_of_it = LogParams { follow: false, tail_lines: Some(0), ..wanted.clone() };
        let answer = tokio::time::timeout(PATIENCE, pods.log_stream(&pod.name, &nothing_of_it)).await;
        match answer {
            Ok(Ok(_)) => {
                let (pods, name) = (pods.clone(), pod.name.clone());
                let opening = async move {
                    let source = pods.log_stream(&name, &wanted).await?;
                    Ok(Box::pin(source) as Source)
                };
                return Ok((container.clone(), opening.boxed()));
            }
            Ok(Err(error)) => {
                let words = words_of(error)?;
                of_the_first.get_or_insert(words);
            }
            Err(_) => {
                tracing::warn!("the cluster gives no logs in time");
                return Err(No::Cluster);
            }
        }
    }
    Err(No::Begun(of_the_first.unwrap_or_default()))
}

/// What is said of a container that has no output.
fn words_of(error: Error) -> Result<String, No> {
    let status = match error {
        Error::Api(status) => status,
        error => {
            tracing::warn!(error = berth_logging::causes(&error), "the cluster gives no logs");
            return Err(No::Cluster);
        }
    };
    let words = plain(&status.message, MAX_WORDS);
    match status.code {
        400 => Ok(words.into_owned()),
        403 => {
            tracing::warn!(%words, "the cluster lets this proxy read no logs");
            Err(No::Right)
        }
        404 => Err(No::Pod),
        code => {
            tracing::warn!(code, %words, "the cluster gives no logs");
            Err(No::Cluster)
        }
    }
}

fn params(options: &LogOptions, container: &str) -> LogParams {
    LogParams {
        container: Some(container.to_owned()),
        follow: options.follow,
        // It would end what goes on, too.
        limit_bytes: (!options.follow).then_some(MAX_BYTES),
        previous: options.previous,
        since_seconds: options.since.map(i64::from),
        tail_lines: options.tail.map(i64::from),
        timestamps: options.timestamps,
        ..LogParams::default()
    }
}
