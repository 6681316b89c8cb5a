//! Opens this process's JACK clients without risking a crash in libjack.
//!
//! libjack (observed with 1.9.21) frees its process-wide state when opening a client fails because no server is
//! running; closing an older client afterwards crashes the process. Therefore, no client is opened while another
//! client's server is unresponsive.
//!
//! Nor is a client opened while one of the same name is still closing, which can take as long as its server hangs:
//! the server would give the new client another name, and patchbays would not reconnect it.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread;
use std::time::{Duration, Instant};

use jack::{Client, ClientOptions, ClientStatus};

/// Time limit for a server to call back; JACK periods are rarely longer than 100 ms.
const STALL_TIMEOUT: Duration = Duration::from_millis(150);
/// Time limit for the first callback, while the client is being set up.
const FIRST_TIMEOUT: Duration = Duration::from_millis(500);
/// Interval between checks for a callback.
const POLL_INTERVAL: Duration = Duration::from_millis(5);

/// The name and callback counter of every open client.
static CLIENTS: Mutex<Vec<(String, Weak<AtomicU64>)>> = Mutex::new(Vec::new());

/// Counts a client's process callbacks. The client is considered open as long as its counter exists, so the counter must
/// be kept until the client is closed.
#[derive(Debug, Clone)]
pub(crate) struct Calls(Arc<AtomicU64>);

impl Calls {
    /// Counts a callback. Called in the process callback.
    pub(crate) fn increment(&self) {
        self.0.fetch_add(1, Relaxed);
    }

    /// Returns the number of callbacks so far.
    pub(crate) fn count(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// Opens a client of the running server. Waits up to [`FIRST_TIMEOUT`] for each other client's server to call back, so
/// it must not be called in the audio callback. The client must be dropped before the counter.
///
/// # Errors
/// If no server is running, or if an open client of this process has the same name or has lost its server.
pub(crate) fn open(name: &str) -> Result<(Calls, Client), String> {
    let mut clients = CLIENTS.lock().unwrap_or_else(PoisonError::into_inner);
    clients.retain(|(_, calls)| calls.strong_count() > 0);
    if clients.iter().any(|(other, _)| other == name) {
        return Err(format!("the previous client {name} is still closing"));
    }
    if !clients.iter().filter_map(|(_, calls)| calls.upgrade()).all(|calls| is_alive(&calls)) {
        return Err("the previous server has stopped, and some of its clients are still open".to_owned());
    }
    jack::set_logger(jack::LoggerType::None);
    let opened = Client::new(name, ClientOptions::NO_START_SERVER);
    let (client, _) = opened.map_err(|error| match error {
        jack::Error::ClientError(status) if !status.contains(ClientStatus::SERVER_FAILED) => {
            format!("the server refused the client {name} ({status:?})")
        }
        _ => "no server is running".to_owned(),
    })?;
    let calls = Arc::new(AtomicU64::new(0));
    clients.push((name.to_owned(), Arc::downgrade(&calls)));
    Ok((Calls(calls), client))
}

/// Returns whether the server of the client with this counter is calling back.
fn is_alive(calls: &AtomicU64) -> bool {
    let (before, started) = (calls.load(Relaxed), Instant::now());
    let timeout = if before == 0 { FIRST_TIMEOUT } else { STALL_TIMEOUT };
    while calls.load(Relaxed) == before {
        if started.elapsed() > timeout {
            return false;
        }
        thread::sleep(POLL_INTERVAL);
    }
    true
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use super::*;

    #[test]
    fn a_client_is_alive_while_its_server_calls_back() {
        let calls = Calls(Arc::default());
        assert!(!is_alive(&calls.0), "a server that has never called back should not count as alive");
        calls.increment();
        assert!(!is_alive(&calls.0), "a server that has stopped calling back should not count as alive");
        let (server_calls, stop) = (calls.clone(), Arc::new(AtomicBool::new(false)));
        let stop_flag = Arc::clone(&stop);
        let server = thread::spawn(move || {
            while !stop_flag.load(Relaxed) {
                server_calls.increment();
                thread::sleep(Duration::from_micros(100));
            }
        });
        assert!(is_alive(&calls.0));
        stop.store(true, Relaxed);
        server.join().unwrap();
        assert!(calls.count() > 1);
    }
}
