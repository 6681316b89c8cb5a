//! OSCQuery: the parameter table over HTTP and WebSocket, according to the Vidvox proposal.
//!
//! | request | response |
//! |---|---|
//! | `GET /melos/reverb` | 200, the node and its contents as JSON; 404 if there is no such node |
//! | `GET /melos/reverb?VALUE` | 200, this attribute only; `{}` if the node does not have it |
//! | `GET /melos/panic?VALUE` | 204, because a trigger has no value |
//! | `GET /melos?HTML` | 204, an unsupported attribute of the proposal |
//! | `GET /melos?NONSENSE` | 400, an attribute unknown to the proposal |
//! | `GET /` by a browser, which accepts HTML | 303, redirect to the page |
//! | `GET /?HOST_INFO` | 200, name, extensions, and the OSC and WebSocket ports |
//! | `POST /osc` | 204, or 400 with the reasons if part of the OSC packet was refused, or 202 if it has not been handled within a second; the packet is treated as if received over UDP |
//! | WebSocket `{"COMMAND": "LISTEN", "DATA": "/melos/reverb"}` | OSC packets of this method, until `IGNORE` |
//! | WebSocket binary | the replies to the OSC packet, which is treated as if received over UDP, except that subscribing has no effect; see [`super::osc`] |
//!
//! Attributes: FULL_PATH, CONTENTS, TYPE, ACCESS, VALUE, RANGE, DESCRIPTION, TAGS, UNIT, CLIPMODE. Triggers have type `I` and
//! are write-only; streams are read-only. Messages are sent to listeners at most 30 times a second: the newest of each
//! method, and all new notes. A client receives no echo of a value that it sets, unless Melos has refused or changed it. Reading `/melos/chord` returns the
//! lead chord; listeners to it receive the current chord.
//!
//! `access` decides which requests are allowed, and `serve` limits the number of connections. A WebSocket is closed if
//! its client stops reading, does not answer pings or sends too many of them; a client that listens to nothing may be
//! evicted for a new one.

mod access;
mod discovery;
mod methods;
mod post;
mod query;
mod serve;
mod slots;
mod socket;
mod tree;
mod value_cache;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{Message, WebSocketUpgrade};
use axum::extract::{ConnectInfo, DefaultBodyLimit, OriginalUri, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::map_response;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use axum::{Json, Router, middleware};
use futures_util::future::join_all;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

pub use access::AccessRules;
pub use discovery::{Discovery, DiscoveryError};

use super::http::PAGE;
use super::http::reply::{Refusal, json_error};
use super::osc::Counters;
use super::osc::fault::MAX_BYTES;
use super::osc::sockets::companion;
use crate::event::parameter::Param;
use crate::event::{Inbox, Notice, Part, Troubles};
use crate::threads;
use query::{QueryResponse, host_info, respond};
use serve::Endpoints;
use slots::Slots;
use tree::Node;
use value_cache::ValueCache;

/// Maximum number of WebSocket clients in total, and per remote host. For a further client, one that listens to nothing
/// is evicted; if there is none, the new client gets 503.
const MAX_CLIENTS: usize = 64;
const MAX_CLIENTS_PER_HOST: usize = 16;
/// Pause between attempts to listen.
const LISTEN_RETRY: Duration = Duration::from_secs(2);

/// The server's dependencies.
#[derive(Debug)]
pub struct ServerContext {
    /// The UDP address of the OSC server.
    pub osc: SocketAddr,
    /// Counters of received packets and OSC losses.
    pub counters: Arc<Counters>,
    /// The access rules.
    pub access: AccessRules,
    /// Where to report that the server cannot listen.
    pub troubles: Troubles,
}

/// A running server; stops accepting connections when dropped.
#[derive(Debug)]
pub struct OscQuery {
    address: SocketAddr,
    shared: Arc<Shared>,
    is_listening: bool,
    task: JoinHandle<()>,
}

/// State shared by the server's tasks.
#[derive(Debug)]
struct Shared {
    root: Node,
    cache: Mutex<ValueCache>,
    inbox: Arc<Inbox>,
    clients: Arc<Slots>,
    counters: Arc<Counters>,
    osc: SocketAddr,
    http: SocketAddr,
}

impl OscQuery {
    /// Listens on `address` (TCP; port 0 selects any free port) and queues requests in `inbox`. If `address` is
    /// 127.0.0.1 or 0.0.0.0, also listens on ::1, and if it is ::1, also on 127.0.0.1, since `localhost` may resolve to
    /// either. Routes in `extra` take precedence over the address space. Requires a tokio runtime.
    ///
    /// If it cannot listen, for example because another program uses the port, reports this and tries again until it can.
    pub async fn start(address: SocketAddr, context: ServerContext, inbox: Arc<Inbox>, extra: Router) -> Self {
        let mut listeners = listen(address, &context.troubles).await;
        let address = listeners.first().and_then(|first| first.local_addr().ok()).unwrap_or(address);
        let is_listening = !listeners.is_empty();
        let guard_state = (Arc::new(context.access), Arc::clone(inbox.losses()));
        let shared = Arc::new(Shared {
            root: Node::root(),
            cache: Mutex::new(ValueCache::new()),
            inbox,
            clients: Slots::new(MAX_CLIENTS, MAX_CLIENTS_PER_HOST),
            counters: context.counters,
            osc: context.osc,
            http: address,
        });
        let guard = middleware::from_fn_with_state(guard_state, access::guard);
        let packets = axum::routing::post(post::post).layer(DefaultBodyLimit::max(MAX_BYTES));
        let router = Router::new().route("/osc", packets).fallback(get(handle)).layer(map_response(json_error));
        let router = router.with_state(Arc::clone(&shared)).merge(extra);
        let router = router.layer(DefaultBodyLimit::max(access::MAX_BODY as usize)).layer(guard);
        let (slots, troubles) = (serve::connection_slots(), context.troubles);
        let serve = async move || {
            while listeners.is_empty() {
                tokio::time::sleep(LISTEN_RETRY).await;
                listeners = listen(address, &troubles).await;
            }
            join_all(listeners.iter().map(|listener| serve::serve(listener, &router, &slots))).await;
        };
        let task = tokio::spawn(threads::restarting_task("HTTP", serve));
        Self { address, is_listening, shared, task }
    }

    /// Returns whether the server could listen at its start.
    #[must_use]
    pub const fn is_listening(&self) -> bool {
        self.is_listening
    }

    /// Returns the address on which the server listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Sets the current choices of a parameter, which are the `VALS` of its `RANGE`.
    pub fn set_choices(&self, param: Param, choices: Vec<String>) {
        self.shared.cache().set_choices(param, choices);
    }

    /// Publishes a notice to listeners. Never waits for clients: each receives the newest values when it is ready. A
    /// new server assumes that all parameters have their default values, so every value that differs from its default
    /// must be published once. Takes a lock, so it must not be called from the audio callback.
    pub fn publish(&self, notice: &Notice) {
        self.shared.cache().update(notice);
    }
}

impl Drop for OscQuery {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Listens on an address and its companion; returns no listeners, and reports this, if that is impossible.
async fn listen(address: SocketAddr, troubles: &Troubles) -> Vec<TcpListener> {
    let listener = match TcpListener::bind(address).await {
        Ok(listener) => listener,
        Err(error) => {
            let hint = "retrying; choose another port with --http, or http.port in melos.toml";
            troubles.set(Part::Http, format!("cannot listen for HTTP on {address}: {error}; {hint}"));
            return Vec::new();
        }
    };
    troubles.clear(Part::Http);
    let port = listener.local_addr().map_or(address.port(), |address| address.port());
    let mut listeners = vec![listener];
    if let Some(ip) = companion(address.ip()) {
        match TcpListener::bind((ip, port)).await {
            Ok(listener) => listeners.push(listener),
            Err(error) => tracing::debug!(%ip, %error, "cannot listen for HTTP on the second address"),
        }
    }
    listeners
}

impl Shared {
    fn cache(&self) -> MutexGuard<'_, ValueCache> {
        // A partial change leaves the cache readable, so a panic elsewhere does no harm.
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn respond(&self, path: &str, query: Option<&str>) -> QueryResponse {
        // Copied, so that the lock is not held while JSON is generated.
        let values = self.cache().values().clone();
        respond(&self.root, &values, path, query)
    }
}

async fn handle(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(endpoints): ConnectInfo<Endpoints>,
    OriginalUri(uri): OriginalUri,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Response {
    if let Ok(upgrade) = upgrade {
        return open(upgrade, endpoints.client, shared);
    }
    if uri.path() == "/" && uri.query().is_none() && accepts_html(&headers) {
        return Redirect::to(PAGE).into_response();
    }
    let response = match uri.query().map(|query| query.trim_end_matches('=')) {
        Some("HOST_INFO") => QueryResponse::Found(host_info(shared.osc, shared.http, endpoints.local.ip())),
        query => shared.respond(uri.path(), query),
    };
    match response {
        QueryResponse::Found(json) => Json(json).into_response(),
        QueryResponse::NoContent => StatusCode::NO_CONTENT.into_response(),
        QueryResponse::BadRequest => StatusCode::BAD_REQUEST.into_response(),
        QueryResponse::NotFound => StatusCode::NOT_FOUND.into_response(),
    }
}

/// Returns whether the client accepts HTML, which tells a browser from an OSCQuery client.
fn accepts_html(headers: &HeaderMap) -> bool {
    headers
        .get(header::ACCEPT)
        .and_then(|accept| accept.to_str().ok())
        .is_some_and(|accept| accept.contains("text/html"))
}

fn open(upgrade: WebSocketUpgrade, client: SocketAddr, shared: Arc<Shared>) -> Response {
    let Some(slot) = shared.clients.take(client.ip(), Instant::now()) else {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    };
    socket::limit_buffers(upgrade).on_upgrade(move |socket| socket::serve(socket, client, slot, shared))
}

/// A server without sockets and with a single client, for fuzzing.
#[derive(Debug)]
#[doc(hidden)]
pub struct Probe(socket::Session);

impl Default for Probe {
    fn default() -> Self {
        let unused = SocketAddr::from(([127, 0, 0, 1], 0));
        let shared = Shared {
            root: Node::root(),
            cache: Mutex::new(ValueCache::new()),
            inbox: Arc::new(Inbox::new(Arc::default())),
            clients: Slots::new(1, 1),
            counters: Arc::default(),
            osc: unused,
            http: unused,
        };
        Self(socket::Session::new(unused, Arc::new(shared)))
    }
}

impl Probe {
    /// Returns the status code of the response to a path and query.
    #[must_use]
    pub fn query(&self, path: &str, query: Option<&str>) -> u16 {
        match self.0.shared.respond(path, query) {
            QueryResponse::Found(_) => 200,
            QueryResponse::NoContent => 204,
            QueryResponse::BadRequest => 400,
            QueryResponse::NotFound => 404,
        }
    }

    /// Processes the body of a `POST /osc`; everything valid in it takes effect.
    ///
    /// # Errors
    /// If something in the packet is refused, with the reason.
    pub fn post(&self, packet: &[u8]) -> Result<(), String> {
        let unused = SocketAddr::from(([127, 0, 0, 1], 0));
        let (problems, _) = post::process(packet, unused, &self.0.shared).map_err(|Refusal(_, reason)| reason)?;
        if problems.is_empty() { Ok(()) } else { Err(problems.join("; ")) }
    }

    /// Processes a text message; returns the number of replies.
    pub fn text(&mut self, text: &str) -> usize {
        self.0.receive(&Message::text(text)).len()
    }

    /// Processes an OSC packet; returns the number of replies.
    pub fn packet(&mut self, packet: &[u8]) -> usize {
        self.0.receive(&Message::Binary(packet.to_vec().into())).len()
    }
}
