//! The log on standard error: one line per event, written by a dedicated thread.
//!
//! Logging pushes a formatted line onto a bounded queue and never blocks. If the reader of standard error stalls or
//! exits, lines are lost and counted, and the count is logged once a line can be written again; no other thread is
//! blocked, and the process is not killed. Lines are bounded in length ([`line`]) and in number per call site
//! ([`quota`]).

mod line;
mod quota;
mod reader;

use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::os::fd::AsFd;
use std::panic::PanicHookInfo;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::getpgrp;
use rustix::termios::{LocalModes, tcgetattr, tcgetpgrp};
use tracing_subscriber::filter::FilterExt;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, fmt, registry};

use melos::quote::visible;
use melos::remote::journal::{self, Journal};
use melos::threads;

use super::environment;
use line::{LineFormat, Lines};
use quota::{OWN_TARGET, Quota};
use reader::{LocalTime, Reader};

/// The filter unless `MELOS_LOG` is set. The PulseAudio client logs every closed connection as an error, even those it
/// closes itself, and Melos already reports lost devices and folders that cannot be watched.
const DEFAULT_FILTER: &str = "warn,pulseaudio=off,notify=off,melos=info";
/// Capacity of the line queue.
const QUEUE_CAPACITY: usize = 1024;
/// Pause before retrying a write to a full non-blocking pipe.
const PIPE_RETRY: Duration = Duration::from_millis(20);
/// Interval at which the writer checks whether a report of suppressed lines is due.
const REPORT_INTERVAL: Duration = Duration::from_secs(1);
/// Time limit for writing the last lines at exit, so that a stalled reader cannot keep the process alive.
const FLUSH_TIMEOUT: Duration = Duration::from_millis(500);

/// Counts of log lines, shared by the threads that log and the writer.
#[derive(Debug, Default)]
struct Counts {
    queued: AtomicU64,
    /// Lines written or lost.
    settled: AtomicU64,
    lost: AtomicU64,
}

/// The queue to the writer.
#[derive(Debug, Clone)]
struct Queue {
    lines: SyncSender<Vec<u8>>,
    counts: Arc<Counts>,
}

impl Queue {
    /// Queues a line; never blocks.
    fn push(&self, line: Vec<u8>) {
        // Counted before queueing, so that the settled lines never outnumber the queued ones.
        self.counts.queued.fetch_add(1, Relaxed);
        if self.lines.try_send(line).is_err() {
            self.counts.settled.fetch_add(1, Relaxed);
            self.counts.lost.fetch_add(1, Relaxed);
        }
    }
}

/// The log of this process; dropping it waits briefly for the last lines.
#[derive(Debug)]
pub(crate) struct Log {
    queue: Queue,
    reader: Reader,
}

impl Log {
    /// Starts the log. `MELOS_LOG` sets the filter, as in `MELOS_LOG=melos=debug`; `MELOS_LOG_JSON=1` writes JSON.
    ///
    /// # Errors
    /// If no thread can be created, or no file descriptor is available.
    pub(crate) fn start() -> io::Result<Self> {
        // A separate handle, because `io::stderr()` would stay locked while the reader stalls.
        let stderr = File::from(io::stderr().as_fd().try_clone_to_owned()?);
        let reader = Reader::of(&stderr);
        let (lines, queued_lines) = sync_channel(QUEUE_CAPACITY);
        let queue = Queue { lines, counts: Arc::default() };
        let quota = Quota::default();
        let mut writer = Writer { stderr, counts: Arc::clone(&queue.counts), quota: quota.clone(), lost_reported: 0 };
        threads::spawn_restarting("melos-stderr", move || writer.run(&queued_lines))?;
        let requested = environment("MELOS_LOG").map(EnvFilter::try_new).transpose();
        let problem = requested.as_ref().err().map(ToString::to_string);
        let filter = requested.ok().flatten().unwrap_or_else(|| EnvFilter::new(DEFAULT_FILTER));
        let layer = fmt::layer().with_target(false).log_internal_errors(false);
        let lines = |format| Lines::new(queue.clone(), format);
        let layer = match reader {
            _ if environment("MELOS_LOG_JSON").is_some() => layer.json().with_writer(lines(LineFormat::Json)).boxed(),
            Reader::Terminal => {
                layer.with_timer(LocalTime::default()).with_ansi(true).with_writer(lines(LineFormat::Ansi)).boxed()
            }
            Reader::Journal => layer.without_time().with_ansi(false).with_writer(lines(LineFormat::Journal)).boxed(),
            Reader::Other => layer.with_ansi(false).with_writer(lines(LineFormat::Plain)).boxed(),
        };
        registry().with(layer.and_then(Journal).with_filter(filter.and(quota))).init();
        std::panic::set_hook(Box::new(log_panic));
        if let Some(problem) = problem {
            tracing::warn!("MELOS_LOG is not a log filter, such as melos=debug, and is ignored: {problem}");
        }
        Ok(Self { queue, reader })
    }

    /// Prints an error message, without a timestamp or level, after everything already logged. If this process is the
    /// daemon, the saved log contains the message too.
    pub(crate) fn print_error(&self, message: &str) {
        journal::keep_error(message);
        let priority = if self.reader == Reader::Journal { reader::ERROR_PRIORITY } else { "" };
        let text: String = message.lines().map(|line| format!("{priority}{}\n", visible(line))).collect();
        self.queue.push(text.into_bytes());
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        journal::flush();
        let (counts, started) = (&self.queue.counts, Instant::now());
        while counts.settled.load(Relaxed) < counts.queued.load(Relaxed) && started.elapsed() < FLUSH_TIMEOUT {
            thread::sleep(Duration::from_millis(1));
        }
    }
}

/// Returns whether writing to a file would stop this process: it runs in the background of a terminal that `stty tostop`
/// has set to stop such writers.
fn would_stop(file: &File) -> bool {
    tcgetattr(file).is_ok_and(|terminal| terminal.local_modes.contains(LocalModes::TOSTOP))
        && tcgetpgrp(file).is_ok_and(|foreground| foreground != getpgrp())
}

/// Logs a panic. This replaces the default hook, whose write to standard error may fail or block.
fn log_panic(panic: &PanicHookInfo<'_>) {
    let current = thread::current();
    let (thread, reason) = (current.name().unwrap_or("unnamed"), panic.payload_as_str().unwrap_or("no reason given"));
    let location = panic.location().map_or_else(|| "unknown".to_owned(), ToString::to_string);
    tracing::error!(thread, location, "panicked: {reason}");
}

/// The state of the writer thread.
struct Writer {
    stderr: File,
    counts: Arc<Counts>,
    quota: Quota,
    lost_reported: u64,
}

impl Writer {
    fn run(&mut self, lines: &Receiver<Vec<u8>>) {
        let mut last_report = Instant::now();
        loop {
            match lines.recv_timeout(REPORT_INTERVAL) {
                Ok(line) => {
                    let written = self.write(&line).is_ok();
                    self.counts.lost.fetch_add(u64::from(!written), Relaxed);
                    self.counts.settled.fetch_add(1, Relaxed);
                    if written {
                        self.report_lost();
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            if last_report.elapsed() >= REPORT_INTERVAL {
                last_report = Instant::now();
                self.quota.report();
            }
        }
    }

    /// Writes a line. Blocks while the reader stalls; fails if the reader has closed the pipe, or if writing to the
    /// terminal would stop the process.
    fn write(&mut self, mut line: &[u8]) -> io::Result<()> {
        if would_stop(&self.stderr) {
            return Err(ErrorKind::WouldBlock.into());
        }
        while !line.is_empty() {
            match self.stderr.write(line) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(count) => line = &line[count..],
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => thread::sleep(PIPE_RETRY),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn report_lost(&mut self) {
        let lost = self.counts.lost.load(Relaxed);
        if lost > self.lost_reported {
            let lines = lost - self.lost_reported;
            tracing::warn!(target: OWN_TARGET, lines, "log lines lost: the reader of standard error did not keep up");
            self.lost_reported = lost;
        }
    }
}
