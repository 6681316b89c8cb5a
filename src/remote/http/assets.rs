//! The page's files, embedded in the program so that the page needs nothing from elsewhere.

use std::sync::LazyLock;

use axum::extract::Path;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use sha2::{Digest, Sha256};

/// A file of the page.
struct Asset {
    name: &'static str,
    bytes: &'static [u8],
    /// The `ETag`: changes with the content, so that browsers can cache it.
    tag: String,
}

const HTML: &str = "text/html; charset=utf-8";

macro_rules! assets {
    ($($name:literal),* $(,)?) => {
        [$(($name, include_bytes!(concat!("../page/", $name)).as_slice())),*]
    };
}

static ASSETS: LazyLock<Vec<Asset>> = LazyLock::new(|| {
    let files = assets![
        "index.html",
        "page.css",
        "icon.svg",
        "manifest.webmanifest",
        "main.js",
        "connection.js",
        "osc.js",
        "dom.js",
        "mood.js",
        "presets.js",
        "piece.js",
        "transport.js",
        "takes.js",
        "harmony.js",
        "mixer.js",
        "pictures.js",
        "listen.js",
        "scenes.js",
        "show.js",
        "midi.js",
        "health.js",
        "stage.js",
        "player.js",
    ];
    files.into_iter().map(|(name, bytes)| Asset { name, bytes, tag: tag(bytes) }).collect()
});

fn tag(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    let short: String = digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    format!("\"{short}\"")
}

fn mime(name: &str) -> &'static str {
    match name.rsplit_once('.').map_or("", |(_, extension)| extension) {
        "js" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "svg" => "image/svg+xml",
        "webmanifest" => "application/manifest+json",
        _ => HTML,
    }
}

/// `GET /page`.
pub(super) async fn page(headers: HeaderMap) -> Response {
    serve("index.html", &headers)
}

/// `GET /page/NAME`.
pub(super) async fn asset(Path(name): Path<String>, headers: HeaderMap) -> Response {
    serve(&name, &headers)
}

fn serve(name: &str, headers: &HeaderMap) -> Response {
    let Some(asset) = ASSETS.iter().find(|asset| asset.name == name) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let caching = [(header::ETAG, asset.tag.as_str()), (header::CACHE_CONTROL, "no-cache")];
    let has = headers.get(header::IF_NONE_MATCH).is_some_and(|has| has.as_bytes() == asset.tag.as_bytes());
    if has {
        return (StatusCode::NOT_MODIFIED, caching).into_response();
    }
    (caching, [(header::CONTENT_TYPE, mime(name))], asset.bytes).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_stays_small_and_needs_nothing_from_elsewhere() {
        let total: usize = ASSETS.iter().map(|asset| asset.bytes.len()).sum();
        assert!(total < 150_000, "{total} bytes");
        for asset in ASSETS.iter() {
            let text = std::str::from_utf8(asset.bytes).unwrap();
            let foreign = text.match_indices("://").filter(|(at, _)| {
                let before = &text[..*at];
                let own =
                    text[*at..].starts_with("://www.w3.org/2000/svg") || text[*at..].starts_with("://${location.host}");
                !own && (before.ends_with("http") || before.ends_with("https") || before.ends_with("ws"))
            });
            assert_eq!(foreign.count(), 0, "{} names another host", asset.name);
        }
        let page = std::str::from_utf8(ASSETS[0].bytes).unwrap();
        assert!(!page.contains("<style") && !page.contains("style=") && !page.contains(" on"), "inline code or style");
        assert_eq!(page.matches("<script").count(), page.matches("<script type=\"module\" src=").count());
    }

    #[test]
    fn every_file_in_the_folder_is_served() {
        let mut files: Vec<String> = std::fs::read_dir("src/remote/page")
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| mime(name) != HTML || name == "index.html")
            .collect();
        files.sort();
        let mut served: Vec<_> = ASSETS.iter().map(|asset| asset.name.to_owned()).collect();
        served.sort();
        assert_eq!(files, served);
    }
}
