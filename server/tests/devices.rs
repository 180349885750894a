//! Whoever signs in somewhere new, or is not let in, is told of where they were signed in before.

use std::time::Duration;

use berth_schema::audit::Details;
use reqwest::Method;

use crate::sign_in::{ids, link, signed_in};
use crate::support::{App, Visitor, postgres};

const TOLD: &str = "A device that is new signed in as you";
const MINE: &str = "It was me";

async fn is_told(visitor: &Visitor) -> bool {
    let pages = [visitor.get("/").await, visitor.get("/organizations/acme").await];
    let told = pages.map(|page| {
        assert_eq!(page.status, 200, "{}", page.text);
        page.text.contains(TOLD)
    });
    assert_eq!(told[0], told[1], "each page says the same");
    told[0]
}

/// The sessions by which new devices came, as the page names them.
async fn new_devices(visitor: &Visitor) -> Vec<String> {
    let page = visitor.get("/sessions").await.text;
    let of = page.split_once("Signed in now").map(|(new, _)| new.to_owned()).unwrap_or_default();
    let parts = of.split("action=\"/sessions/").skip(1);
    parts.filter_map(|part| part.split_once("/know-device\"")).map(|(id, _)| id.to_owned()).collect()
}

#[tokio::test]
async fn a_new_device_is_told_on_those_before_and_cannot_vouch_for_itself() {
    App::run(async |app| {
        app.organization("acme").await;
        let first = signed_in(app, "acme", "Ada").await;
        assert!(!is_told(&first).await, "nobody could be told of the first");
        let mut thief = signed_in(app, "acme", "Ada").await;
        assert!(is_told(&first).await && !is_told(&thief).await);
        let page = thief.get("/sessions").await.text;
        assert!(page.contains("New devices") && !page.contains(MINE), "{page}");
        let new = new_devices(&first).await;
        assert_eq!(new.len(), 1);
        let know = format!("/sessions/{}/know-device", new[0]);
        let refused = thief.submit(&know, &[]).await;
        assert_eq!(refused.status, 422, "{}", refused.text);
        assert!(refused.text.contains("where you were signed in before"), "{}", refused.text);
        // Nor by another new one.
        let mut accomplice = signed_in(app, "acme", "Ada").await;
        assert_eq!(accomplice.submit(&know, &[]).await.status, 422);
        // What whoever it was does about it changes nothing.
        assert_eq!(thief.submit("/sign-out", &[]).await.status, 303);
        assert_eq!(accomplice.submit("/sessions/end-others", &[]).await.status, 303);
        assert!(!first.is_signed_in().await);
        let mut first = Visitor::in_browser(app.address(), first.device.clone());
        first.sign_in(&link(app, "acme", "Ada").await).await;
        assert!(is_told(&first).await, "a browser that was signed in before is known");
        assert_eq!(new_devices(&first).await.len(), 2);
        let page = first.get("/sessions").await.text;
        assert!(page.contains("that session has ended"), "{page}");
    })
    .await;
}

#[tokio::test]
async fn who_says_that_it_was_them_is_told_no_more_and_who_says_that_it_was_not_ends_it() {
    App::run(async |app| {
        let admin = app.organization("acme").await;
        let mut first = signed_in(app, "acme", "Ada").await;
        let mut second = signed_in(app, "acme", "Ada").await;
        let new = new_devices(&first).await;
        assert_eq!(first.submit(&format!("/sessions/{}/know-device", new[0]), &[]).await.status, 303);
        assert!(!is_told(&first).await && !is_told(&second).await);
        assert_eq!(
            first.submit(&format!("/sessions/{}/know-device", new[0]), &[]).await.status,
            303,
            "twice"
        );

        let mut third = signed_in(app, "acme", "Ada").await;
        let mut again = Visitor::in_browser(app.address(), third.device.clone());
        again.sign_in(&link(app, "acme", "Ada").await).await;
        assert!(is_told(&second).await, "one that became known is told as well");
        let new = new_devices(&second).await;
        assert_eq!(new.len(), 1, "one device, whatever number of sessions");
        assert_eq!(second.submit(&format!("/sessions/{}/end", new[0]), &[]).await.status, 303);
        assert!(!third.is_signed_in().await && !again.is_signed_in().await, "all of it ends");
        assert!(!is_told(&first).await);
        assert_eq!(ids(&first.get("/sessions").await.text).len(), 2);
        third.sign_in(&link(app, "acme", "Ada").await).await;
        assert!(is_told(&first).await, "whoever comes again from there is told of again");

        let records = crate::audit::records(&admin).await;
        let told = records
            .iter()
            .filter(|record| matches!(record.details, Details::SignedIn { new_device: true, .. }));
        assert_eq!(told.count(), 3);
    })
    .await;
}

#[tokio::test]
async fn nobody_hides_a_new_device_behind_others() {
    App::run(async |app| {
        app.organization("acme").await;
        let first = signed_in(app, "acme", "Ada").await;
        let mut thief = signed_in(app, "acme", "Ada").await;
        let new = new_devices(&first).await;
        let others = "INSERT INTO devices SELECT account_id, gen_random_uuid(), NULL, session_id, now(), now() + interval '1 day', NULL
            FROM devices CROSS JOIN generate_series(1, 120) WHERE known_since IS NULL";
        postgres::client(&app.database_url).await.batch_execute(others).await.expect("stored");
        let mut last = signed_in(app, "acme", "Ada").await;
        let know = format!("/sessions/{}/know-device", new[0]);
        for visitor in [&mut thief, &mut last] {
            assert_eq!(visitor.submit(&know, &[]).await.status, 422, "who finds no room vouches for nobody");
        }
        assert!(new_devices(&first).await.contains(&new[0]), "it is told as before");
        assert!(is_told(&first).await);
    })
    .await;
}

#[tokio::test]
async fn two_of_one_person_are_no_devices_of_another_who_uses_the_same_browser() {
    App::run(async |app| {
        app.organization("acme").await;
        let ada = signed_in(app, "acme", "Ada").await;
        let grace = signed_in(app, "acme", "Grace").await;
        let mut shared = Visitor::in_browser(app.address(), ada.device.clone());
        shared.sign_in(&link(app, "acme", "Grace").await).await;
        assert!(is_told(&grace).await && !is_told(&ada).await);
        // A cookie that is none of ours is replaced.
        let mut odd = Visitor::in_browser(app.address(), Some("__Host-berth-device=zzz".to_owned()));
        odd.sign_in(&link(app, "acme", "Ada").await).await;
        assert!(is_told(&ada).await);
        assert_ne!(odd.device.as_deref(), Some("__Host-berth-device=zzz"));
    })
    .await;
}

#[tokio::test]
async fn attempts_that_failed_are_told() {
    App::run(async |app| {
        app.organization("acme").await;
        let token = link(app, "acme", "Ada").await;
        let mut ada = Visitor::new(app.address());
        ada.sign_in(&token).await;
        assert!(!ada.get("/sessions").await.text.contains("attempt"));
        assert_eq!(Visitor::new(app.address()).sign_in(&token).await.status, 401);
        // It goes on record behind the answer.
        for _ in 0..100 {
            if ada.get("/sessions").await.text.contains("1 attempt to sign in as you failed, the last one ") {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!(
            "{}",
            ada.request(Method::GET, "/sessions").send().await.expect("a page").text().await.expect("text")
        );
    })
    .await;
}
