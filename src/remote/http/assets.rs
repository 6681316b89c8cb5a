//! The page's files, embedded in the executable so that the page has no external dependencies.

use std::io::Read;
use std::sync::LazyLock;

use axum::extract::Path;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use flate2::Compression;
use flate2::read::GzEncoder;
use sha2::{Digest, Sha256};

/// A file of the page.
struct Asset {
    name: &'static str,
    bytes: &'static [u8],
    /// The contents, compressed with gzip for slow networks.
    compressed: Vec<u8>,
    /// The `ETag`, which changes with the contents, so that browsers can cache the file. It is weak, because the plain
    /// and the compressed form share it.
    etag: String,
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
        "undo.js",
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
        "session.js",
        "show.js",
        "midi.js",
        "health.js",
        "stage.js",
        "player.js",
    ];
    let asset = |(name, bytes)| Asset { name, bytes, compressed: compressed(bytes), etag: etag(bytes) };
    files.into_iter().map(asset).collect()
});

fn compressed(bytes: &[u8]) -> Vec<u8> {
    let mut compressed = Vec::new();
    // Reading from memory cannot fail.
    let _ = GzEncoder::new(bytes, Compression::best()).read_to_end(&mut compressed);
    compressed
}

fn etag(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    let short: String = digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    format!("W/\"{short}\"")
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

/// Serves `GET /page`.
pub(super) async fn page(headers: HeaderMap) -> Response {
    serve("index.html", &headers)
}

/// Serves `GET /page/NAME`.
pub(super) async fn asset(Path(name): Path<String>, headers: HeaderMap) -> Response {
    serve(&name, &headers)
}

fn serve(name: &str, headers: &HeaderMap) -> Response {
    let Some(asset) = ASSETS.iter().find(|asset| asset.name == name) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let caching = [
        (header::ETAG, asset.etag.as_str()),
        (header::CACHE_CONTROL, "no-cache"),
        (header::VARY, header::ACCEPT_ENCODING.as_str()),
    ];
    let is_cached = headers.get(header::IF_NONE_MATCH).is_some_and(|etag| etag.as_bytes() == asset.etag.as_bytes());
    if is_cached {
        return (StatusCode::NOT_MODIFIED, caching).into_response();
    }
    let kind = [(header::CONTENT_TYPE, mime(name))];
    if accepts_gzip(headers) {
        return (caching, kind, [(header::CONTENT_ENCODING, "gzip")], asset.compressed.as_slice()).into_response();
    }
    (caching, kind, asset.bytes).into_response()
}

/// Returns whether the client lists gzip without refusing it (`gzip;q=0`).
fn accepts_gzip(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    accepted.flat_map(|value| value.split(',')).any(|coding| {
        let mut parts = coding.split(';').map(str::trim);
        parts.next() == Some("gzip") && !parts.any(|part| matches!(part, "q=0" | "q=0.0" | "q=0.00" | "q=0.000"))
    })
}

#[cfg(test)]
mod tests {
    use axum::body::to_bytes;
    use flate2::read::GzDecoder;

    use super::*;

    #[test]
    fn the_page_is_small_and_loads_nothing_from_other_hosts() {
        // A browser's first load, which `tests/browser/run.py` limits to 150 kB, also includes the address space.
        let total: usize = ASSETS.iter().map(|asset| asset.compressed.len()).sum();
        assert!(total < 65_000, "{total} bytes");
        for asset in ASSETS.iter() {
            let text = std::str::from_utf8(asset.bytes).unwrap();
            let foreign = text.match_indices("://").filter(|(at, _)| {
                let before = &text[..*at];
                let is_own =
                    text[*at..].starts_with("://www.w3.org/2000/svg") || text[*at..].starts_with("://${location.host}");
                !is_own && (before.ends_with("http") || before.ends_with("https") || before.ends_with("ws"))
            });
            assert_eq!(foreign.count(), 0, "{} names another host", asset.name);
        }
        let page = std::str::from_utf8(ASSETS[0].bytes).unwrap();
        let has_inline_code = page.contains("<style") || page.contains("style=") || page.contains(" on");
        assert!(!has_inline_code, "the page should contain no inline code");
        assert_eq!(page.matches("<script").count(), page.matches("<script type=\"module\" src=").count());
    }

    #[tokio::test]
    async fn files_are_compressed_only_for_clients_that_accept_gzip() {
        let asset = &ASSETS[1];
        for (accepted, is_compressed) in
            [(Some("gzip, deflate, br"), true), (Some("br, gzip;q=0"), false), (Some("gzip2"), false), (None, false)]
        {
            let headers = accepted.map(|accepted| (header::ACCEPT_ENCODING, accepted.parse().unwrap()));
            let response = serve(asset.name, &headers.into_iter().collect());
            assert_eq!(response.headers().contains_key(header::CONTENT_ENCODING), is_compressed, "{accepted:?}");
            let bytes = to_bytes(response.into_body(), usize::MAX).await.unwrap();
            if is_compressed {
                let mut plain = Vec::new();
                GzDecoder::new(&bytes[..]).read_to_end(&mut plain).unwrap();
                assert!(plain == asset.bytes && bytes.len() < plain.len() / 2);
            } else {
                assert_eq!(bytes, asset.bytes);
            }
        }
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
