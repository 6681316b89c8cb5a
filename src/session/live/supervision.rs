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

/// Signals that would end the process by default, but that nobody sends to stop it: timers, input and output, the limit of
/// CPU time (`ulimit -t`, or `RLIMIT_RTTIME` of a real-time thread), and the limit of file sizes (`ulimit -f`), with which the
/// write fails if the signal is caught.
const IGNORED: [i32; 9] = [
    libc::SIGXCPU,
    libc::SIGXFSZ,
    libc::SIGUSR1,
    libc::SIGUSR2,
    libc::SIGALRM,
    libc::SIGVTALRM,
    libc::SIGPROF,
    libc::SIGIO,
    libc::SIGSTKFLT,
];

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
    /// The power is failing.
    power: Signal,
    _ignored: Vec<Signal>,
}

impl Signals {
    /// Catches the signals. Must be called within a Tokio runtime.
    pub(super) fn catch() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
            power: signal(SignalKind::from_raw(libc::SIGPWR))?,
            _ignored: IGNORED.iter().map(|number| signal(SignalKind::from_raw(*number))).collect::<Result<_, _>>()?,
        })
    }

    /// Waits for SIGTERM, SIGPWR or SIGINT; on SIGHUP, requests a reload.
    pub(super) async fn wait_for_stop(mut self, reload: &[SyncSender<Changed>]) -> Stop {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return Stop::Terminated,
                _ = self.power.recv() => return Stop::Terminated,
                _ = self.interrupt.recv() => return Stop::Interrupted,
                // If the channel is full, a request is already pending.
                _ = self.hangup.recv() => reload.iter().for_each(|reload| drop(reload.try_send(Changed(Vec::new())))),
            }
        }
    }
}
