use super::*;

use crate::Zones;
use crate::seal::sealer;

fn address(host: &str) -> Address {
    Zones::new(["ws.example".to_owned()], 443).parse(host).expect("an address")
}

fn now() -> Timestamp {
    Timestamp::from_second(1_800_000_000).expect("a time")
}

fn begun(host: &str, wanted: &str, seed: u8) -> Begun {
    begin(&sealer(), &address(host), wanted, &[seed; ENTROPY], now()).expect("begun")
}

/// What a browser sends after these `Set-Cookie`.
fn sent(cookies: &[&HeaderValue]) -> HeaderMap {
    let pair =
        |cookie: &&HeaderValue| cookie.to_str().expect("ASCII").split(';').next().expect("a pair").to_owned();
    let all = cookies.iter().map(pair).collect::<Vec<_>>().join("; ");
    HeaderMap::from_iter([(COOKIE, HeaderValue::from_str(&all).expect("ASCII"))])
}

const HOST: &str = "8080-a.ws.example";

#[test]
fn a_browser_ends_the_sign_in_that_it_has_begun() {
    let begun = begun(HOST, "/path?q=1", 1);
    let (login, gone) =
        finish(&sealer(), &address(HOST), &sent(&[&begun.cookie]), &begun.state, now()).expect("ended");
    assert_eq!(login.wanted, "/path?q=1");
    let challenge =
        URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, login.verifier.expose().as_bytes()));
    assert_eq!(challenge, begun.challenge);
    assert!(gone.to_str().expect("ASCII").contains("Max-Age=0"));
    let cookie = begun.cookie.to_str().expect("ASCII");
    for part in ["; HttpOnly", "; SameSite=Lax", "; Secure", "; Path=/", "; Max-Age=600"] {
        assert!(cookie.contains(part), "{cookie}");
    }
    assert!(cookie.starts_with("__Host-berth-login-") && !cookie.contains("Domain"));
    assert!(!cookie.contains("path?q"), "what is in it is sealed");
}

#[test]
fn a_state_that_was_stolen_or_made_up_ends_nothing() {
    let (mine, theirs) = (begun(HOST, "/", 1), begun(HOST, "/", 2));
    let finish = |host: &str, cookies: &[&HeaderValue], state: &str, now| {
        finish(&sealer(), &address(host), &sent(cookies), state, now).map(drop).expect_err("refused")
    };
    assert_eq!(finish(HOST, &[], &theirs.state, now()), Refused::Browser, "a link of an attacker");
    assert_eq!(finish(HOST, &[&mine.cookie], &theirs.state, now()), Refused::Browser);
    assert_eq!(
        finish(HOST, &[&mine.cookie, &mine.cookie], &mine.state, now()),
        Refused::Browser,
        "two of one name"
    );
    assert_eq!(
        finish("8081-a.ws.example", &[&mine.cookie], &mine.state, now()),
        Refused::State,
        "another host"
    );
    let (id, mark) = mine.state.split_once('.').expect("two parts");
    let (other, _) = theirs.state.split_once('.').expect("two parts");
    for made_up in [
        "",
        ".",
        id,
        &format!("{id}."),
        &format!("{id}.x"),
        &format!("{other}.{mark}"),
        &format!("../{id}.{mark}"),
        &"x".repeat(9_000),
    ] {
        assert_eq!(finish(HOST, &[&mine.cookie], made_up, now()), Refused::State, "{made_up}");
    }
    let late = now() + LOGIN_LIFE;
    assert_eq!(finish(HOST, &[&mine.cookie], &mine.state, late), Refused::Late);
}

#[test]
fn two_tabs_may_sign_in_at_once() {
    let (one, two) = (begun(HOST, "/one", 1), begun(HOST, "/two", 2));
    let cookies = sent(&[&one.cookie, &two.cookie]);
    for (begun, wanted) in [(&two, "/two"), (&one, "/one")] {
        let (login, _) = finish(&sealer(), &address(HOST), &cookies, &begun.state, now()).expect("ended");
        assert_eq!(login.wanted, wanted);
    }
}

#[test]
fn nobody_is_led_elsewhere_afterwards() {
    for good in ["/", "/a/b?c=d&e=//f", "/?next=https://x.example", "/.berth"] {
        assert_eq!(wanted_path(good), good);
    }
    let long = format!("/{}", "a".repeat(MAX_WANTED));
    for other in [
        "",
        "//evil.example",
        "/\\evil.example",
        "\\/evil.example",
        "https://evil.example/",
        "/a b",
        "/a\r\nb",
        "evil",
        "/\u{e9}",
        "/.berth/callback?code=x",
        &long,
    ] {
        assert_eq!(wanted_path(other), "/", "{other}");
    }
}

fn session(host: &str) -> HeaderValue {
    let grant = Credential::from("a.b.c".to_owned());
    let session = Session::new(grant, WorkspaceId::random(), now() + SignedDuration::from_hours(10), now());
    session.cookie(&sealer(), &address(host), [3; NONCE_BYTES], now()).expect("a cookie")
}

#[test]
fn a_session_is_read_at_its_host_and_nowhere_else() {
    let cookie = session(HOST);
    let read = |host: &str, cookies: &[&HeaderValue], now| {
        Session::read(&sealer(), &address(host), &sent(cookies), now)
    };
    let found = read(HOST, &[&cookie], now()).expect("a session");
    assert_eq!(found.grant.expose(), "a.b.c");
    assert!(!cookie.to_str().expect("ASCII").contains("a.b.c"));
    for other in ["8081-a.ws.example", "8080-b.ws.example"] {
        assert!(read(other, &[&cookie], now()).is_none(), "the cookie of another host");
    }
    assert!(read(HOST, &[&cookie, &cookie], now()).is_none(), "two of that name");
    assert!(read(HOST, &[], now()).is_none());
    let login = begun(HOST, "/", 1).cookie;
    let (_, value) = login.to_str().expect("ASCII").split_once('=').expect("a pair");
    let forged = HeaderValue::from_str(&format!("{SESSION}={value}")).expect("ASCII");
    assert!(read(HOST, &[&forged], now()).is_none(), "one kind is no other");
}

#[test]
fn a_session_is_renewed_unseen_and_ends_where_it_is_not() {
    let cookie = session(HOST);
    let at = |minutes| {
        let now = now() + SignedDuration::from_mins(minutes);
        Session::read(&sealer(), &address(HOST), &sent(&[&cookie]), now).map(|session| session.is_due(now))
    };
    assert_eq!(
        [at(0), at(4), at(5), at(59), at(60)],
        [Some(false), Some(false), Some(true), Some(true), None]
    );
    let long_ago = Session::new(Credential::from("a.b.c".to_owned()), WorkspaceId::random(), now(), now());
    let cookie = long_ago.cookie(&sealer(), &address(HOST), [3; NONCE_BYTES], now()).expect("a cookie");
    assert!(Session::read(&sealer(), &address(HOST), &sent(&[&cookie]), now()).is_none(), "it is over");
}

#[test]
fn what_a_browser_keeps_of_a_host_is_of_the_workspace_that_it_was() {
    let (one, other) = (WorkspaceId::random(), WorkspaceId::random());
    let keeps = |host: &str, cookies: &[&HeaderValue], workspace| {
        keeps_of(&sealer(), (&address(host), &sent(cookies)), workspace, [4; NONCE_BYTES]).expect("a cookie")
    };
    let (is_its, cookie) = keeps(HOST, &[], one);
    assert!(!is_its, "nobody knows what is kept there");
    assert!(keeps(HOST, &[&cookie], one).0);
    assert!(!keeps(HOST, &[&cookie], other).0, "one that had the name before");
    assert!(!keeps("8081-a.ws.example", &[&cookie], one).0 && !keeps(HOST, &[&cookie, &cookie], one).0);
}

#[test]
fn our_cookies_are_known_in_any_case() {
    for ours in ["__Host-berth-workspace", "__host-BERTH-login-x", "__Host-berth-"] {
        assert!(is_own_cookie(ours), "{ours}");
    }
    for other in ["__Host-other", "berth", "", "__Host-bert", "x__Host-berth-"] {
        assert!(!is_own_cookie(other), "{other}");
    }
}
