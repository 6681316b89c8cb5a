//! The OSC server: its receiving and sending tasks.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval};

use super::connection::{Clients, Connection};
use super::fault::Counters;
use super::feedback::{INTERVAL, Subscription};
use super::outbox::Datagram;
use super::sockets::Sockets;
use crate::event::health::Loss;
use crate::event::{Inbox, Notice, Part, Troubles};
use crate::threads;

/// Capacity of the notice queue: more than the notices of a busy second.
const NOTICE_CAPACITY: usize = 4096;
/// Pause between attempts to listen.
const LISTEN_RETRY: Duration = Duration::from_secs(2);

/// A running server; stops when dropped.
#[derive(Debug)]
pub struct OscServer {
    address: SocketAddr,
    is_listening: bool,
    counters: Arc<Counters>,
    notices: mpsc::Sender<Notice>,
    subscriptions: Arc<Mutex<Vec<Subscription>>>,
    tasks: [JoinHandle<()>; 3],
}

impl OscServer {
    /// Listens on `address` (port 0 selects any free port) and queues requests in `inbox`. If `address` is 127.0.0.1 or
    /// 0.0.0.0, also listens on ::1, and if it is ::1, also on 127.0.0.1, since `localhost` may resolve to either.
    /// Requires a tokio runtime.
    ///
    /// If it cannot listen, for example because another program uses the port or the network is not up yet, reports this
    /// and tries again until it can.
    pub async fn start(address: SocketAddr, clients: Clients, inbox: Arc<Inbox>, troubles: Troubles) -> Self {
        let sockets = Arc::new(OnceLock::new());
        let is_listening = bind(address, &sockets, &troubles).await;
        let address = sockets.get().and_then(|sockets: &Sockets| sockets.address().ok()).unwrap_or(address);
        let counters = Arc::new(Counters::new(Arc::clone(inbox.losses())));
        let (notices, mut queued_notices) = mpsc::channel(NOTICE_CAPACITY);
        let subscriptions = Arc::new(Mutex::new(clients.subscriptions.clone()));
        let (mut connection, mut outgoing) =
            Connection::new(address, inbox, Arc::clone(&counters), clients, Instant::now());
        let (receiving, published, losses) = (Arc::clone(&sockets), Arc::clone(&subscriptions), Arc::clone(&counters));
        let sending = Arc::clone(&sockets);
        let tasks = [
            tokio::spawn(threads::restarting_task("OSC", async move || {
                serve(&receiving, &mut connection, &mut queued_notices, &published).await;
            })),
            tokio::spawn(threads::restarting_task("OSC replies", async move || {
                send(&sending, &mut outgoing, &losses).await;
            })),
            tokio::spawn(threads::restarting_task("OSC port", async move || {
                while sockets.get().is_none() {
                    tokio::time::sleep(LISTEN_RETRY).await;
                    bind(address, &sockets, &troubles).await;
                }
            })),
        ];
        Self { address, is_listening, counters, notices, subscriptions, tasks }
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

/// Binds the sockets, or reports why that is impossible; returns whether it succeeded.
async fn bind(address: SocketAddr, sockets: &OnceLock<Sockets>, troubles: &Troubles) -> bool {
    match Sockets::bind(address).await {
        Ok(bound) => {
            let is_first = sockets.set(bound).is_ok();
            troubles.clear(Part::Osc);
            is_first
        }
        Err(error) => {
            let hint = "retrying; choose another port with --osc, or osc.port in melos.toml";
            troubles.set(Part::Osc, format!("cannot listen for OSC on {address}: {error}; {hint}"));
            false
        }
    }
}

async fn serve(
    sockets: &OnceLock<Sockets>,
    connection: &mut Connection,
    notices: &mut mpsc::Receiver<Notice>,
    subscriptions: &Mutex<Vec<Subscription>>,
) {
    let mut datagram = vec![0; usize::from(u16::MAX)];
    let mut tick = interval(INTERVAL);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            received = receive(sockets, &mut datagram) => match received {
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

/// Receives the next datagram; while there are no sockets, waits to be cancelled.
async fn receive(sockets: &OnceLock<Sockets>, datagram: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
    match sockets.get() {
        Some(sockets) => sockets.receive(datagram).await,
        None => std::future::pending().await,
    }
}

async fn send(sockets: &OnceLock<Sockets>, outgoing: &mut mpsc::Receiver<Datagram>, counters: &Counters) {
    while let Some((to, bytes)) = outgoing.recv().await {
        let sent = match sockets.get() {
            Some(sockets) => sockets.send(&bytes, to).await.is_ok(),
            None => false,
        };
        if !sent {
            counters.count_lost(Loss::OscUnsent, 1);
        }
    }
}
