//! Forms that were refused: their page is shown again, with what was typed and what is wrong with it.

use crate::Error;
use crate::http::body::{Attempt, Typed};

/// What a page says of the form that was refused. A page of which none was says nothing.
#[derive(Debug, Default)]
pub(super) struct Refused {
    /// Which of the page's forms it is.
    form: &'static str,
    wrong: Vec<String>,
    typed: Typed,
}

/// Why a form was refused, and what its page says of it.
pub(super) type Again = (Error, Refused);

impl Refused {
    /// What is wrong with that form.
    pub(super) fn wrong(&self, form: &str) -> &[String] {
        if self.form == form { &self.wrong } else { &[] }
    }

    /// What was typed into a field of that form.
    pub(super) fn typed(&self, form: &str, field: &str) -> &str {
        if self.form == form { self.typed.of(field) } else { "" }
    }

    /// The same of a field that is never empty.
    pub(super) fn typed_or<'a>(&'a self, form: &str, field: &str, otherwise: &'a str) -> &'a str {
        match self.typed(form, field) {
            "" => otherwise,
            typed => typed,
        }
    }

    pub(super) fn form(&self) -> &'static str {
        self.form
    }
}

impl<T> Attempt<T> {
    /// Does what the form asks for. `Ok(Err(_))`: it was refused for something that whoever has typed it can put right.
    pub(super) async fn done<R>(
        self,
        form: &'static str,
        run: impl AsyncFnOnce(T) -> Result<R, Error>,
    ) -> Result<Result<R, Again>, Error> {
        let result = match self.form {
            Ok(wanted) => run(wanted).await,
            Err(error) => Err(error),
        };
        match result {
            Ok(done) => Ok(Ok(done)),
            Err(error) => match told(&error) {
                Some(wrong) => Ok(Err((error, Refused { form, wrong, typed: self.typed }))),
                None => Err(error),
            },
        }
    }
}

/// What a form's page says of it, a line each. `None`: it is nothing that another text in the form would change.
fn told(error: &Error) -> Option<Vec<String>> {
    match error {
        Error::Invalid(errors) | Error::QuotaExceeded(errors) => {
            Some(errors.iter().map(|error| format!("{}: {}", error.field, error.message)).collect())
        }
        Error::NameTaken { .. } | Error::RoleInTheWay(_) | Error::LastOwner | Error::Overtaken => {
            Some(vec![error.to_string()])
        }
        _ => None,
    }
}
