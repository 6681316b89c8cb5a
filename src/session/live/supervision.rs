//! Supervision by the operating system: signals, and systemd with its watchdog.

use std::sync::mpsc::SyncSender;
use std::time::Instant;

use sd_notify::NotifyState;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::files::watch::Changed;

/// Reports to systemd that everything is running.
pub(super) fn notify_ready() {
    let _ = sd_notify::notify(&[NotifyState::Ready]);
}

/// Reports to systemd that shutdown has started.
pub(super) fn notify_stopping() {
    let _ = sd_notify::notify(&[NotifyState::Stopping]);
}

/// Returns a function that notifies systemd's watchdog as long as the playhead, its argument, moves.
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

/// Sent when the process has used up the CPU time allowed by `ulimit -t`, or a real-time thread the time allowed by
/// `RLIMIT_RTTIME`. The number is the same on all supported systems.
const SIGXCPU: i32 = 24;
/// Sent when a write exceeds the file size allowed by `ulimit -f`; if the signal is caught, the write fails instead.
const SIGXFSZ: i32 = 25;

/// Why the performance stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stop {
    /// Ctrl-C: someone ends the performance.
    Interrupted,
    /// A process supervisor or the system stops the process, and may start it again.
    Terminated,
}

/// The signals that a daemon may receive, each of which would end the process by default.
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
    /// Caught and ignored.
    _ignored: [Signal; 4],
}

impl Signals {
    /// Catches the signals. Must be called within a Tokio runtime.
    pub(super) fn catch() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
            _ignored: [
                signal(SignalKind::from_raw(SIGXFSZ))?,
                signal(SignalKind::from_raw(SIGXCPU))?,
                signal(SignalKind::user_defined1())?,
                signal(SignalKind::user_defined2())?,
            ],
        })
    }

    /// Waits for SIGTERM or SIGINT; on SIGHUP, requests a reload.
    pub(super) async fn wait_for_stop(mut self, reload: &[SyncSender<Changed>]) -> Stop {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return Stop::Terminated,
                _ = self.interrupt.recv() => return Stop::Interrupted,
                // If the channel is full, a request is already pending.
                _ = self.hangup.recv() => reload.iter().for_each(|reload| drop(reload.try_send(Changed(Vec::new())))),
            }
        }
    }
}
