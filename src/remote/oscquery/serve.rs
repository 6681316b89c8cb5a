//! Accepting connections: how many, how long they may take for what, and how much of them is kept.

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

use super::places::{Place, Places};

/// Most connections at a time, and most of one host; an idle one makes room for a newcomer.
const CONNECTIONS: usize = 128;
const CONNECTIONS_OF_HOST: usize = 48;
/// How long a request may take to arrive, and how long a connection may be idle between two.
const REQUEST: Duration = Duration::from_secs(10);
/// How long a client may take nothing of what it is sent.
const STALLED: Duration = Duration::from_secs(20);
/// Longest head of a request, in bytes.
const HEAD: usize = 16 * 1024;
/// Pause after a connection could not be accepted: when descriptors are short, trying again at once helps nobody.
const PAUSE: Duration = Duration::from_millis(200);

/// Both ends of a connection.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ends {
    /// The address here.
    pub(super) local: SocketAddr,
    pub(super) client: SocketAddr,
}

/// Room for connections, shared by all listeners.
pub(super) fn room() -> Arc<Places> {
    Places::new(CONNECTIONS, CONNECTIONS_OF_HOST)
}

/// Serves whoever comes, for good.
pub(super) async fn serve(listener: &TcpListener, router: &Router, room: &Arc<Places>) {
    loop {
        let (stream, client) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::debug!(%error, "HTTP accept");
                sleep(PAUSE).await;
                continue;
            }
        };
        let (Ok(local), Some(place)) = (stream.local_addr(), room.take(client.ip(), Instant::now())) else {
            tracing::debug!(%client, "HTTP: no room");
            continue;
        };
        let _ = stream.set_nodelay(true);
        tokio::spawn(attend(stream, Ends { local, client }, router.clone(), place));
    }
}

/// Serves one connection.
async fn attend(stream: TcpStream, ends: Ends, router: Router, place: Place) {
    let place = Arc::new(place);
    let seat = Arc::clone(&place);
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let (router, place) = (router.clone(), Arc::clone(&seat));
        async move {
            place.is(false, Instant::now());
            let mut request: Request = request.map(Body::new);
            request.extensions_mut().insert(ConnectInfo(ends));
            let response = router.oneshot(request).await?;
            // An answer without an end, such as the sound, is not idle; anything else is as good as sent.
            place.is(response.body().size_hint().exact().is_some(), Instant::now());
            Ok::<_, Infallible>(response)
        }
    });
    let mut server = http1::Builder::new();
    server.timer(TokioTimer::new()).header_read_timeout(REQUEST).max_buf_size(HEAD);
    let connection = server.serve_connection(TokioIo::new(Patient { stream, stalled: None }), service).with_upgrades();
    tokio::select! {
        ended = connection => {
            if let Err(error) = ended {
                tracing::debug!(client = %ends.client, %error, "HTTP");
            }
        }
        () = place.until_sent_away() => tracing::debug!(client = %ends.client, "HTTP: makes room"),
    }
}

/// A stream that ends when nothing it is to send is taken for [`STALLED`].
struct Patient {
    stream: TcpStream,
    stalled: Option<Pin<Box<Sleep>>>,
}

impl Patient {
    /// What came of trying to send, or an error when the other end has taken nothing for too long.
    fn or_stalled<T>(&mut self, tried: Poll<io::Result<T>>, context: &mut Context<'_>) -> Poll<io::Result<T>> {
        if tried.is_ready() {
            self.stalled = None;
            return tried;
        }
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(sleep(STALLED)));
        ready!(stalled.as_mut().poll(context));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for Patient {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Patient {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let tried = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.or_stalled(tried, context)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
