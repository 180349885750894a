//! Git in the real pod: a private repository is cloned with a credential that nobody typed, and that is renewed.

use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use berth_integration_tests::{GitServer, Installation, WORKSPACE_IMAGE, repository, unique};
use berth_schema::api::Workspace;
use ring::signature::{ED25519, UnparsedPublicKey};
use serde_json::{Value, json};

/// A renewed Secret reaches a running pod with the kubelet's next look, which comes within a minute and a half.
const KUBELET: Duration = Duration::from_secs(150);

async fn create(berth: &Installation, name: &str) -> anyhow::Result<Workspace> {
    let user = json!({"name": "Ada Lovelace", "email": "ada@example.com"});
    let body = json!({"name": name, "image": WORKSPACE_IMAGE, "git_user": user});
    let created: Workspace = berth.admin.post("workspaces", &body).await?.expect()?;
    berth.admin.running(&created).await
}

#[tokio::test]
async fn a_private_repository_is_cloned_with_the_stored_token() -> anyhow::Result<()> {
    let Some(berth) = Installation::start().await? else {
        return Ok(());
    };
    repository(berth.dir(), "private.git", "README", "between us").await?;
    let token = unique("token");
    let expected = token.clone();
    let door = move |user: &str, password: &str| user == "berth" && password == expected;
    let git = GitServer::start(berth.cluster.host_address(), berth.dir(), door).await?;
    let host = git.host();
    let set = json!({"token": token});
    berth.admin.put(&format!("git-credentials/{host}"), &set).await?.expect::<Value>()?;
    let workspace = create(&berth, &unique("clone")).await?;

    let script = format!("cd /projects && git clone --quiet http://{host}/private.git && cat private/README");
    assert_eq!(berth.view.exec(&workspace, &script).await?, b"between us");
    assert_eq!(git.logins().first(), Some(&token), "the helper gave it, after git was asked for it");

    // Who commits, and that what is pushed arrives.
    let script = "cd /projects/private && echo more >> README && git commit --quiet -am second && git log -1 --format='%an <%ae>'";
    assert_eq!(berth.view.exec(&workspace, script).await?, b"Ada Lovelace <ada@example.com>\n");

    // It stands in no argument, no object but the Secret, and no log.
    let deployment = serde_json::to_string(&berth.view.deployment(&workspace).await?)?;
    assert!(!deployment.contains(&token) && !berth.logs()?.contains(&token));

    // What is deleted leaves with the next renewal; with the workspace everything goes.
    let terminate = berth.admin.wish(workspace.name.as_str(), "terminate").await?;
    berth.admin.reach(&terminate, berth_schema::ActualState::Terminated, crate::PATIENCE).await?;
    assert!(berth.view.secret(&workspace, &format!("{}-file", workspace.name)).await?.is_none());
    Ok(())
}

/// Whether a published key of the server signed the token, for this audience and for a time that is not over.
fn verified(keys: &Value, token: &str, audience: &str) -> Option<Value> {
    let (signed, signature) = token.rsplit_once('.')?;
    let (header, claims) = signed.split_once('.')?;
    let decode = |text: &str| URL_SAFE_NO_PAD.decode(text).ok();
    let header: Value = serde_json::from_slice(&decode(header)?).ok()?;
    let key = keys["keys"].as_array()?.iter().find(|key| key["kid"] == header["kid"])?;
    let public = UnparsedPublicKey::new(&ED25519, decode(key["x"].as_str()?)?);
    public.verify(signed.as_bytes(), &decode(signature)?).ok()?;
    let claims: Value = serde_json::from_slice(&decode(claims)?).ok()?;
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).ok()?.as_secs();
    let in_time = claims["exp"].as_u64()? > now && claims["nbf"].as_u64()? <= now + 5;
    (header["alg"] == "EdDSA" && claims["aud"] == audience && in_time).then_some(claims)
}

#[tokio::test]
async fn a_signed_token_is_renewed_in_the_running_pod_before_it_expires() -> anyhow::Result<()> {
    let directory = tempfile::tempdir()?;
    let key_file = directory.path().join("signing-key");
    std::fs::write(&key_file, format!("k1 {}\n", STANDARD.encode([7; 32])))?;
    let environment = vec![
        ("BERTH_SIGNING_KEY_FILE".to_owned(), key_file.display().to_string()),
        ("BERTH_GIT_TOKEN_SECONDS".to_owned(), "240".to_owned()),
        ("BERTH_ISSUER".to_owned(), "https://berth.example.com".to_owned()),
    ];
    let Some((berth, _wire)) = Installation::start_recorded(environment).await? else {
        return Ok(());
    };
    repository(berth.dir(), "private.git", "README", "between us").await?;
    let jwks = format!("{}/.well-known/jwks.json", berth.server.url());
    let http = reqwest::Client::builder().tls_certs_only([]).build()?;
    let keys: Value = http.get(jwks).send().await?.json().await?;
    let trusted = keys.clone();
    let door = move |_: &str, password: &str| verified(&trusted, password, "git").is_some();
    let git = GitServer::start(berth.cluster.host_address(), berth.dir(), door).await?;
    let host = git.host();
    let set = json!({"audience": "git"});
    berth.admin.put(&format!("git-credentials/{host}"), &set).await?.expect::<Value>()?;
    let workspace = create(&berth, &unique("signed")).await?;
    let clone = |to: &str| format!("cd /projects && git clone --quiet http://{host}/private.git {to} && cat {to}/README");
    assert_eq!(berth.view.exec(&workspace, &clone("one")).await?, b"between us");
    let first = git.logins().pop().expect("a login");
    let claims = verified(&keys, &first, "git").expect("a valid token");
    assert_eq!(claims["iss"], "https://berth.example.com");
    assert!(claims["sub"].as_str().is_some_and(|sub| sub.ends_with(&workspace.id.to_string())));

    // Another token appears in the same pod, while the first is still good.
    let pod = berth.view.pod(&workspace).await?.metadata.uid;
    let read = format!("sed -n s/^password=//p /.berth/variables/.berth-git-{}", host.replace(':', "_"));
    let deadline = Instant::now() + KUBELET + Duration::from_secs(120);
    let second = loop {
        let now = String::from_utf8(berth.view.exec(&workspace, &read).await?)?.trim().to_owned();
        if now != first {
            break now;
        }
        assert!(Instant::now() < deadline, "the pod never saw another token");
        tokio::time::sleep(Duration::from_secs(1)).await;
    };
    assert!(verified(&keys, &first, "git").is_some(), "there was a time without a good token");
    assert!(verified(&keys, &second, "git").is_some());
    assert_eq!(berth.view.exec(&workspace, &clone("two")).await?, b"between us");
    assert_eq!(git.logins().last(), Some(&second));
    assert_eq!(berth.view.pod(&workspace).await?.metadata.uid, pod, "the pod was not restarted");
    Ok(())
}
