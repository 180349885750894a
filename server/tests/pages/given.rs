//! Variables and Git hosts by forms, and forms that come back with what was typed.

use serde_json::{Value, json};

use super::{acme, by_the_api, colleague};
use crate::support::{Admin, App, Requests as _, Visitor};

const ACME: &str = "/organizations/acme";
const SECRET: &str = "recognisable";

/// The page of a group `platform` and of a project `api` in it.
async fn tree(admin: &Admin) -> (String, String) {
    let group: Value = admin.post(&admin.path("/groups"), &json!({"name": "platform"})).await.expect(201);
    let project: Value =
        admin.post(&admin.path("/groups/platform/projects"), &json!({"name": "api"})).await.expect(201);
    let id = |made: &Value| made["id"].as_str().expect("an id").to_owned();
    (format!("{ACME}/groups/{}", id(&group)), format!("{ACME}/projects/{}", id(&project)))
}

/// Where the forms are sent to, and the page that they are on.
fn places(group: &str, project: &str) -> [(String, String); 4] {
    [
        (ACME.to_owned(), format!("{ACME}/variables")),
        (group.to_owned(), group.to_owned()),
        (project.to_owned(), project.to_owned()),
        (format!("{ACME}/me"), format!("{ACME}/me")),
    ]
}

/// Where a variable and a Git host are deleted.
fn deletions(at: &str) -> [String; 2] {
    match at {
        ACME => [
            format!("{at}/variables/environment/REGISTRY/delete"),
            format!("{at}/git-credentials/git.example.com/delete"),
        ],
        _ => [format!("{at}/variables/remove"), format!("{at}/git-credentials/remove")],
    }
}

async fn leads_back(visitor: &mut Visitor, to: &str, form: &[(&str, &str)], page: &str) {
    let reply = visitor.submit(to, form).await;
    assert_eq!((reply.status, reply.header("location")), (303, page), "{to}: {}", reply.text);
}

#[tokio::test]
async fn each_place_is_given_variables_and_git_hosts_by_its_page_and_none_shows_a_value() {
    App::run(async |app| {
        let (admin, mut ada) = acme(app).await;
        let (group, project) = tree(&admin).await;
        for (at, page) in places(&group, &project) {
            let variable = [("name", "REGISTRY"), ("kind", "environment"), ("value", SECRET)];
            leads_back(&mut ada, &format!("{at}/variables"), &variable, &page).await;
            if at == ACME {
                let host = json!({"token": SECRET});
                let path = admin.path("/git-credentials/git.example.com");
                admin.put(&path, &host).await.expect::<Value>(200);
            } else {
                let host = [("host", "git.example.com"), ("username", ""), ("token", SECRET)];
                leads_back(&mut ada, &format!("{at}/git-credentials"), &host, &page).await;
            }
            let text = ada.get(&page).await.text;
            for part in ["<code>REGISTRY</code>", "<code>git.example.com</code>", "berth, by a stored token"]
            {
                assert!(text.contains(part), "{page}, {part}: {text}");
            }
            assert!(!text.contains(SECRET), "{page}");
            assert_eq!(text.contains("name=\"final\""), !page.ends_with("/me"), "{page}");
        }
        assert_eq!(
            app.count("SELECT count(*) FROM audit_records WHERE action ~ '(^|-)variable\\.set|set-variable'")
                .await,
            4
        );
        for (at, page) in places(&group, &project) {
            let (variable, host): (&[_], &[_]) = match at.as_str() {
                ACME => (&[], &[]),
                _ => (&[("name", "REGISTRY"), ("kind", "environment")], &[("host", "git.example.com")]),
            };
            for (path, form) in deletions(&at).iter().zip([variable, host]) {
                assert!(ada.get(&page).await.text.contains(&format!("action=\"{path}\"")), "{path}");
                leads_back(&mut ada, path, form, &page).await;
            }
            assert_eq!(ada.get(&page).await.text.matches("<p class=\"note\">None.</p>").count(), 2, "{page}");
        }
    })
    .await;
}

#[tokio::test]
async fn the_lines_of_a_value_end_as_a_shell_wants_them() {
    App::run(async |app| {
        let (_, mut ada) = acme(app).await;
        let form = [("name", "ca.pem"), ("kind", "file"), ("value", "a\r\nb\r\n"), ("final", "true")];
        leads_back(&mut ada, &format!("{ACME}/variables"), &form, &format!("{ACME}/variables")).await;
        assert!(ada.get(&format!("{ACME}/variables")).await.text.contains("file, final"));
    })
    .await;
}

#[tokio::test]
async fn a_form_that_is_refused_comes_back_at_its_place_with_what_was_typed_but_no_secret() {
    App::run(async |app| {
        let (admin, mut ada) = acme(app).await;
        let (group, project) = tree(&admin).await;
        for (at, page) in places(&group, &project) {
            let form = [("name", "A=\"B"), ("kind", "file"), ("value", SECRET)];
            let refused = ada.submit(&format!("{at}/variables"), &form).await;
            assert_eq!(refused.status, 422, "{page}: {}", refused.text);
            for part in ["Nothing was changed", "<li>name: ", "A=&#34;B", "<option value=\"file\" selected>"]
            {
                assert!(refused.text.contains(part), "{page}, {part}: {}", refused.text);
            }
            assert!(!refused.text.contains(SECRET), "{page}");
            if at == ACME {
                continue;
            }
            let form = [("host", "https://git.a"), ("username", "ada"), ("token", SECRET)];
            let host = ada.submit(&format!("{at}/git-credentials"), &form).await;
            assert_eq!(host.status, 422, "{page}: {}", host.text);
            for part in ["host: must be a host name", "value=\"https://git.a\"", "value=\"ada\""] {
                assert!(host.text.contains(part), "{page}, {part}: {}", host.text);
            }
            assert!(!host.text.contains(SECRET), "{page}");
        }
        let taken = ada.submit(&format!("{ACME}/groups"), &[("name", "platform")]).await;
        assert_eq!(taken.status, 409);
        for part in ["named &#39;platform&#39;; choose another", "value=\"platform\"", "<h1>Groups</h1>"] {
            assert!(taken.text.contains(part), "{part}: {}", taken.text);
        }
        let form = [("name", "no name"), ("repository", "https://git.a/b.git"), ("ref", "m"), ("agent", "")];
        let wrong = ada.submit(&format!("{ACME}/projects"), &form).await;
        assert!(
            wrong.status == 422 && wrong.text.contains("value=\"https://git.a/b.git\""),
            "{}",
            wrong.text
        );
        let nobody = ada.submit(&format!("{group}/members"), &[("member", "Zoé"), ("role", "viewer")]).await;
        assert!(nobody.status == 422 && nobody.text.contains("value=\"Zoé\""), "{}", nobody.text);
        assert!(nobody.text.contains("<option value=\"viewer\" selected>"), "{}", nobody.text);
        // It asks at the group again, and not in the organisation.
        let ask = [("role", "owner"), ("reason", "a deploy"), ("minutes", "481")];
        let asked = ada.submit(&format!("{group}/elevations"), &ask).await;
        assert_eq!(asked.status, 422, "{}", asked.text);
        for part in ["value=\"a deploy\"", "value=\"481\"", &format!("action=\"{group}/elevations\"")] {
            assert!(asked.text.contains(part), "{part}: {}", asked.text);
        }
    })
    .await;
}

#[tokio::test]
async fn what_a_group_says_is_final_is_refused_on_the_page_of_a_project_in_it() {
    App::run(async |app| {
        let (admin, mut ada) = acme(app).await;
        let (group, project) = tree(&admin).await;
        let form = [("name", "PROXY"), ("kind", "environment"), ("value", "a"), ("final", "true")];
        leads_back(&mut ada, &format!("{group}/variables"), &form, &group).await;
        let refused = ada.submit(&format!("{project}/variables"), &form[..3]).await;
        assert_eq!(refused.status, 422, "{}", refused.text);
        assert!(refused.text.contains("is final in the group"), "{}", refused.text);
    })
    .await;
}

#[tokio::test]
async fn who_may_set_nothing_is_offered_no_form_and_sees_no_page_of_it() {
    App::run(async |app| {
        let (admin, _) = acme(app).await;
        let (group, project) = tree(&admin).await;
        by_the_api(&admin, "reef").await;
        let mut vera = colleague(app, "Vera", "viewer").await;
        for (at, page) in &places(&group, &project)[..3] {
            let text = vera.get(page).await.text;
            assert!(
                !text.contains("Set the variable") && !text.contains("Set the credential"),
                "{page}: {text}"
            );
            let fields = [("name", "A"), ("host", "git.a")];
            let all = deletions(at).into_iter().chain([format!("{at}/variables")]);
            for path in all.chain((at != ACME).then(|| format!("{at}/git-credentials"))) {
                let refused = vera.submit(&path, &fields).await;
                assert_eq!(refused.status, 403, "{path}: {}", refused.text);
            }
        }
    })
    .await;
}

#[tokio::test]
async fn ones_own_page_shows_the_id_that_others_share_with_and_the_organizations_does_not() {
    App::run(async |app| {
        let (admin, ada) = acme(app).await;
        let members: Value = admin.get(&admin.path("/members")).await.expect(200);
        let members = members["items"].as_array().expect("members");
        let own = members.iter().find(|member| member["name"] == "Ada").expect("Ada");
        let id = own["id"].as_str().expect("an id");
        let page = ada.get(&format!("{ACME}/me")).await.text;
        assert!(page.contains("Your member id") && page.contains(id), "{page}");
        assert!(!ada.get(&format!("{ACME}/variables")).await.text.contains(id));
    })
    .await;
}
