//! Responses shared by the routes: error messages and files.

use std::path::Path;

use axum::Json;
use axum::body::to_bytes;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;
use tower::ServiceExt;
use tower_http::services::ServeFile;

/// Maximum size in bytes of an error message that is turned into JSON.
const MAX_MESSAGE: usize = 65_536;

/// Why a request was refused: the status code and a message for the user.
#[derive(Debug)]
pub(in crate::remote) struct Refusal(pub(in crate::remote) StatusCode, pub(in crate::remote) String);

impl Refusal {
    pub(in crate::remote) fn bad_request(text: impl Into<String>) -> Self {
        Self(StatusCode::BAD_REQUEST, text.into())
    }

    pub(super) fn not_found(text: impl Into<String>) -> Self {
        Self(StatusCode::NOT_FOUND, text.into())
    }

    pub(super) fn unavailable(text: impl Into<String>) -> Self {
        Self(StatusCode::SERVICE_UNAVAILABLE, text.into())
    }

    pub(super) fn conflict(text: impl Into<String>) -> Self {
        Self(StatusCode::CONFLICT, text.into())
    }
}

impl From<std::io::Error> for Refusal {
    fn from(error: std::io::Error) -> Self {
        Self(StatusCode::INTERNAL_SERVER_ERROR, error.to_string())
    }
}

impl From<tokio::task::JoinError> for Refusal {
    fn from(error: tokio::task::JoinError) -> Self {
        Self(StatusCode::INTERNAL_SERVER_ERROR, error.to_string())
    }
}

impl From<axum::extract::rejection::JsonRejection> for Refusal {
    fn from(rejection: axum::extract::rejection::JsonRejection) -> Self {
        Self(rejection.status(), rejection.body_text())
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.0, Json(json!({ "error": self.1 }))).into_response()
    }
}

/// Turns an error that is not JSON into one that is: those with which axum refuses an address or a method are plain text
/// or empty, as are those of the file server.
pub(in crate::remote) async fn json_error(response: Response) -> Response {
    let status = response.status();
    let is_error = status.is_client_error() || status.is_server_error();
    if !is_error || response.headers().get(header::CONTENT_TYPE).is_some_and(|kind| kind == "application/json") {
        return response;
    }
    let (mut head, body) = response.into_parts();
    let text = to_bytes(body, MAX_MESSAGE).await.unwrap_or_default();
    let text = match String::from_utf8_lossy(&text) {
        text if text.is_empty() => status.canonical_reason().unwrap_or("the request failed").to_owned(),
        text => text.into_owned(),
    };
    let (json_head, json_body) = Refusal(status, text).into_response().into_parts();
    // Other headers stay, such as `Allow` and `Content-Range`.
    head.headers.remove(header::CONTENT_LENGTH);
    head.headers.extend(json_head.headers);
    Response::from_parts(head, json_body)
}

/// Serves a file or the requested range of it; with `?download`, as an attachment, which browsers save.
pub(super) async fn file(path: &Path, mut request: Request) -> Response {
    let download = request.uri().query() == Some("download");
    let bytes = tokio::fs::metadata(path).await.map_or(0, |metadata| metadata.len());
    remove_conditions(request.headers_mut(), bytes);
    let Ok(served) = ServeFile::new(path).oneshot(request).await;
    let mut response = served.into_response();
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    // RFC 8187, because names may contain characters outside ASCII; curl reads only the plain name before it.
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    let encoded: String = name
        .bytes()
        .map(|byte| if is_plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect();
    let plain: String = name.chars().map(|c| if u8::try_from(c).is_ok_and(is_plain) { c } else { '_' }).collect();
    let disposition = format!("attachment; filename=\"{plain}\"; filename*=UTF-8''{encoded}");
    if download && let Ok(value) = HeaderValue::from_str(&disposition) {
        response.headers_mut().insert(header::CONTENT_DISPOSITION, value);
    }
    // A file may get the name of a deleted one that was newer, so neither its name nor its date says whether a copy of
    // it is current.
    response.headers_mut().remove(header::LAST_MODIFIED);
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Removes the headers that make a response depend on a copy that the client has, and a `Range` that is to be ignored:
/// RFC 9110 wants that for unknown units and malformed ranges, and allows it for all others. `bytes` is the size of the
/// file.
fn remove_conditions(headers: &mut HeaderMap, bytes: u64) {
    headers.remove(header::IF_MODIFIED_SINCE);
    headers.remove(header::IF_UNMODIFIED_SINCE);
    // The requested range would complete a copy, which may be of another file.
    let completes_copy = headers.remove(header::IF_RANGE).is_some();
    if completes_copy || !headers.get(header::RANGE).is_some_and(|range| is_supported(range, bytes)) {
        headers.remove(header::RANGE);
    }
}

/// Returns whether a `Range` header asks for one range of bytes that the file server understands: `bytes=5-9`,
/// `bytes=5-` or, for the end of a file that is at least that long, `bytes=-5`.
fn is_supported(range: &HeaderValue, bytes: u64) -> bool {
    let range = range.to_str().ok().and_then(|range| range.strip_prefix("bytes=")?.split_once('-'));
    // The file server accepts neither a sign nor leading zeros.
    let number = |text: &str| text.parse::<u64>().ok().filter(|number| number.to_string() == text);
    match range {
        None => false,
        Some(("", length)) => number(length).is_some_and(|length| (1..=bytes).contains(&length)),
        Some((first, "")) => number(first).is_some(),
        Some((first, last)) => number(first).zip(number(last)).is_some_and(|(first, last)| first <= last),
    }
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::body::Body;
    use axum::extract::{Path as Id, Query};
    use axum::middleware::map_response;
    use axum::routing::get as on_get;
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    struct Since {
        since: u64,
    }

    #[test]
    fn errors_in_plain_text_become_json() {
        let router: Router = Router::new()
            .route("/log", on_get(|Query(query): Query<Since>| async move { query.since.to_string() }))
            .route("/render/{id}", on_get(|Id(id): Id<u64>| async move { id.to_string() }))
            .route("/takes/{name}", on_get(|Id(name): Id<String>| async { Refusal::not_found(name) }))
            .layer(map_response(json_error));
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let respond = |method: &str, uri: &str| {
            let request = axum::http::Request::builder().method(method).uri(uri).body(Body::empty()).unwrap();
            runtime.block_on(async {
                let (head, body) = router.clone().oneshot(request).await.unwrap().into_parts();
                (head, String::from_utf8(to_bytes(body, 1000).await.unwrap().to_vec()).unwrap())
            })
        };
        assert_eq!(respond("GET", "/render/7").1, "7");
        for (method, uri, status, hint) in [
            ("GET", "/log?since=abc", 400, "invalid digit"),
            ("GET", "/render/-1", 400, "-1"),
            ("GET", "/takes/%ff", 400, "UTF-8"),
            ("GET", "/takes/x", 404, "x"),
            ("DELETE", "/log", 405, "Method Not Allowed"),
        ] {
            let (head, body) = respond(method, uri);
            assert_eq!(head.status, status, "{uri}");
            assert_eq!(head.headers[header::CONTENT_TYPE], "application/json", "{uri}");
            let error: serde_json::Value = serde_json::from_str(&body).unwrap();
            assert!(error["error"].as_str().unwrap().contains(hint), "{uri}: {body}");
        }
        assert!(respond("DELETE", "/log").0.headers.contains_key(header::ALLOW));
    }

    /// Requests a file; returns the status, the contents and the headers.
    fn get(path: &Path, headers: &[(header::HeaderName, &str)]) -> (StatusCode, String, HeaderMap) {
        let mut request = Request::new(Body::empty());
        for (name, value) in headers {
            request.headers_mut().insert(name, value.parse().unwrap());
        }
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let (head, body) = file(path, request).await.into_parts();
            let contents = to_bytes(body, 1000).await.unwrap();
            (head.status, String::from_utf8(contents.to_vec()).unwrap(), head.headers)
        })
    }

    #[test]
    fn a_file_that_gets_the_name_of_a_newer_one_is_served() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.wav");
        std::fs::write(&path, "older").unwrap();
        let future = "Fri, 31 Dec 9999 23:59:59 GMT";
        let (status, contents, headers) = get(&path, &[(header::IF_MODIFIED_SINCE, future)]);
        assert_eq!((status, contents.as_str()), (StatusCode::OK, "older"));
        assert!(!headers.contains_key(header::LAST_MODIFIED));
        assert_eq!(headers[header::CACHE_CONTROL], "no-store");
        let (status, contents, _) = get(&path, &[(header::IF_RANGE, future), (header::RANGE, "bytes=2-")]);
        assert_eq!((status, contents.as_str()), (StatusCode::OK, "older"));
    }

    #[test]
    fn ranges_that_are_not_supported_are_ignored() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.wav");
        std::fs::write(&path, "0123456789").unwrap();
        for (range, expected) in [
            ("bytes=0-3", "0123"),
            ("bytes=7-", "789"),
            ("bytes=7-99", "789"),
            ("bytes=-2", "89"),
            ("bytes=-10", "0123456789"),
        ] {
            let (status, contents, _) = get(&path, &[(header::RANGE, range)]);
            assert_eq!((status, contents.as_str()), (StatusCode::PARTIAL_CONTENT, expected), "{range}");
        }
        for range in [
            "lines=1-2",
            "bytes",
            "bytes=",
            "bytes=-",
            "bytes=a-b",
            "bytes=5-2",
            "bytes=0-1,3-4",
            "bytes=+1-2",
            "bytes=01-2",
            "bytes=-11",
            "bytes=-0",
            "bytes= 1-2",
            "bytes=1-99999999999999999999",
        ] {
            let (status, contents, _) = get(&path, &[(header::RANGE, range)]);
            assert_eq!((status, contents.as_str()), (StatusCode::OK, "0123456789"), "{range}");
        }
        assert_eq!(get(&path, &[(header::RANGE, "bytes=10-")]).0, StatusCode::RANGE_NOT_SATISFIABLE);
    }
}
