//! What pages load: a style sheet, and what makes them live. Each has a hash of its content in its name, so that browsers keep it for
//! good and are never shown the one of another version.

use std::sync::LazyLock;

use actix_web::http::header::CONTENT_TYPE;
use actix_web::{HttpResponse, web};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest::{SHA256, digest};

use crate::Error;
use crate::error::Sought;

/// How many bytes of the hash are in a name.
const MARK: usize = 9;

struct Asset {
    name: String,
    media_type: &'static str,
    content: &'static [u8],
}

impl Asset {
    fn new(stem: &str, extension: &str, media_type: &'static str, content: &'static [u8]) -> Self {
        let hash = digest(&SHA256, content);
        let mark = URL_SAFE_NO_PAD.encode(&hash.as_ref()[..MARK]);
        Self { name: format!("{stem}.{mark}.{extension}"), media_type, content }
    }
}

const SCRIPT: &str = "text/javascript; charset=utf-8";

static STYLE: LazyLock<Asset> = LazyLock::new(|| {
    Asset::new("berth", "css", "text/css; charset=utf-8", include_bytes!("../../assets/berth.css"))
});
static ICON: LazyLock<Asset> =
    LazyLock::new(|| Asset::new("berth", "svg", "image/svg+xml", include_bytes!("../../assets/berth.svg")));
static HTMX: LazyLock<Asset> =
    LazyLock::new(|| Asset::new("htmx", "js", SCRIPT, include_bytes!("../../assets/vendor/htmx.min.js")));
static EVENTS: LazyLock<Asset> = LazyLock::new(|| {
    Asset::new("htmx-ext-sse", "js", SCRIPT, include_bytes!("../../assets/vendor/htmx-ext-sse.min.js"))
});

static PASSKEY: LazyLock<Asset> =
    LazyLock::new(|| Asset::new("passkey", "js", SCRIPT, include_bytes!("../../assets/passkey.js")));

/// The name of the style sheet, below `/assets/`.
pub(super) fn style() -> &'static str {
    &STYLE.name
}

/// Of the icon.
pub(super) fn icon() -> &'static str {
    &ICON.name
}

pub(super) fn htmx() -> &'static str {
    &HTMX.name
}

/// Of htmx's extension for server-sent events.
pub(super) fn events() -> &'static str {
    &EVENTS.name
}

/// The script without which browsers make and show no passkey.
pub(super) fn passkey() -> &'static str {
    &PASSKEY.name
}

pub(crate) async fn asset(name: web::Path<String>) -> Result<HttpResponse, Error> {
    let all = [&*STYLE, &*ICON, &*HTMX, &*EVENTS, &*PASSKEY];
    let found = all.into_iter().find(|asset| asset.name == *name);
    let asset = found.ok_or_else(|| Error::nothing(Sought::Path))?;
    Ok(HttpResponse::Ok().insert_header((CONTENT_TYPE, asset.media_type)).body(asset.content))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_ours_is_as_its_table_says() {
        let table = include_str!("../../assets/vendor/README.md");
        for asset in [&*HTMX, &*EVENTS] {
            let hash = digest(&SHA256, asset.content);
            let hex: Vec<_> = hash.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
            assert!(table.contains(&hex.concat()), "{}", asset.name);
        }
    }
}
