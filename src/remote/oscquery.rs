//! OSCQuery: the parameter table over HTTP and WebSocket, as the Vidvox proposal describes it.
//!
//! | request | answer |
//! |---|---|
//! | `GET /melos/reverb` | 200, the node as JSON with all that is inside it; 404 where there is none |
//! | `GET /melos/reverb?VALUE` | 200, this attribute alone; `{}` where the node has none |
//! | `GET /melos/panic?VALUE` | 204, because the value may not be read |
//! | `GET /melos?TAGS` | 204, an attribute of the proposal that is not supported |
//! | `GET /melos?NONSENSE` | 400, an attribute that the proposal does not know |
//! | `GET /` by a browser, which accepts HTML | 303 to the page |
//! | `GET /?HOST_INFO` | 200, name, extensions, and where OSC and WebSocket are |
//! | WebSocket `{"COMMAND": "LISTEN", "DATA": "/melos/reverb"}` | OSC packets of this method, until `IGNORE` |
//! | WebSocket binary | an OSC packet, taken as if it had come over UDP; see [`super::osc`] |
//!
//! Attributes: FULL_PATH, CONTENTS, TYPE, ACCESS, VALUE, RANGE, DESCRIPTION, UNIT, CLIPMODE. Triggers have the type `I`
//! and can only be set; the streams can only be read. A method is sent at most 30 times a second, the newest wins; a
//! client is not told what it has set itself. `/melos/chord` is read as the chord that sounds.
//!
//! Who may ask at all is decided in `door`, and how much of whom is served at a time in `serve`. A WebSocket that takes nothing of
//! what it is sent, answers no ping or sends pings without end is closed; one that listens to nothing gives way to a newcomer.

mod discovery;
mod door;
mod known;
mod places;
mod query;
mod serve;
mod socket;
mod tree;

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{Message, WebSocketUpgrade};
use axum::extract::{ConnectInfo, DefaultBodyLimit, OriginalUri, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use axum::{Json, Router, middleware};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

pub use discovery::{Discovery, DiscoveryError};
pub use door::Door;

use super::http::PAGE;
use super::osc::Counters;
use super::osc::sockets::companion;
use crate::event::parameter::Param;
use crate::event::{Inbox, Notice};
use crate::threads;
use known::Known;
use places::Places;
use query::{Answer, answer, host_info};
use serve::Ends;
use tree::Node;

/// Most WebSocket clients at a time, and most of one host; one that listens to nothing makes room, and where all listen more
/// are refused with 503.
const MAX_CLIENTS: usize = 64;
const MAX_CLIENTS_OF_HOST: usize = 16;

/// What the server stands beside.
#[derive(Debug)]
pub struct Neighbours {
    /// Where OSC over UDP is.
    pub osc: SocketAddr,
    /// What came and was refused is counted here.
    pub counters: Arc<Counters>,
    /// Who may come in.
    pub door: Door,
}

/// The running server; takes no more connections when dropped.
#[derive(Debug)]
pub struct OscQuery {
    address: SocketAddr,
    shared: Arc<Shared>,
    tasks: Vec<JoinHandle<()>>,
}

/// What the server's tasks share.
#[derive(Debug)]
struct Shared {
    root: Node,
    known: Mutex<Known>,
    inbox: Arc<Inbox>,
    clients: Arc<Places>,
    counters: Arc<Counters>,
    osc: SocketAddr,
    http: SocketAddr,
}

impl OscQuery {
    /// Listens on `address` (TCP; port 0 takes any free one; on 127.0.0.1 also on ::1, since `localhost` may mean either) and
    /// puts what is asked for into `inbox`. Paths of `extra` come before the address space. Needs a tokio runtime.
    ///
    /// # Errors
    /// When the address cannot be bound.
    pub async fn start(address: SocketAddr, beside: Neighbours, inbox: Arc<Inbox>, extra: Router) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let mut listeners = vec![listener];
        if let Some(ip) = companion(address.ip()) {
            match TcpListener::bind((ip, address.port())).await {
                Ok(listener) => listeners.push(listener),
                Err(error) => tracing::debug!(%ip, %error, "HTTP listens on one address only"),
            }
        }
        let shared = Arc::new(Shared {
            root: Node::root(),
            known: Mutex::new(Known::new()),
            inbox,
            clients: Places::new(MAX_CLIENTS, MAX_CLIENTS_OF_HOST),
            counters: beside.counters,
            osc: beside.osc,
            http: address,
        });
        let guard = middleware::from_fn_with_state(Arc::new(beside.door), door::guard);
        let router = Router::new().fallback(get(handle)).with_state(Arc::clone(&shared)).merge(extra);
        let router = router.layer(DefaultBodyLimit::max(door::BODY as usize)).layer(guard);
        let room = serve::room();
        let serve = |listener: TcpListener| {
            let (router, room) = (router.clone(), Arc::clone(&room));
            tokio::spawn(threads::steady_task("HTTP", async move || serve::serve(&listener, &router, &room).await))
        };
        Ok(Self { address, shared, tasks: listeners.into_iter().map(serve).collect() })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Says which texts a parameter takes at present: they are its `RANGE.VALS`.
    pub fn offer(&self, param: Param, names: Vec<String>) {
        self.shared.known().offer(param, names);
    }

    /// Tells listeners something. Never waits for them: each takes the newest when it can. At the start every value
    /// that differs from its default must be told once. Not for the audio callback.
    pub fn tell(&self, notice: &Notice) {
        self.shared.known().tell(notice);
    }
}

impl Drop for OscQuery {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

impl Shared {
    fn known(&self) -> MutexGuard<'_, Known> {
        // Every change is complete in itself; a panic elsewhere leaves it readable.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answer(&self, path: &str, query: Option<&str>) -> Answer {
        // Copied, so that whoever tells never waits while JSON is made.
        let values = self.known().values().clone();
        answer(&self.root, &values, path, query)
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
        return open(upgrade, ends.client, shared);
    }
    if uri.path() == "/" && uri.query().is_none() && wants_page(&headers) {
        return Redirect::to(PAGE).into_response();
    }
    let reply = match uri.query().map(|query| query.trim_end_matches('=')) {
        Some("HOST_INFO") => Answer::Found(host_info(shared.osc, shared.http, ends.local.ip())),
        query => shared.answer(uri.path(), query),
    };
    match reply {
        Answer::Found(json) => Json(json).into_response(),
        Answer::NoContent => StatusCode::NO_CONTENT.into_response(),
        Answer::BadRequest => StatusCode::BAD_REQUEST.into_response(),
        Answer::NotFound => StatusCode::NOT_FOUND.into_response(),
    }
}

/// Whether a person's browser asks, and not a program that reads the address space.
fn wants_page(headers: &HeaderMap) -> bool {
    headers
        .get(header::ACCEPT)
        .and_then(|accept| accept.to_str().ok())
        .is_some_and(|accept| accept.contains("text/html"))
}

fn open(upgrade: WebSocketUpgrade, client: SocketAddr, shared: Arc<Shared>) -> Response {
    let Some(place) = shared.clients.take(client.ip(), Instant::now()) else {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    };
    socket::bounded(upgrade).on_upgrade(move |socket| socket::serve(socket, client, place, shared))
}

/// The server without its sockets, for tests of what it reads: a client to whom everything is at its default.
#[derive(Debug)]
#[doc(hidden)]
pub struct Probe(socket::Session);

impl Default for Probe {
    fn default() -> Self {
        let nowhere = SocketAddr::from(([127, 0, 0, 1], 0));
        let shared = Shared {
            root: Node::root(),
            known: Mutex::new(Known::new()),
            inbox: Arc::new(Inbox::new(Arc::default())),
            clients: Places::new(1, 1),
            counters: Arc::default(),
            osc: nowhere,
            http: nowhere,
        };
        Self(socket::Session::new(nowhere, Arc::new(shared)))
    }
}

impl Probe {
    /// The code that a path and a query are answered with.
    #[must_use]
    pub fn query(&self, path: &str, query: Option<&str>) -> u16 {
        match self.0.shared.answer(path, query) {
            Answer::Found(_) => 200,
            Answer::NoContent => 204,
            Answer::BadRequest => 400,
            Answer::NotFound => 404,
        }
    }

    /// Takes a text; tells how many replies follow.
    pub fn text(&mut self, text: &str) -> usize {
        self.0.receive(&Message::text(text)).len()
    }

    /// Takes an OSC packet; tells how many replies follow.
    pub fn packet(&mut self, packet: &[u8]) -> usize {
        self.0.receive(&Message::Binary(packet.to_vec().into())).len()
    }
}
