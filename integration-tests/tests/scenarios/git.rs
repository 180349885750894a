//! Git in the real pod: a private repository is cloned with a credential that nobody typed, and that is replaced while the pod
//! runs.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use berth_integration_tests::{GitServer, Hunt, Installation, WORKSPACE_IMAGE, repository, unique};
use berth_schema::ActualState;
use berth_schema::api::Workspace;
use berth_schema::kubernetes::git_secret;
use ring::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use crate::PATIENCE;

/// The kubelet looks after a volume every minute or so, and after a Secret that changed with the next look.
const KUBELET: Duration = Duration::from_secs(150);

async fn create(berth: &Installation, name: &str) -> anyhow::Result<Workspace> {
    let user = json!({"name": "Ada \"Countess\" Łovelace", "email": "ada@example.com"});
    let body = json!({"name": name, "image": WORKSPACE_IMAGE, "git_user": user});
    let created: Workspace = berth.admin.post("workspaces", &body).await?.expect()?;
    berth.admin.running(&created).await
}

async fn set(berth: &Installation, host: &str, form: &Value) -> anyhow::Result<Value> {
    berth.admin.put(&format!("git-credentials/{host}"), form).await?.expect()
}

fn clone(host: &str, to: &str) -> String {
    format!("cd /projects && git clone --quiet http://{host}/private.git {to} && cat {to}/README")
}

/// Runs a script until it prints something else than `before`, and gives that.
async fn until_other(
    berth: &Installation,
    workspace: &Workspace,
    script: &str,
    before: &str,
) -> anyhow::Result<String> {
    let deadline = Instant::now() + KUBELET;
    loop {
        let now = String::from_utf8(berth.view.exec(workspace, script).await?)?;
        if now != before {
            return Ok(now);
        }
        anyhow::ensure!(Instant::now() < deadline, "the pod never saw another credential");
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

/// A Git server that takes whatever password stands in the cell.
async fn git_server(berth: &Installation, password: &Arc<Mutex<String>>) -> anyhow::Result<GitServer> {
    berth.let_out_to_this_machine("agent").await?;
    repository(berth.dir(), "private.git", "README", "between us").await?;
    let password = Arc::clone(password);
    let door = move |user: &str, given: &str| {
        user == "berth" && password.lock().is_ok_and(|password| given == password.as_str())
    };
    GitServer::start(berth.cluster.host_address(), berth.dir(), door).await
}

#[tokio::test]
async fn a_private_repository_is_cloned_with_the_stored_token() -> anyhow::Result<()> {
    let Some(berth) = Installation::start().await? else {
        return Ok(());
    };
    let (first, second) = (unique("first-token"), unique("second-token"));
    let password = Arc::new(Mutex::new(first.clone()));
    let git = git_server(&berth, &password).await?;
    let host = git.host();
    set(&berth, &host, &json!({"token": first, "plain_http": true})).await?;
    let workspace = create(&berth, &unique("clone")).await?;
    assert_eq!(berth.view.exec(&workspace, &clone(&host, "one")).await?, b"between us");
    assert_eq!(git.logins().first(), Some(&first), "the helper gave it when git was asked for it");

    // Who commits, until the user says otherwise; and what is pushed arrives.
    let commit = "cd /projects/one && echo more >> README && git commit --quiet -am more && git push --quiet \
                  && git log -1 --format='%an <%ae>'";
    let author = berth.view.exec(&workspace, commit).await?;
    assert_eq!(String::from_utf8(author)?, "Ada \"Countess\" Łovelace <ada@example.com>\n");
    let own = format!("git config --global user.name Augusta && {commit}");
    assert_eq!(berth.view.exec(&workspace, &own).await?, b"Augusta <ada@example.com>\n");

    // Another token reaches the same pod.
    let pod = berth.view.pod(&workspace).await?.metadata.uid;
    let read = format!("sed -n s/^password=//p /.berth/git/http-{}", host.replace(':', "_"));
    set(&berth, &host, &json!({"token": second, "plain_http": true})).await?;
    assert_eq!(until_other(&berth, &workspace, &read, &format!("{first}\n")).await?, format!("{second}\n"));
    *password.lock().expect("nobody panicked") = second.clone();
    assert_eq!(berth.view.exec(&workspace, &clone(&host, "two")).await?, b"between usmore\nmore\n");
    assert_eq!(git.logins().last(), Some(&second));
    assert_eq!(berth.view.pod(&workspace).await?.metadata.uid, pod, "the pod was not restarted");

    // They stand in no object but the Secret, and in no log.
    let deployment = serde_json::to_string(&berth.view.deployment(&workspace).await?)?;
    let logs = berth.logs()?;
    for token in [&first, &second] {
        assert!(!deployment.contains(token) && !logs.contains(token));
    }

    // With the workspace everything goes.
    let terminate = berth.admin.wish(workspace.name.as_str(), "terminate").await?;
    berth.admin.reach(&terminate, ActualState::Terminated, PATIENCE).await?;
    assert!(berth.view.secret(&workspace, &git_secret(&workspace.name)).await?.is_none());
    Ok(())
}

#[tokio::test]
async fn credentials_come_to_what_runs_already_come_back_when_they_are_lost_and_leave_when_they_are_deleted()
-> anyhow::Result<()> {
    let Some(berth) = Installation::start().await? else {
        return Ok(());
    };
    let workspace = create(&berth, &unique("late")).await?;
    let name = git_secret(&workspace.name);
    assert!(berth.view.secret(&workspace, &name).await?.is_none(), "without Git hosts there is nothing");
    let token = unique("late-token");
    set(&berth, "git.example.com", &json!({"token": token})).await?;
    let keys = async |expected: &[&str]| -> anyhow::Result<()> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let secret = berth.view.secret(&workspace, &name).await?;
            let data = secret.map(|secret| secret.data.unwrap_or_default());
            let keys = data.map(|data| data.keys().cloned().collect::<Vec<_>>());
            if keys.as_deref().is_some_and(|keys| keys == expected) {
                return Ok(());
            }
            anyhow::ensure!(Instant::now() < deadline, "{keys:?} instead of {expected:?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    keys(&["https-git.example.com"]).await?;
    berth.view.delete_secret(&workspace, &name).await?;
    keys(&["https-git.example.com"]).await?;
    // Of a stopped workspace too: nobody could use it, and yet it would stay in the cluster.
    let stop = berth.admin.wish(workspace.name.as_str(), "stop").await?;
    berth.admin.reach(&stop, ActualState::Stopped, PATIENCE).await?;
    berth.admin.delete("git-credentials/git.example.com").await?.expect::<Value>()?;
    keys(&[]).await
}

/// Claims of a token that a published key of the server signed for this audience and for now.
fn verified(keys: &Value, token: &str, audience: &str) -> Option<Value> {
    let (signed, signature) = token.rsplit_once('.')?;
    let (header, claims) = signed.split_once('.')?;
    let decode = |text: &str| URL_SAFE_NO_PAD.decode(text).ok();
    let header: Value = serde_json::from_slice(&decode(header)?).ok()?;
    let key = keys["keys"].as_array()?.iter().find(|key| key["kid"] == header["kid"])?;
    let point = [vec![4], decode(key["x"].as_str()?)?, decode(key["y"].as_str()?)?].concat();
    let public = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point);
    public.verify(signed.as_bytes(), &decode(signature)?).ok()?;
    let claims: Value = serde_json::from_slice(&decode(claims)?).ok()?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?.as_secs();
    let in_time = claims["exp"].as_u64()? > now && claims["nbf"].as_u64()? <= now;
    (header["alg"] == "ES256" && claims["aud"] == audience && in_time).then_some(claims)
}

#[tokio::test]
async fn a_signed_token_is_renewed_in_the_running_pod_before_it_expires() -> anyhow::Result<()> {
    let environment = [
        ("BERTH_ISSUER", "https://berth.example.com".to_owned()),
        ("BERTH_GIT_TOKEN_SECONDS", "240".to_owned()),
    ];
    let environment = environment.map(|(name, value)| (name.to_owned(), value));
    let Some((berth, wire)) = Installation::start_recorded_with(&environment).await? else {
        return Ok(());
    };
    berth.let_out_to_this_machine("loud").await?;
    repository(berth.dir(), "private.git", "README", "between us").await?;
    let http = reqwest::Client::builder().tls_certs_only([]).build()?;
    let jwks = format!("{}/.well-known/jwks.json", berth.server.url());
    let keys: Value = http.get(jwks).send().await?.json().await?;
    // What docs/git.md has a host check: the audience is the one that was set, and the organisation's id.
    let whoami = format!("{}/api/v1/whoami", berth.server.url());
    let whoami = http.get(whoami).bearer_auth(berth.admin.token().expose_secret()).send().await?;
    let whoami: Value = whoami.json().await?;
    let organization = whoami["organization_id"].as_str().context("no organisation")?;
    let audience = format!("git/organization/{organization}");
    let (trusted, expected) = (keys.clone(), audience.clone());
    let door = move |_: &str, password: &str| verified(&trusted, password, &expected).is_some();
    let git = GitServer::start(berth.cluster.host_address(), berth.dir(), door).await?;
    let host = git.host();
    set(&berth, &host, &json!({"audience": "git", "plain_http": true})).await?;
    let workspace = create(&berth, &unique("signed")).await?;
    assert_eq!(berth.view.exec(&workspace, &clone(&host, "one")).await?, b"between us");
    let first = git.logins().pop().expect("a login");
    let claims = verified(&keys, &first, &audience).expect("a valid token");
    assert_eq!(claims["iss"], "https://berth.example.com");
    assert!(claims["sub"].as_str().is_some_and(|sub| sub.ends_with(&format!("workspace/{}", workspace.id))));

    // Another token appears in the same pod, while the first is still good.
    let pod = berth.view.pod(&workspace).await?.metadata.uid;
    let read = format!("sed -n s/^password=//p /.berth/git/http-{}", host.replace(':', "_"));
    tokio::time::sleep(Duration::from_secs(100)).await;
    let second = until_other(&berth, &workspace, &read, &format!("{first}\n")).await?.trim().to_owned();
    assert!(verified(&keys, &first, &audience).is_some(), "there was a time without a good token");
    assert!(verified(&keys, &second, &audience).is_some());
    assert_eq!(berth.view.exec(&workspace, &clone(&host, "two")).await?, b"between us");
    assert_eq!(git.logins().last(), Some(&second));
    assert_eq!(berth.view.pod(&workspace).await?.metadata.uid, pod, "the pod was not restarted");

    // Logs at their loudest and the wire hold neither.
    let told = [berth.logs()?.into_bytes(), wire.said()].concat();
    let hunt = Hunt::new(&[first.into_bytes(), second.into_bytes()])?;
    assert_eq!(hunt.find(&told), None);
    Ok(())
}
