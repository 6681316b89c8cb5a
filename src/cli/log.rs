//! The log on standard error: one line per event, written by a thread of its own.
//!
//! Whoever logs hands a finished line to a bounded queue and goes on. A reader that stands still or is gone therefore costs
//! lines, which are counted and reported once it reads again, and never holds up, delays or ends a thread. Lines are
//! bounded in length ([`line`]) and in number per kind ([`quota`]).

mod line;
mod quota;

use std::fs::File;
use std::io::{self, ErrorKind, IsTerminal, Write};
use std::os::fd::AsFd;
use std::panic::PanicHookInfo;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use tracing_subscriber::filter::FilterExt;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, fmt, registry};

use melos::remote::journal::Journal;
use melos::threads;

use line::{Form, Lines, visible};
use quota::{OWN_TARGET, Quota};

/// Lines that may wait for the reader.
const WAITING: usize = 1024;
/// Pause before a full, non-blocking pipe is tried again.
const FULL_PIPE: Duration = Duration::from_millis(20);
/// How often the writer reports what was left out.
const LOOK: Duration = Duration::from_secs(1);
/// How long the last lines may take at the end; a reader that stands still must not keep the process from ending.
const LAST_LINES: Duration = Duration::from_millis(500);

/// How many lines went which way; shared by those who log and the writer.
#[derive(Debug, Default)]
struct Counts {
    queued: AtomicU64,
    /// Written, or given up.
    settled: AtomicU64,
    lost: AtomicU64,
}

/// The queue into the writer.
#[derive(Debug, Clone)]
struct Queue {
    lines: SyncSender<Vec<u8>>,
    counts: Arc<Counts>,
}

impl Queue {
    /// Hands over a line; never waits.
    fn push(&self, line: Vec<u8>) {
        // Counted first, so that nobody takes the line for settled before it is queued.
        self.counts.queued.fetch_add(1, Relaxed);
        if self.lines.try_send(line).is_err() {
            self.counts.settled.fetch_add(1, Relaxed);
            self.counts.lost.fetch_add(1, Relaxed);
        }
    }
}

/// The log of this process; dropping it waits a moment for the last lines.
#[derive(Debug)]
pub(crate) struct Log {
    queue: Queue,
}

impl Log {
    /// Starts to log. `MELOS_LOG` chooses how much, as in `MELOS_LOG=melos=debug`; `MELOS_LOG_JSON=1` writes JSON.
    ///
    /// # Errors
    /// When there can be no more threads or file descriptors.
    pub(crate) fn start() -> io::Result<Self> {
        // A handle of our own: standard error's lock would be held while its reader stands still.
        let stderr = io::stderr();
        let (to, ansi) = (File::from(stderr.as_fd().try_clone_to_owned()?), stderr.is_terminal());
        let (lines, waiting) = sync_channel(WAITING);
        let queue = Queue { lines, counts: Arc::default() };
        let quota = Quota::default();
        let mut writer = Writer { to, counts: Arc::clone(&queue.counts), quota: quota.clone(), lost_said: 0 };
        threads::spawn_steady("melos-stderr", move || writer.run(&waiting))?;
        // The PulseAudio client calls the end of every connection an error, its own too; we report a lost device ourselves.
        let filter =
            EnvFilter::try_from_env("MELOS_LOG").unwrap_or_else(|_| EnvFilter::new("warn,pulseaudio=off,melos=info"));
        let layer = fmt::layer().with_target(false).log_internal_errors(false);
        let layer = if std::env::var_os("MELOS_LOG_JSON").is_some() {
            layer.json().with_writer(Lines::new(queue.clone(), Form::Json)).boxed()
        } else {
            let form = if ansi { Form::Ansi } else { Form::Plain };
            layer.with_ansi(ansi).with_writer(Lines::new(queue.clone(), form)).boxed()
        };
        registry().with(layer.and_then(Journal).with_filter(filter.and(quota))).init();
        std::panic::set_hook(Box::new(log_panic));
        Ok(Self { queue })
    }

    /// Writes a message as it is, behind everything that was logged before.
    pub(crate) fn say(&self, message: &str) {
        let mut text: String = message.lines().map(visible).collect::<Vec<_>>().join("\n");
        text.push('\n');
        self.queue.push(text.into_bytes());
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        let (counts, begun) = (&self.queue.counts, Instant::now());
        while counts.settled.load(Relaxed) < counts.queued.load(Relaxed) && begun.elapsed() < LAST_LINES {
            thread::sleep(Duration::from_millis(1));
        }
    }
}

/// The default hook writes to standard error, which may fail or block.
fn log_panic(panic: &PanicHookInfo<'_>) {
    let current = thread::current();
    let (thread, reason) =
        (current.name().unwrap_or("unnamed"), panic.payload_as_str().unwrap_or("for no stated reason"));
    let place = panic.location().map_or_else(|| "unknown".to_owned(), ToString::to_string);
    tracing::error!(thread, place, "panicked: {reason}");
}

/// What the writing thread owns.
struct Writer {
    to: File,
    counts: Arc<Counts>,
    quota: Quota,
    lost_said: u64,
}

impl Writer {
    fn run(&mut self, lines: &Receiver<Vec<u8>>) {
        let mut looked = Instant::now();
        loop {
            match lines.recv_timeout(LOOK) {
                Ok(line) => {
                    let written = self.write(&line).is_ok();
                    self.counts.lost.fetch_add(u64::from(!written), Relaxed);
                    self.counts.settled.fetch_add(1, Relaxed);
                    if written {
                        self.say_lost();
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            if looked.elapsed() >= LOOK {
                looked = Instant::now();
                self.quota.report();
            }
        }
    }

    /// Waits as long as the reader stands still; fails when it is gone.
    fn write(&mut self, mut line: &[u8]) -> io::Result<()> {
        while !line.is_empty() {
            match self.to.write(line) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(count) => line = &line[count..],
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => thread::sleep(FULL_PIPE),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn say_lost(&mut self) {
        let lost = self.counts.lost.load(Relaxed);
        if lost > self.lost_said {
            tracing::warn!(target: OWN_TARGET, lines = lost - self.lost_said, "log lines were lost: their reader did not keep up");
            self.lost_said = lost;
        }
    }
}
