//! OSCQuery: the parameter table over HTTP and WebSocket, as the Vidvox proposal describes it.
//!
//! | request | answer |
//! |---|---|
//! | `GET /melos/reverb` | 200, the node as JSON with all that is inside it; 404 where there is none |
//! | `GET /melos/reverb?VALUE` | 200, this attribute alone; `{}` where the node has none |
//! | `GET /melos/panic?VALUE` | 204, because the value may not be read |
//! | `GET /melos?TAGS` | 204, an attribute of the proposal that is not supported |
//! | `GET /melos?NONSENSE` | 400, an attribute that the proposal does not know |
//! | `GET /?HOST_INFO` | 200, name, extensions, and where OSC and WebSocket are |
//! | WebSocket `{"COMMAND": "LISTEN", "DATA": "/melos/reverb"}` | OSC packets of this method, until `IGNORE` |
//! | WebSocket binary | an OSC packet, taken as if it had come over UDP; see [`super::osc`] |
//!
//! Attributes: FULL_PATH, CONTENTS, TYPE, ACCESS, VALUE, RANGE, DESCRIPTION, UNIT, CLIPMODE. Triggers have the type `I`
//! and can only be set; the streams can only be read. A method is sent at most 30 times a second, the newest wins; a
//! client is not told what it has set itself. `/melos/chord` is read as the chord that sounds.
//!
//! Web pages of other machines may not open a WebSocket: a browser on the stage machine must not let them play along.

mod discovery;
mod known;
mod query;
mod socket;
mod tree;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::extract::connect_info::Connected;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::{ConnectInfo, OriginalUri, State};
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::serve::IncomingStream;
use axum::{Json, Router};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

pub use discovery::{Discovery, DiscoveryError};

use super::osc::guard::MAX_BYTES;
use crate::event::{Inbox, Notice};
use known::Known;
use query::{Answer, answer, host_info};
use tree::Node;

/// Most WebSocket clients at a time; more are refused with 503.
const MAX_CLIENTS: usize = 64;

/// The running server; takes no more connections when dropped.
#[derive(Debug)]
pub struct OscQuery {
    address: SocketAddr,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

/// What the server's tasks share.
#[derive(Debug)]
struct Shared {
    root: Node,
    known: Mutex<Known>,
    inbox: Arc<Inbox>,
    clients: AtomicUsize,
    osc: SocketAddr,
    http: SocketAddr,
}

impl OscQuery {
    /// Listens on `address` (TCP; port 0 takes any free one), names `osc` as the place of OSC over UDP and puts what
    /// is asked for into `inbox`. Paths of `extra` come before the address space. Needs a tokio runtime.
    ///
    /// # Errors
    /// When the address cannot be bound.
    pub async fn start(address: SocketAddr, osc: SocketAddr, inbox: Arc<Inbox>, extra: Router) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            root: Node::root(),
            known: Mutex::new(Known::new()),
            inbox,
            clients: AtomicUsize::new(0),
            osc,
            http: address,
        });
        let router = Router::new().fallback(get(handle)).with_state(Arc::clone(&shared)).merge(extra);
        let service = router.into_make_service_with_connect_info::<Ends>();
        let task = tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, service).await {
                tracing::error!(%error, "HTTP ended");
            }
        });
        Ok(Self { address, shared, task })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Tells listeners something. Never waits for them: each takes the newest when it can. At the start every value
    /// that differs from its default must be told once. Not for the audio callback.
    pub fn tell(&self, notice: &Notice) {
        self.shared.known().tell(notice);
    }
}

impl Drop for OscQuery {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Shared {
    fn known(&self) -> MutexGuard<'_, Known> {
        // Every change is complete in itself; a panic elsewhere leaves it readable.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Both ends of a connection.
#[derive(Debug, Clone, Copy)]
struct Ends {
    /// The address here; that of the server where it is not known.
    local: Option<IpAddr>,
    client: SocketAddr,
}

impl Connected<IncomingStream<'_, TcpListener>> for Ends {
    fn connect_info(stream: IncomingStream<'_, TcpListener>) -> Self {
        Self { local: stream.io().local_addr().ok().map(|local| local.ip()), client: *stream.remote_addr() }
    }
}

async fn handle(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(ends): ConnectInfo<Ends>,
    OriginalUri(uri): OriginalUri,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Response {
    if let Ok(upgrade) = upgrade {
        return open(upgrade, ends.client, &headers, shared);
    }
    let reply = match uri.query().map(|query| query.trim_end_matches('=')) {
        Some("HOST_INFO") => Answer::Found(host_info(shared.osc, shared.http, ends.local.unwrap_or(shared.http.ip()))),
        query => {
            // Copied, so that whoever tells never waits while JSON is made.
            let values = shared.known().arguments().to_vec();
            answer(&shared.root, &values, uri.path(), query)
        }
    };
    match reply {
        Answer::Found(json) => Json(json).into_response(),
        Answer::NoContent => StatusCode::NO_CONTENT.into_response(),
        Answer::BadRequest => StatusCode::BAD_REQUEST.into_response(),
        Answer::NotFound => StatusCode::NOT_FOUND.into_response(),
    }
}

fn open(upgrade: WebSocketUpgrade, client: SocketAddr, headers: &HeaderMap, shared: Arc<Shared>) -> Response {
    if !is_welcome(headers) {
        return StatusCode::FORBIDDEN.into_response();
    }
    let Some(place) = Place::take(&shared) else { return StatusCode::SERVICE_UNAVAILABLE.into_response() };
    upgrade.max_message_size(MAX_BYTES).on_upgrade(move |socket| async move {
        socket::serve(socket, client, shared).await;
        drop(place);
    })
}

/// Whether a WebSocket may be opened: by programs, which name no origin, by local files, and by pages of this machine.
fn is_welcome(headers: &HeaderMap) -> bool {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let Some(origin) = headers.get(header::ORIGIN) else { return true };
    let Some(origin) = origin.to_str().ok().and_then(|origin| origin.parse::<Uri>().ok()) else {
        return text(header::ORIGIN).is_some_and(|origin| origin.starts_with("file://"));
    };
    let host = text(header::HOST).and_then(|host| host.parse::<Uri>().ok());
    origin.host().is_some() && origin.host() == host.as_ref().and_then(Uri::host)
}

/// One of the [`MAX_CLIENTS`] places.
struct Place(Arc<Shared>);

impl Place {
    fn take(shared: &Arc<Shared>) -> Option<Self> {
        let more = |taken| (taken < MAX_CLIENTS).then_some(taken + 1);
        shared.clients.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).ok()?;
        Some(Self(Arc::clone(shared)))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.clients.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_of_other_machines_may_not_play_along() {
        for (origin, expected) in [
            (None, true),
            (Some("http://stage.local:8000"), true),
            (Some("file://"), true),
            (Some("https://elsewhere.example"), false),
            (Some("null"), false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, "stage.local:9080".parse().unwrap());
            if let Some(origin) = origin {
                headers.insert(header::ORIGIN, origin.parse().unwrap());
            }
            assert_eq!(is_welcome(&headers), expected, "{origin:?}");
        }
    }
}
