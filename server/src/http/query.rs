//! Query parameters: an unknown or repeated one is an error, not silence.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};
use berth_schema::Text;
use berth_schema::text::check_plain;
use serde::de::DeserializeOwned;
use url::form_urlencoded;

use super::wording::field_error;
use crate::Error;

/// The query of a request as a type that refuses unknown fields.
#[derive(Debug)]
pub struct Query<T>(pub T);

impl<T: DeserializeOwned> FromRequest for Query<T> {
    type Error = Error;
    type Future = Ready<Result<Self, Error>>;

    fn from_request(request: &HttpRequest, _payload: &mut Payload) -> Self::Future {
        ready(parse(request.query_string(), &[]).map(Self))
    }
}

/// A query, or a form, which is written like one. `documents`: the fields whose lines are looked at by whoever reads them.
pub(super) fn parse<T: DeserializeOwned>(query: &str, documents: &[&str]) -> Result<T, Error> {
    // Whatever is asked for ends in a statement or in a log.
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        let value = if documents.contains(&&*name) { "".into() } else { value };
        if let Err(error) = check_plain(&name).and_then(|()| check_plain(&value)) {
            return Err(Error::field(Text::<64>::new(&name), error.to_string()));
        }
    }
    let pairs = serde_urlencoded::Deserializer::new(form_urlencoded::parse(query.as_bytes()));
    serde_path_to_error::deserialize(pairs).map_err(|error| {
        let path = error.path().to_string();
        Error::Invalid(vec![field_error(&path, &error.into_inner().to_string())])
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Debug, Deserialize)]
    struct Asked {
        name: String,
    }

    #[test]
    fn what_cannot_be_stored_or_shown_is_refused_by_the_name_of_its_parameter() {
        assert_eq!(parse::<Asked>("name=a%20b", &[]).expect("plain").name, "a b");
        for query in ["name=%00", "name=a%0Ab", "name=%E2%80%AE", "name=%F3%A0%81%81"] {
            let Err(Error::Invalid(errors)) = parse::<Asked>(query, &[]) else { panic!("{query}") };
            assert_eq!(errors[0].field, "name", "{query}");
        }
    }

    #[test]
    fn a_document_has_lines() {
        assert_eq!(parse::<Asked>("name=a%0D%0Ab", &["name"]).expect("a document").name, "a\r\nb");
        assert!(parse::<Asked>("na%0Ame=a", &["name"]).is_err());
    }
}
