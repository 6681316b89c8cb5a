//! Responses to HTTP queries.

use std::net::{IpAddr, SocketAddr};

use serde_json::{Map, Value as Json, json};

use super::tree::Node;
use super::value_cache::Values;

/// Attributes that nodes can have.
const ATTRIBUTES: [&str; 10] =
    ["FULL_PATH", "CONTENTS", "TYPE", "ACCESS", "VALUE", "RANGE", "DESCRIPTION", "TAGS", "UNIT", "CLIPMODE"];
/// Attributes of the proposal that nodes never have.
const UNSUPPORTED: [&str; 4] = ["EXTENDED_TYPE", "CRITICAL", "OVERLOADS", "HTML"];
/// Optional parts of the proposal that are supported.
const EXTENSIONS: [&str; 8] = ["ACCESS", "VALUE", "RANGE", "DESCRIPTION", "TAGS", "UNIT", "CLIPMODE", "LISTEN"];

/// The response to a GET request.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum QueryResponse {
    /// 200 with JSON.
    Found(Json),
    /// 204: the value is not readable, or the attribute is not supported.
    NoContent,
    /// 400: not an attribute of the proposal.
    BadRequest,
    /// 404: there is no such node.
    NotFound,
}

/// Returns the response to a request for the node at a path or, if a query names one, for an attribute of the node.
pub(super) fn respond(root: &Node, values: &Values, path: &str, query: Option<&str>) -> QueryResponse {
    let Some(node) = root.find(path) else { return QueryResponse::NotFound };
    // Some HTTP libraries write a bare `?VALUE` as `?VALUE=`.
    let attribute = query.map(|query| query.strip_suffix('=').unwrap_or(query)).filter(|query| !query.is_empty());
    match attribute {
        None => QueryResponse::Found(node.json(values)),
        Some("VALUE") if !node.is_readable() => QueryResponse::NoContent,
        Some(name) if ATTRIBUTES.contains(&name) => {
            let entry = node.attribute(name, values).map(|value| (name.to_owned(), value));
            QueryResponse::Found(Json::Object(Map::from_iter(entry)))
        }
        Some(name) if UNSUPPORTED.contains(&name) => QueryResponse::NoContent,
        Some(_) => QueryResponse::BadRequest,
    }
}

/// Returns the response to `?HOST_INFO`. `local` is the address at which the client reached this server; it replaces an
/// unspecified listening address.
pub(super) fn host_info(osc: SocketAddr, http: SocketAddr, local: IpAddr) -> Json {
    let ip = |address: SocketAddr| if address.ip().is_unspecified() { local } else { address.ip() }.to_canonical();
    let extensions: Map<_, _> = EXTENSIONS.into_iter().map(|name| (name.to_owned(), json!(true))).collect();
    json!({
        "NAME": "Melos",
        "EXTENSIONS": extensions,
        "OSC_IP": ip(osc),
        "OSC_PORT": osc.port(),
        "OSC_TRANSPORT": "UDP",
        "WS_IP": ip(http),
        "WS_PORT": http.port(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unspecified_address_is_replaced_by_the_one_the_client_reached() {
        let info = host_info(
            "0.0.0.0:9000".parse().unwrap(),
            "[::]:9080".parse().unwrap(),
            "::ffff:192.168.1.5".parse().unwrap(),
        );
        assert_eq!((&info["OSC_IP"], &info["WS_IP"]), (&json!("192.168.1.5"), &json!("192.168.1.5")));
        let fixed =
            host_info("127.0.0.1:1".parse().unwrap(), "127.0.0.1:2".parse().unwrap(), "10.0.0.1".parse().unwrap());
        assert_eq!((&fixed["OSC_IP"], &fixed["WS_PORT"]), (&json!("127.0.0.1"), &json!(2)));
    }
}
