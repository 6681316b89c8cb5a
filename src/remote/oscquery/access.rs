//! HTTP access control for every path, and security headers for every response.
//!
//! A browser on this machine or its network also runs pages from other sites. It sends the host name to which it
//! connects in `Host`, and the origin of the page that makes the request in `Origin`. Both are checked against Melos's
//! own names and addresses, not against each other: with DNS rebinding, a foreign name that resolves to this machine
//! would match itself.

mod guesses;
mod names;
mod password;
mod proxy;

use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, Version, header, uri::Authority};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tokio::time::{sleep, timeout};

use super::serve::Endpoints;
use crate::event::health::{Loss, Losses};
use crate::quote::quoted;
use crate::remote::http::PAGE;
use crate::remote::log_limiter::suppressed_suffix;
use guesses::{Guesses, Outcome};
use names::{OwnNames, is_loopback};
use password::{Password, digest};

pub(super) use names::host_name;

/// Maximum size of a request body in bytes.
pub(super) const MAX_BODY: u64 = 64 * 1024;
/// Maximum time until a response starts.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(10);
/// Minimum time until a request without the right password is refused, so that such requests take little processor time.
const REFUSAL_DELAY: Duration = Duration::from_millis(500);
/// The paths that pages of other sites may link to: those at which the page is served.
const LINKABLE: [&str; 3] = ["/", PAGE, "/page/"];

/// The access rules.
pub struct AccessRules {
    names: OwnNames,
    password: Option<Password>,
    /// Whether clients on this machine need the password too.
    local_password: bool,
    /// The content security policy.
    policy: HeaderValue,
    guesses: Mutex<Guesses>,
}

/// Why a request is refused.
enum Refusal {
    Host(String),
    Origin,
    /// A page of another site links to something other than the page.
    Link,
    /// There is no password.
    Password,
    /// The password is wrong; the client's address.
    WrongPassword(IpAddr),
    /// The password was not checked, because too many others were wrong; the client's address, and how long it must wait.
    TooManyGuesses(IpAddr, Duration),
    Large,
    Malformed,
}

impl AccessRules {
    /// Creates the rules, which accept this machine's own names, and `hosts` as further names or addresses. If there is
    /// a password, requests from other machines must supply it. `page` is the HTML of a page whose inline scripts and
    /// styles are allowed.
    #[must_use]
    pub fn new(hosts: &[String], password: Option<&str>, page: &str) -> Self {
        let policy = HeaderValue::from_str(&policy(page)).unwrap_or(HeaderValue::from_static("default-src 'none'"));
        let (names, password) = (OwnNames::new(hosts), password.map(Password::new));
        Self { names, password, local_password: false, policy, guesses: Mutex::default() }
    }

    /// Sets whether clients on this machine need the password too, for a machine with a proxy or with untrusted users.
    #[must_use]
    pub fn with_local_password(self, local_password: bool) -> Self {
        Self { local_password, ..self }
    }

    /// Returns why a request is refused; `None` if it is allowed.
    fn refusal(&self, request: &Request, endpoints: Endpoints) -> Option<Refusal> {
        let (headers, local) = (request.headers(), endpoints.local.ip());
        let is_repeated = |name| headers.get_all(name).iter().nth(1).is_some();
        // Which of several values counts would be a matter of opinion between Melos and a proxy.
        if is_repeated(header::HOST) || is_repeated(header::ORIGIN) {
            return Some(Refusal::Malformed);
        }
        let Ok(hosts) = hosts(request) else { return Some(Refusal::Malformed) };
        if let Some(host) = hosts.iter().find(|host| !self.names.include(host, local)) {
            return Some(Refusal::Host(host.clone()));
        }
        if !self.accepts_origin(headers, local) {
            return Some(Refusal::Origin);
        }
        if is_cross_site(headers) {
            match is_navigation(request.method(), headers) {
                true if LINKABLE.contains(&request.uri().path()) => {}
                true => return Some(Refusal::Link),
                false => return Some(Refusal::Origin),
            }
        }
        let is_local = endpoints.client.ip().to_canonical().is_loopback()
            && hosts.iter().all(|host| is_loopback(host))
            && !proxy::is_forwarded(headers);
        if let Some(password) = self.password.as_ref().filter(|_| self.local_password || !is_local)
            && let Some(refusal) = self.password_refusal(password, headers, endpoints)
        {
            return Some(refusal);
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
                && origin.host().is_some_and(|host| self.names.include(host, local))
        })
    }

    /// Returns why a request that needs the password is refused; `None` if it supplies the password or the cookie.
    fn password_refusal(&self, password: &Password, headers: &HeaderMap, endpoints: Endpoints) -> Option<Refusal> {
        if password.is_in_cookie(headers) {
            return None;
        }
        let Some(given) = password::given(headers) else { return Some(Refusal::Password) };
        let client = proxy::client(headers, endpoints.client.ip());
        match self.guesses().check(client, Instant::now(), || password.is(&given)) {
            Outcome::Right => None,
            Outcome::Wrong => Some(Refusal::WrongPassword(client)),
            Outcome::Unchecked(wait) => Some(Refusal::TooManyGuesses(client, wait)),
        }
    }

    fn guesses(&self) -> MutexGuard<'_, Guesses> {
        self.guesses.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts and logs a refused password.
    fn report_refused_password(&self, client: IpAddr, losses: &Losses) {
        losses.add(Loss::Passwords, 1);
        if let Some(count) = self.guesses().count_for_log(Instant::now()) {
            tracing::warn!(%client, "HTTP: wrong password{}", suppressed_suffix(count - 1));
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
    State((access, losses)): State<(Arc<AccessRules>, Arc<Losses>)>,
    ConnectInfo(endpoints): ConnectInfo<Endpoints>,
    request: Request,
    next: Next,
) -> Response {
    let started = Instant::now();
    let mut response = match access.refusal(&request, endpoints) {
        None => {
            let response = timeout(RESPONSE_TIMEOUT, next.run(request)).await;
            let mut response = response.unwrap_or_else(|_| {
                (StatusCode::SERVICE_UNAVAILABLE, "Melos could not answer in time; try again.\n").into_response()
            });
            // Only an authorized client may learn the key.
            let cookie = access.password.as_ref().and_then(Password::set_cookie);
            response.headers_mut().extend(cookie.map(|cookie| (header::SET_COOKIE, cookie)));
            response
        }
        Some(refusal) => {
            if let Refusal::WrongPassword(client) | Refusal::TooManyGuesses(client, _) = refusal {
                access.report_refused_password(client, &losses);
            }
            if matches!(refusal, Refusal::Password | Refusal::WrongPassword(_)) {
                sleep(REFUSAL_DELAY.saturating_sub(started.elapsed())).await;
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
            Self::Link => {
                (StatusCode::FORBIDDEN, format!("Links from other sites may lead only to the page, {PAGE}.\n"))
                    .into_response()
            }
            Self::TooManyGuesses(_, wait) => {
                let seconds = wait.as_secs_f64().ceil() as u64;
                let text = format!("Too many wrong passwords; try again in {seconds} s.\n");
                (StatusCode::TOO_MANY_REQUESTS, [(header::RETRY_AFTER, seconds.to_string())], text).into_response()
            }
            Self::Password | Self::WrongPassword(_) => {
                let challenge = [(header::WWW_AUTHENTICATE, "Basic realm=\"Melos\", charset=\"UTF-8\"")];
                (StatusCode::UNAUTHORIZED, challenge, "Melos requires a password; any user name will do.\n")
                    .into_response()
            }
            Self::Large => {
                let text = format!("The body is larger than {} kB.\n", MAX_BODY / 1024);
                (StatusCode::PAYLOAD_TOO_LARGE, text).into_response()
            }
            Self::Malformed => {
                let text = "The request needs a valid Host header; neither Host nor Origin may be repeated.\n";
                (StatusCode::BAD_REQUEST, text).into_response()
            }
        }
    }
}

/// Returns the hosts that a request names: in its target, if that is absolute, and in `Host`, which HTTP/1.0 allows clients
/// to omit.
///
/// # Errors
/// If a host is malformed, or `Host` is missing from HTTP/1.1.
fn hosts(request: &Request) -> Result<Vec<String>, ()> {
    let given = request.headers().get(header::HOST);
    if given.is_none() && request.version() > Version::HTTP_10 {
        return Err(());
    }
    let parse = |host: &HeaderValue| host.to_str().ok()?.parse::<Authority>().ok();
    let given = given.map(|host| parse(host).ok_or(())).transpose()?;
    let named = [given.as_ref().map(Authority::host), request.uri().host()];
    Ok(named.into_iter().flatten().map(str::to_owned).collect())
}

/// Returns whether a header of a request has a value.
fn header_is(headers: &HeaderMap, name: &str, value: &str) -> bool {
    headers.get(name).is_some_and(|actual| actual == value)
}

/// Returns whether, according to the browser, a page of another site caused the request.
fn is_cross_site(headers: &HeaderMap) -> bool {
    header_is(headers, "sec-fetch-site", "cross-site")
}

/// Returns whether, according to the browser, its user goes to another page, such as by a link.
fn is_navigation(method: &Method, headers: &HeaderMap) -> bool {
    method == Method::GET
        && header_is(headers, "sec-fetch-mode", "navigate")
        && header_is(headers, "sec-fetch-dest", "document")
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

#[cfg(test)]
mod tests;
