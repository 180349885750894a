//! By a browser of this machine: an authorisation code with PKCE (RFC 6749, RFC 7636, RFC 8252).

use std::time::Duration;

use url::Url;

use super::callback::{Answer, Callback, Expected};
use super::pkce;
use crate::client::{Authority, CLIENT_ID, Issuer};
use crate::config::Login;
use crate::error::Error;
use crate::terminal::Talk;

/// How long the browser may take. Whoever is still there can begin again.
const PATIENCE: Duration = Duration::from_secs(10 * 60);

/// Who opens the page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Opens {
    /// We do, and show its address for where that fails.
    Command,
    /// The person does.
    Person,
}

pub(super) async fn run(
    authority: &Authority,
    issuer: &Issuer,
    opens: Opens,
    device_name: &str,
    talk: Talk,
) -> Result<Login, Error> {
    let callback = Callback::listen().await?;
    let (redirect_uri, verifier, state) = (callback.redirect_uri(), pkce::random()?, pkce::random()?);
    let page = page(issuer, &redirect_uri, &pkce::challenge(&verifier), &state, device_name);
    match opens {
        Opens::Command => {
            talk.say("Your browser opens a page that asks whether to let this machine in. If it does not, open it yourself:");
            talk.say(&format!("  {page}"));
            open_browser(page, talk);
        }
        Opens::Person => {
            talk.say("To log in, open this page in a browser of this machine:");
            talk.say(&format!("  {page}"));
        }
    }
    let expected = Expected { state, issuer: issuer.name.clone() };
    let answer = tokio::time::timeout(PATIENCE, callback.answer(expected)).await;
    let late = |_| Error::LoginNeeded("nobody has answered in the browser for ten minutes".to_owned());
    match answer.map_err(late)? {
        Answer::Code(code) => authority.redeem_code(&code, &redirect_uri, &verifier).await,
        Answer::Refused(error) if error == "access_denied" => {
            Err(Error::Denied("the login was refused in the browser".to_owned()))
        }
        Answer::Refused(error) => Err(Error::NotGranted {
            doing: "log in".to_owned(),
            code: error.chars().take(60).collect(),
            description: String::new(),
        }),
        Answer::AnotherIssuer => {
            Err(Error::Other(format!("what came through the browser is not the answer of {}", issuer.url)))
        }
    }
}

/// The address of the server's page: made of the server's own and of what was drawn here.
fn page(issuer: &Issuer, redirect_uri: &str, challenge: &str, state: &str, device_name: &str) -> Url {
    let mut url = issuer.url.join(["oauth", "authorize"]);
    url.query_pairs_mut()
        .append_pair("response_type", "code")
        .append_pair("client_id", CLIENT_ID)
        .append_pair("redirect_uri", redirect_uri)
        .append_pair("code_challenge", challenge)
        .append_pair("code_challenge_method", "S256")
        .append_pair("state", state)
        .append_pair("device_name", device_name);
    url
}

/// On a thread of its own, since a system's opener may take its time.
fn open_browser(page: Url, talk: Talk) {
    tokio::task::spawn_blocking(move || {
        if let Err(error) = open::that_detached(page.as_str()) {
            talk.trace(&format!("no browser was opened: {error}"));
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use berth_schema::ServerUrl;

    #[test]
    fn the_page_is_the_servers_whatever_a_device_is_called() {
        let server: ServerUrl = "https://a.test/berth".parse().expect("a URL");
        let issuer =
            Issuer { name: "https://a.test/berth".to_owned(), url: server.for_token(false).expect("TLS") };
        let url = page(&issuer, "http://127.0.0.1:7/callback", "c", "s", "a&b=c#d\n;`$(x)");
        assert!(
            url.as_str()
                .starts_with("https://a.test/berth/oauth/authorize?response_type=code&client_id=berth-cli&")
        );
        assert!(url.fragment().is_none() && !url.as_str().contains(['`', '$', ';', '\n', '(']), "{url}");
        assert!(url.query_pairs().any(|(name, value)| name == "device_name" && value == "a&b=c#d\n;`$(x)"));
    }
}
