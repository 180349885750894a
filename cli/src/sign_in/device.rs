//! By a browser of any machine (RFC 8628): a code is shown here and typed there, and the server is asked until somebody has answered.

use std::time::Duration;

use tokio::time::{Instant, sleep};
use url::Url;

use crate::client::{Authority, DeviceAuthorization, Issuer};
use crate::config::Login;
use crate::error::Error;
use crate::terminal::Talk;

/// Where the server names none.
const INTERVAL: Duration = Duration::from_secs(5);
/// Whatever the server names: neither a loop without a pause nor a wait for ever.
const SHORTEST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(60);
const SLOWER: Duration = Duration::from_secs(5);
/// The longest that a code is waited for.
const PATIENCE: Duration = Duration::from_secs(30 * 60);

pub(super) async fn run(
    authority: &Authority,
    issuer: &Issuer,
    device_name: &str,
    talk: Talk,
) -> Result<Login, Error> {
    let asked = authority.authorize_device(device_name).await?;
    let page = page(&asked, issuer)?;
    let lasts = Duration::from_secs(asked.expires_in).min(PATIENCE);
    talk.say("To log in, open this page in a browser, on whatever machine:");
    talk.say(&format!("  {page}"));
    talk.say(&format!("and enter the code {}", asked.user_code));
    talk.say(&format!("Waiting for the answer, for {} minutes.", lasts.as_secs().div_ceil(60)));
    let end = Instant::now() + lasts;
    let expired =
        || Error::LoginNeeded("nobody has entered the code in time; run `berth login` again".to_owned());
    let mut interval = asked.interval.map_or(INTERVAL, Duration::from_secs).clamp(SHORTEST, LONGEST);
    while Instant::now() + interval < end {
        sleep(interval).await;
        let error = match authority.redeem_device_code(&asked.device_code).await {
            Ok(login) => return Ok(login),
            Err(error) => error,
        };
        match &error {
            Error::NotGranted { code, .. } => match code.as_str() {
                "authorization_pending" => {}
                "slow_down" => interval = slower(interval),
                "access_denied" => {
                    return Err(Error::Denied("the login was refused in the browser".to_owned()));
                }
                "expired_token" => return Err(expired()),
                _ => return Err(error),
            },
            error if error.passes_by_itself() => {
                talk.trace(&format!("{error}; asking more slowly"));
                interval = slower(interval);
            }
            _ => return Err(error),
        }
    }
    Err(expired())
}

fn slower(interval: Duration) -> Duration {
    (interval + SLOWER).min(LONGEST)
}

/// Where the person is sent: to a page of the server that was asked, or nowhere. The code is one that can be read out.
fn page(asked: &DeviceAuthorization, issuer: &Issuer) -> Result<Url, Error> {
    let is_readable = (4..=20).contains(&asked.user_code.len())
        && asked.user_code.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    let page = issuer.page(&asked.verification_uri).filter(|page| is_readable && page.as_str().len() <= 200);
    page.ok_or_else(|| Error::Usage {
        message: format!("{} answered with a page or a code that is none of Berth's", issuer.url),
        hint: Some(Issuer::HINT.to_owned()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token::Token;
    use berth_schema::ServerUrl;

    fn shown(server: &str, verification_uri: &str, user_code: &str) -> Option<String> {
        let url: ServerUrl = server.parse().expect("a URL");
        let issuer = Issuer { name: server.to_owned(), url: url.for_token(true).expect("allowed") };
        let asked = DeviceAuthorization {
            device_code: Token::from_input("d".to_owned()).expect("a code"),
            user_code: user_code.to_owned(),
            verification_uri: verification_uri.to_owned(),
            expires_in: 600,
            interval: None,
        };
        page(&asked, &issuer).ok().map(|page| page.to_string())
    }

    #[test]
    fn a_person_is_sent_to_the_server_that_was_asked_and_nowhere_else() {
        let page = shown("https://a.test", "https://a.test/device", "WDJB-MJHT");
        assert_eq!(page.as_deref(), Some("https://a.test/device"));
        assert!(shown("https://a.test/berth", "https://a.test/berth/device", "WDJB-MJHT").is_some());
        for elsewhere in [
            "https://evil.test/device",
            "http://a.test/device",
            "https://a.test:8443/device",
            "https://a.test@evil.test/device",
            "https://user:word@a.test/device",
            "https://a.test.evil.test/device",
            "javascript:alert(1)",
            "file:///etc/passwd",
            "data:text/html,x",
            "vscode://a.test/device",
            "a.test/device",
            "//a.test/device",
            "",
            "\u{1b}]8;;https://evil.test\u{7}https://a.test/device",
        ] {
            assert_eq!(shown("https://a.test", elsewhere, "WDJB-MJHT"), None, "{elsewhere}");
        }
        let page = shown("http://localhost:8080", "http://127.0.0.1:8080/device", "WDJB-MJHT");
        assert_eq!(page.as_deref(), Some("http://localhost:8080/device"), "where its cookies are");
        assert_eq!(shown("http://localhost:8080", "http://127.0.0.1:8081/device", "WDJB-MJHT"), None);
        let page = shown("https://a.test", "https://a.test/device?next=https://evil.test#x", "WDJB-MJHT");
        assert_eq!(page.as_deref(), Some("https://a.test/device"));
        let long = format!("https://a.test/{}", "a".repeat(300));
        assert_eq!(shown("https://a.test", &long, "WDJB-MJHT"), None);
        assert_eq!(shown("https://a.test/berth", "https://a.test/other", "WDJB-MJHT"), None);
        assert_eq!(shown("https://a.test/berth", "https://a.test/berthed", "WDJB-MJHT"), None);
        let escaped = shown("https://a.test", "https://a.test/\u{202e}\u{1b}[2J", "WDJB-MJHT").expect("ours");
        assert!(escaped.is_ascii() && !escaped.contains('\u{1b}'), "{escaped}");
    }

    #[test]
    fn a_code_is_one_that_can_be_read_out() {
        for bad in
            ["", "ABC", "WDJB MJHT", "WDJB\nMJHT", "\u{1b}[2JABCD", "WDJB-MJHT-WDJB-MJHT-WDJB", "ＷＤＪＢ"]
        {
            assert_eq!(shown("https://a.test", "https://a.test/device", bad), None, "{bad}");
        }
    }
}
