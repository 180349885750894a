//! What the server answered.

use berth_schema::Problem;
use reqwest::header::HeaderMap;
use serde::de::DeserializeOwned;

#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Reply {
    pub(crate) async fn of(response: reqwest::Response) -> Self {
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let text = response.text().await.expect("a body");
        Self { status, headers, text }
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name).unwrap_or_else(|| panic!("no header {name}: {self:?}"));
        value.to_str().expect("a header is text")
    }

    /// The body, after a look at the status.
    #[track_caller]
    pub(crate) fn expect<T: DeserializeOwned>(&self, status: u16) -> T {
        assert_eq!(self.status, status, "{}", self.text);
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    /// The problem, after a look at everything that every problem has.
    #[track_caller]
    pub(crate) fn problem(&self, status: u16, kind: &str) -> Problem {
        let problem: Problem = self.expect(status);
        assert_eq!(self.header("content-type"), "application/problem+json");
        assert_eq!(problem.kind, format!("urn:berth:problem:{kind}"), "{}", self.text);
        assert_eq!(problem.status, status);
        assert_eq!(problem.request_id.as_deref(), Some(self.header("x-request-id")));
        problem
    }

    /// The fields that a problem of the kind `invalid` names.
    #[track_caller]
    pub(crate) fn wrong_fields(&self) -> Vec<String> {
        self.problem(422, "invalid").errors.into_iter().map(|error| error.field).collect()
    }
}
