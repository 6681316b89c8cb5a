//! HTTP access control for every path, and security headers for every response.
//!
//! A browser on this machine or its network also runs pages from other sites. It sends the host name to which it
//! connects in `Host`, and the origin of the page that makes the request in `Origin`. Both are checked against Melos's
//! own names and addresses, not against each other: with DNS rebinding, a foreign name that resolves to this machine
//! would match itself.

use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header, uri::Authority};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};
use tokio::time::{sleep, timeout};

use super::serve::Endpoints;
use crate::quote::quoted;
use crate::remote::log_limiter::{LogLimiter, suppressed_suffix};

/// Maximum size of a request body in bytes.
pub(super) const MAX_BODY: u64 = 64 * 1024;
/// Maximum time until a response starts.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(10);
/// Minimum time until a request without the right password is refused, to slow down guessing.
const GUESS_DELAY: Duration = Duration::from_millis(500);
/// Name of the cookie that is accepted instead of the password.
const COOKIE: &str = "melos-key";

/// The access rules.
pub struct AccessRules {
    /// Names of this machine, in lower case.
    names: Vec<String>,
    /// The password's hash and the cookie's value.
    password: Option<([u8; 32], String)>,
    /// The content security policy.
    policy: HeaderValue,
    /// Limits log lines about wrong passwords.
    limiter: Mutex<LogLimiter>,
}

/// Why a request is refused.
enum Refusal {
    Host(String),
    Origin,
    Password,
    Large,
    Malformed,
}

impl AccessRules {
    /// Creates the rules, which accept this machine's own names, and `hosts` as further names or addresses. If there is
    /// a password, requests from other machines must supply it. `page` is the HTML of a page whose inline scripts and
    /// styles are allowed.
    #[must_use]
    pub fn new(hosts: &[String], password: Option<&str>, page: &str) -> Self {
        let mut names = vec!["localhost".to_owned()];
        if let Some(name) = host_name() {
            names.extend([format!("{name}.local"), name]);
        }
        names.extend(hosts.iter().map(|host| host.trim_matches(['[', ']', '.']).to_lowercase()));
        let password = password.map(|password| (digest(password), random_key()));
        let policy = HeaderValue::from_str(&policy(page)).unwrap_or(HeaderValue::from_static("default-src 'none'"));
        Self { names, password, policy, limiter: Mutex::default() }
    }

    /// Returns whether a host name or address refers to this machine, for a client that reached it at `local`.
    fn is_own_host(&self, host: &str, local: IpAddr) -> bool {
        let host = host.trim_matches(['[', ']']).trim_end_matches('.').to_lowercase();
        let local = local.to_canonical();
        let is_address = host.parse::<IpAddr>().is_ok_and(|ip| {
            let ip = ip.to_canonical();
            ip == local || ip.is_loopback() && local.is_loopback()
        });
        is_address || self.names.contains(&host)
    }

    /// Returns why a request is refused; `None` if it is allowed.
    fn refusal(&self, request: &Request, endpoints: Endpoints) -> Option<Refusal> {
        let (headers, local) = (request.headers(), endpoints.local.ip());
        let mut hosts = headers.get_all(header::HOST).iter();
        let host = hosts.next();
        if hosts.next().is_some() {
            return Some(Refusal::Malformed);
        }
        // Browsers always send `Host`; HTTP/1.0 allows other clients to omit it.
        if let Some(host) = host {
            let Some(host) = host.to_str().ok().and_then(|host| host.parse::<Authority>().ok()) else {
                return Some(Refusal::Malformed);
            };
            if !self.is_own_host(host.host(), local) {
                return Some(Refusal::Host(host.host().to_owned()));
            }
        }
        if let Some(host) = request.uri().host().filter(|host| !self.is_own_host(host, local)) {
            return Some(Refusal::Host(host.to_owned()));
        }
        if !self.accepts_origin(headers, local) || is_cross_site(request.method(), headers) {
            return Some(Refusal::Origin);
        }
        if !self.is_authorized(headers, endpoints) {
            return Some(Refusal::Password);
        }
        let length = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
        (length.is_some_and(|length| length > MAX_BODY)).then_some(Refusal::Large)
    }

    /// Returns whether the requesting page, if any, is this machine's own or a local file.
    fn accepts_origin(&self, headers: &HeaderMap, local: IpAddr) -> bool {
        let Some(origin) = headers.get(header::ORIGIN) else { return true };
        let Ok(origin) = origin.to_str() else { return false };
        if origin == "file://" {
            return true;
        }
        origin.parse::<Uri>().is_ok_and(|origin| {
            matches!(origin.scheme_str(), Some("http" | "https"))
                && origin.host().is_some_and(|host| self.is_own_host(host, local))
        })
    }

    /// Returns whether the client is authorized: there is no password, the client has supplied it or the cookie, or the
    /// client is on this machine and not behind a proxy.
    fn is_authorized(&self, headers: &HeaderMap, endpoints: Endpoints) -> bool {
        let Some((password, key)) = &self.password else { return true };
        let forwarded =
            ["forwarded", "x-forwarded-for", "x-real-ip", "via"].iter().any(|name| headers.contains_key(*name));
        if endpoints.client.ip().to_canonical().is_loopback() && !forwarded {
            return true;
        }
        let given = headers.get(header::AUTHORIZATION).and_then(basic_password);
        let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
        let mut keys =
            cookies.flat_map(|cookies| cookies.split(';')).filter_map(|cookie| cookie.trim().split_once('='));
        given.is_some_and(|given| equal(&digest(&given), password))
            || keys.any(|(name, value)| name == COOKIE && equal(&digest(value), &digest(key)))
    }
}

impl AccessRules {
    /// Returns the cookie that stands for the password; `None` if there is no password.
    fn cookie(&self) -> Option<HeaderValue> {
        let (_, key) = self.password.as_ref()?;
        HeaderValue::from_str(&format!("{COOKIE}={key}; Path=/; HttpOnly; SameSite=Strict")).ok()
    }

    /// Logs an attempt with a wrong password.
    fn log_wrong_password(&self, client: IpAddr) {
        let mut limiter = self.limiter.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(suppressed) = limiter.admit("password", &client.to_string(), Instant::now()) {
            tracing::warn!(%client, "HTTP: wrong password{}", suppressed_suffix(suppressed));
        }
    }
}

impl fmt::Debug for AccessRules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessRules").field("names", &self.names).finish_non_exhaustive()
    }
}

/// Checks a request, and adds the security headers and, if there is a password, the cookie to the response.
pub(super) async fn guard(
    State(access): State<Arc<AccessRules>>,
    ConnectInfo(endpoints): ConnectInfo<Endpoints>,
    request: Request,
    next: Next,
) -> Response {
    let started = Instant::now();
    let has_password = request.headers().contains_key(header::AUTHORIZATION);
    let mut response = match access.refusal(&request, endpoints) {
        None => {
            let response = timeout(RESPONSE_TIMEOUT, next.run(request)).await;
            let mut response = response.unwrap_or_else(|_| StatusCode::SERVICE_UNAVAILABLE.into_response());
            // Only an authorized client may learn the key.
            response.headers_mut().extend(access.cookie().map(|cookie| (header::SET_COOKIE, cookie)));
            response
        }
        Some(refusal) => {
            if matches!(refusal, Refusal::Password) {
                if has_password {
                    access.log_wrong_password(endpoints.client.ip());
                }
                sleep(GUESS_DELAY.saturating_sub(started.elapsed())).await;
            }
            refusal.into_response()
        }
    };
    let headers = response.headers_mut();
    headers.entry(header::CONTENT_SECURITY_POLICY).or_insert_with(|| access.policy.clone());
    for (name, value) in SECURITY_HEADERS {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}

/// The security headers of every response, besides the content security policy.
const SECURITY_HEADERS: [(HeaderName, &str); 4] = [
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "no-referrer"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        match self {
            Self::Host(host) => {
                let hint = "if it should be, add it to http.hosts in melos.toml";
                (StatusCode::FORBIDDEN, format!("{} is not a known name of this machine; {hint}.\n", quoted(&host)))
                    .into_response()
            }
            Self::Origin => (StatusCode::FORBIDDEN, "Pages from other origins are not allowed.\n").into_response(),
            Self::Password => {
                let challenge = [(header::WWW_AUTHENTICATE, "Basic realm=\"Melos\", charset=\"UTF-8\"")];
                (StatusCode::UNAUTHORIZED, challenge, "Melos requires a password; any user name will do.\n")
                    .into_response()
            }
            Self::Large => StatusCode::PAYLOAD_TOO_LARGE.into_response(),
            Self::Malformed => StatusCode::BAD_REQUEST.into_response(),
        }
    }
}

/// Returns whether, according to the browser's headers, a page from another site made the request, other than by
/// navigation.
fn is_cross_site(method: &Method, headers: &HeaderMap) -> bool {
    let header_is = |name, value| headers.get(name).is_some_and(|actual| actual == value);
    let is_navigation =
        method == Method::GET && header_is("sec-fetch-mode", "navigate") && header_is("sec-fetch-dest", "document");
    header_is("sec-fetch-site", "cross-site") && !is_navigation
}

/// Returns the password in `Authorization: Basic`.
fn basic_password(value: &HeaderValue) -> Option<String> {
    let (scheme, credentials) = value.to_str().ok()?.split_once(' ')?;
    let decoded = STANDARD.decode(credentials.trim()).ok().filter(|_| scheme.eq_ignore_ascii_case("basic"))?;
    let (_, password) = std::str::from_utf8(&decoded).ok()?.split_once(':')?;
    Some(password.to_owned())
}

fn digest(text: &str) -> [u8; 32] {
    Sha256::digest(text).into()
}

/// Returns whether two hashes are equal; takes the same time wherever they differ.
fn equal(a: &[u8; 32], b: &[u8; 32]) -> bool {
    a.iter().zip(b).fold(0, |difference, (a, b)| difference | (a ^ b)) == 0
}

/// Returns an unguessable value for the cookie.
fn random_key() -> String {
    // The keys of every hasher are derived from the system's random numbers.
    let mut words = [0, 0].map(|_: i32| std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), ()));
    words[1] ^= std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), words[0]);
    words.iter().map(|word| format!("{word:016x}")).collect()
}

/// Returns the content security policy, which allows only resources of this server, `data:` images, and the inline
/// scripts and styles of `page`.
fn policy(page: &str) -> String {
    let hashes = |tag: &str| {
        let (open, close) = (format!("<{tag}>"), format!("</{tag}>"));
        let inline = page.split(open.as_str()).skip(1).filter_map(|rest| rest.split(close.as_str()).next());
        inline.map(|text| format!(" 'sha256-{}'", STANDARD.encode(digest(text)))).collect::<String>()
    };
    format!(
        "default-src 'self'; script-src 'self'{}; style-src 'self'{}; img-src 'self' data:; object-src 'none'; base-uri 'none'; \
         form-action 'self'; frame-ancestors 'none'",
        hashes("script"),
        hashes("style")
    )
}

/// Returns the machine's host name without its domain, in lower case.
pub(super) fn host_name() -> Option<String> {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").ok()?;
    let host = name.trim().split('.').next().unwrap_or_default().to_lowercase();
    (!host.is_empty()).then_some(host)
}

#[cfg(test)]
mod tests;
