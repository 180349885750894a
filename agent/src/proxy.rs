//! What this agent's proxy proves itself by, and what it seals cookies with: two Secrets in the proxy's namespace, where it reads them.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use berth_agent_core::{Kind, Known, Owner, Place};
use berth_schema::kubernetes::proxy::{
    NAME, SEAL_KEY_KEY, SEAL_KEY_SECRET as SEAL_KEY, TOKEN_KEY, TOKEN_SECRET as TOKEN,
};
use berth_schema::kubernetes::{FIELD_MANAGER, PROXY_OF};
use kube::api::PostParams;
use ring::rand::{SecureRandom as _, SystemRandom};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::cluster::Cluster;
use crate::failure::{self, Failure};
use crate::ground::Ground;
use crate::server::{Server, ServerError};

const SEAL_KEY_BYTES: usize = 32;
/// How long both may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// Why the proxy gets none. It holds no part of one.
#[derive(Debug, thiserror::Error)]
pub enum NotKept {
    #[error("the server gives no token for the proxy")]
    Server(#[source] ServerError),
    #[error("{0}")]
    Cluster(#[from] Failure),
    #[error("the system has no random numbers")]
    Random,
}

/// Sees to it that both are there, with a token that has just been issued.
pub async fn keep(cluster: &Cluster, server: &Server) -> Result<(), NotKept> {
    let late = || Failure::TimedOut { seconds: PATIENCE.as_secs() }.into();
    tokio::time::timeout(PATIENCE, write(cluster, server)).await.unwrap_or_else(|_| Err(late()))
}

async fn write(cluster: &Cluster, server: &Server) -> Result<(), NotKept> {
    let namespace = cluster.identity().proxy_namespace.as_str();
    let nothing = Known::default();
    // In somebody else's namespace nothing is put, and no token is asked for.
    let ground = Ground::enter(cluster, namespace, Owner::Proxy, Place::Own, false, &nothing).await?;
    ground.is_not_foreign(SEAL_KEY).await?;
    ground.is_not_foreign(TOKEN).await?;
    let mut key = Zeroizing::new([0; SEAL_KEY_BYTES]);
    SystemRandom::new().fill(key.as_mut_slice()).map_err(|_| NotKept::Random)?;
    let key = Zeroizing::new(STANDARD.encode(key.as_slice()));
    let told = |name: &str| {
        let what = format!("applying Secret/{name}");
        move |source| Failure::Secret { what, source }
    };
    let mut sealing = secret(cluster, SEAL_KEY, (SEAL_KEY_KEY, &key));
    sealing["immutable"] = true.into();
    // With another key everybody would be led through the sign-in once more: one that is there stays.
    let parameters = PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PostParams::default() };
    let object = serde_json::from_value(sealing).map_err(kube::Error::SerdeError).map_err(told(SEAL_KEY))?;
    match cluster.api(Kind::Secret, namespace).create(&parameters, &object).await {
        Err(error) if failure::code(&error) == Some(409) => {}
        Err(error) => return Err(told(SEAL_KEY)(error).into()),
        Ok(_) => tracing::info!(namespace, "made a key that the proxy seals cookies with"),
    }
    let issued = server.proxy_token().await.map_err(NotKept::Server)?;
    let token = secret(cluster, TOKEN, (TOKEN_KEY, issued.token.expose()));
    ground.patch(Kind::Secret, TOKEN, &Hidden(token)).await.map_err(told(TOKEN))?;
    tracing::info!(namespace, expires_at = %issued.expires_at, "the proxy has another token");
    Ok(())
}

fn secret(cluster: &Cluster, name: &str, (key, value): (&str, &str)) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": name,
            "namespace": cluster.identity().proxy_namespace,
            "labels": {
                PROXY_OF: cluster.agent,
                "app.kubernetes.io/managed-by": "berth",
                "app.kubernetes.io/part-of": NAME,
            },
        },
        "data": { key: STANDARD.encode(value) },
    })
}

/// What whoever prints it sees nothing of.
#[derive(serde::Serialize)]
#[serde(transparent)]
struct Hidden(Value);

impl std::fmt::Debug for Hidden {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret")
    }
}
