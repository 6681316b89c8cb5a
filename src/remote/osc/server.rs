//! The OSC server: its receiving and sending tasks.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use thiserror::Error;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval};

use super::connection::{Clients, Connection};
use super::fault::Counters;
use super::feedback::{INTERVAL, Subscription};
use super::outbox::Datagram;
use super::sockets::Sockets;
use crate::event::health::Loss;
use crate::event::{Inbox, Notice};
use crate::threads;

/// Capacity of the notice queue: more than the notices of a busy second.
const NOTICE_CAPACITY: usize = 4096;

/// Why the server cannot start.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum OscError {
    /// The address cannot be bound.
    #[error(
        "cannot listen for OSC on {address} ({source}); is another program using the port? Choose another port with --osc or osc.port in melos.toml"
    )]
    Bind {
        /// The requested address.
        address: SocketAddr,
        /// The cause.
        source: io::Error,
    },
}

/// A running server; stops when dropped.
#[derive(Debug)]
pub struct OscServer {
    address: SocketAddr,
    counters: Arc<Counters>,
    notices: mpsc::Sender<Notice>,
    subscriptions: Arc<Mutex<Vec<Subscription>>>,
    tasks: [JoinHandle<()>; 2],
}

impl OscServer {
    /// Listens on `address` (port 0 selects any free port) and queues requests in `inbox`. If `address` is 127.0.0.1 or
    /// 0.0.0.0, also listens on ::1, and if it is ::1, also on 127.0.0.1, since `localhost` may resolve to either.
    /// Requires a tokio runtime.
    ///
    /// # Errors
    /// When the address cannot be bound.
    pub async fn start(address: SocketAddr, clients: Clients, inbox: Arc<Inbox>) -> Result<Self, OscError> {
        let bind_error = |source| OscError::Bind { address, source };
        let sockets = Arc::new(Sockets::bind(address).await.map_err(bind_error)?);
        let address = sockets.address().map_err(bind_error)?;
        let counters = Arc::new(Counters::new(Arc::clone(inbox.losses())));
        let (notices, mut queued_notices) = mpsc::channel(NOTICE_CAPACITY);
        let subscriptions = Arc::new(Mutex::new(clients.subscriptions.clone()));
        let (mut connection, mut outgoing) = Connection::new(inbox, Arc::clone(&counters), clients, Instant::now());
        let (receiving, published, losses) = (Arc::clone(&sockets), Arc::clone(&subscriptions), Arc::clone(&counters));
        let tasks = [
            tokio::spawn(threads::restarting_task("OSC", async move || {
                serve(&receiving, &mut connection, &mut queued_notices, &published).await;
            })),
            tokio::spawn(threads::restarting_task("OSC replies", async move || {
                send(&sockets, &mut outgoing, &losses).await;
            })),
        ];
        Ok(Self { address, counters, notices, subscriptions, tasks })
    }

    /// Returns the address on which the server listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the counters of received packets and losses.
    #[must_use]
    pub fn counters(&self) -> &Arc<Counters> {
        &self.counters
    }

    /// Returns the current subscriptions, to be restored after a restart.
    #[must_use]
    pub fn subscriptions(&self) -> Vec<Subscription> {
        self.subscriptions.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Sends a notice to subscribers. Never blocks: if the queue is full, the notice is dropped and counted as unsent.
    /// A new server assumes that all parameters have their default values, so every other value must be published once.
    pub fn publish(&self, notice: Notice) {
        if self.notices.try_send(notice).is_err() {
            self.counters.count_lost(Loss::OscUnsent, 1);
        }
    }
}

impl Drop for OscServer {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

async fn serve(
    sockets: &Sockets,
    connection: &mut Connection,
    notices: &mut mpsc::Receiver<Notice>,
    subscriptions: &Mutex<Vec<Subscription>>,
) {
    let mut datagram = vec![0; usize::from(u16::MAX)];
    let mut tick = interval(INTERVAL);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            received = sockets.receive(&mut datagram) => match received {
                Ok((length, from)) => connection.receive(&datagram[..length], from),
                // Typically, an earlier reply was sent to a closed port; this socket remains usable.
                Err(error) => tracing::debug!(%error, "cannot receive OSC"),
            },
            notice = notices.recv() => match notice {
                Some(notice) => connection.process_notice(notice),
                None => return,
            },
            now = tick.tick() => {
                connection.tick(now.into_std());
                *subscriptions.lock().unwrap_or_else(PoisonError::into_inner) = connection.subscriptions();
            }
        }
    }
}

async fn send(sockets: &Sockets, outgoing: &mut mpsc::Receiver<Datagram>, counters: &Counters) {
    while let Some((to, bytes)) = outgoing.recv().await {
        if sockets.send(&bytes, to).await.is_err() {
            counters.count_lost(Loss::OscUnsent, 1);
        }
    }
}
