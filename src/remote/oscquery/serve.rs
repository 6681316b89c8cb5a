//! Accepts connections, and limits their number, idle time and memory.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, HttpBody};
use axum::extract::{ConnectInfo, Request};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Sleep, sleep};
use tower::ServiceExt;

use super::slots::{Slot, Slots};

/// Maximum number of connections in total, and per remote host; an idle one is evicted for a new one.
const MAX_CONNECTIONS: usize = 128;
const MAX_CONNECTIONS_PER_HOST: usize = 48;
/// Maximum time for a request head to arrive, and for a connection to be idle between requests.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// Maximum time for which a client may read nothing while data is waiting to be sent to it.
const SEND_TIMEOUT: Duration = Duration::from_secs(20);
/// Maximum size of a request head in bytes.
const MAX_HEAD: usize = 16 * 1024;
/// Pause after a failed `accept`, since retrying at once does not help when file descriptors have run out.
const ACCEPT_RETRY: Duration = Duration::from_millis(200);

/// The addresses of both ends of a connection.
#[derive(Debug, Clone, Copy)]
pub(super) struct Endpoints {
    pub(super) local: SocketAddr,
    pub(super) client: SocketAddr,
}

/// Creates the connection limit shared by all listeners.
pub(super) fn connection_slots() -> Arc<Slots> {
    Slots::new(MAX_CONNECTIONS, MAX_CONNECTIONS_PER_HOST)
}

/// Accepts and serves connections forever.
pub(super) async fn serve(listener: &TcpListener, router: &Router, slots: &Arc<Slots>) {
    loop {
        let (stream, client) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::debug!(%error, "cannot accept an HTTP connection");
                sleep(ACCEPT_RETRY).await;
                continue;
            }
        };
        let (Ok(local), Some(slot)) = (stream.local_addr(), slots.take(client.ip(), Instant::now())) else {
            tracing::debug!(%client, "HTTP connection refused: too many connections");
            continue;
        };
        let _ = stream.set_nodelay(true);
        tokio::spawn(serve_connection(stream, Endpoints { local, client }, router.clone(), slot));
    }
}

async fn serve_connection(stream: TcpStream, endpoints: Endpoints, router: Router, slot: Slot) {
    let slot = Arc::new(slot);
    let shared_slot = Arc::clone(&slot);
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let (router, slot) = (router.clone(), Arc::clone(&shared_slot));
        async move {
            slot.set_idle(false, Instant::now());
            let mut request: Request = request.map(Body::new);
            request.extensions_mut().insert(ConnectInfo(endpoints));
            let response = router.oneshot(request).await?;
            // A response of unknown length, such as the audio stream, keeps the connection busy; after any other
            // response, the connection counts as idle.
            slot.set_idle(response.body().size_hint().exact().is_some(), Instant::now());
            Ok::<_, Infallible>(response)
        }
    });
    let mut server = http1::Builder::new();
    server.timer(TokioTimer::new()).header_read_timeout(REQUEST_TIMEOUT).max_buf_size(MAX_HEAD);
    let connection =
        server.serve_connection(TokioIo::new(TimeoutStream { stream, stall_timer: None }), service).with_upgrades();
    tokio::select! {
        ended = connection => {
            if let Err(error) = ended {
                tracing::debug!(client = %endpoints.client, %error, "HTTP connection failed");
            }
        }
        () = slot.evicted() => tracing::debug!(client = %endpoints.client, "HTTP connection closed to make room"),
    }
}

/// A stream on which sending fails when the peer has read nothing for [`SEND_TIMEOUT`].
struct TimeoutStream {
    stream: TcpStream,
    stall_timer: Option<Pin<Box<Sleep>>>,
}

impl TimeoutStream {
    /// Passes on the result of an attempt to send, unless the peer has read nothing for too long, which is an error.
    fn check_stall<T>(&mut self, result: Poll<io::Result<T>>, context: &mut Context<'_>) -> Poll<io::Result<T>> {
        if result.is_ready() {
            self.stall_timer = None;
            return result;
        }
        let stall_timer = self.stall_timer.get_or_insert_with(|| Box::pin(sleep(SEND_TIMEOUT)));
        ready!(stall_timer.as_mut().poll(context));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for TimeoutStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for TimeoutStream {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.check_stall(result, context)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
