//! What supervises the daemon: signals, and systemd with its watchdog.

use std::sync::mpsc::SyncSender;
use std::time::Instant;

use sd_notify::NotifyState;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::files::watch::Changed;

/// Says that everything plays.
pub(super) fn say_ready() {
    let _ = sd_notify::notify(&[NotifyState::Ready]);
}

/// Says that the end has begun.
pub(super) fn say_stopping() {
    let _ = sd_notify::notify(&[NotifyState::Stopping]);
}

/// Feeds systemd's watchdog as long as the play head moves.
pub(super) fn watchdog() -> impl FnMut(u64) + Send {
    let interval = sd_notify::watchdog_enabled().map(|limit| limit / 3);
    let (mut fed, mut last) = (Instant::now(), 0);
    move |head| {
        if interval.is_some_and(|interval| fed.elapsed() >= interval) && head != last {
            (fed, last) = (Instant::now(), head);
            let _ = sd_notify::notify(&[NotifyState::Watchdog]);
        }
    }
}

/// What the system says to a daemon. Caught from the start: before that, each of them ends the process at once.
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    /// Within a runtime.
    pub(super) fn catch() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// Returns at SIGTERM or SIGINT; SIGHUP asks for a reload.
    pub(super) async fn until_told_to_stop(mut self, reload: &[SyncSender<Changed>]) {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return,
                _ = self.interrupt.recv() => return,
                // One that waits already is as good.
                _ = self.hangup.recv() => reload.iter().for_each(|reload| drop(reload.try_send(Changed(Vec::new())))),
            }
        }
    }
}
