//! Recognises requests that a proxy has forwarded. To a proxy on this machine, every client looks local.

use std::net::IpAddr;

use axum::http::HeaderMap;

/// Headers that only proxies add.
const NAMES: [&str; 9] = [
    "cdn-loop",
    "fastly-client-ip",
    "forwarded",
    "true-client-ip",
    "via",
    "x-client-ip",
    "x-cluster-client-ip",
    "x-original-host",
    "x-real-ip",
];
/// Starts of the names of further headers that only proxies add.
const PREFIXES: [&str; 3] = ["cf-", "x-envoy-", "x-forwarded"];
/// The header that lists the addresses of the client and of all proxies but the last.
const FORWARDED_FOR: &str = "x-forwarded-for";

/// Returns whether a proxy has forwarded a request, according to its headers. A proxy that adds none goes unnoticed.
pub(super) fn is_forwarded(headers: &HeaderMap) -> bool {
    headers
        .keys()
        .map(|name| name.as_str())
        .any(|name| NAMES.contains(&name) || PREFIXES.iter().any(|prefix| name.starts_with(prefix)))
}

/// Returns the address of the client that sent a request. If that is a proxy on this machine, returns the address from
/// which the proxy received the request, provided that the proxy names it.
pub(super) fn client(headers: &HeaderMap, peer: IpAddr) -> IpAddr {
    let peer = peer.to_canonical();
    // A proxy appends to what it received, so only the last address is its own.
    let last =
        || headers.get_all(FORWARDED_FOR).iter().next_back()?.to_str().ok()?.rsplit(',').next()?.trim().parse().ok();
    last().filter(|_| peer.is_loopback()).unwrap_or(peer).to_canonical()
}
