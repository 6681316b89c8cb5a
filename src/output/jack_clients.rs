//! The JACK clients of this process, opened with care.
//!
//! libjack (seen with 1.9.21) keeps what all clients of a process share in one place, and lets it go when a client cannot
//! be opened for want of a server. Closing a client that outlived its server ends the process after that. So none is
//! opened while the server of another one does not call.
//!
//! And none is opened while one of the same name is not closed, which takes as long as its server stands still: the server
//! would give it another name, and patchbays would not know it.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread;
use std::time::{Duration, Instant};

use jack::{Client, ClientOptions};

/// How long a server may take to call; the longest period in use is about 100 ms.
const PATIENCE: Duration = Duration::from_millis(150);
/// How long it may take to call for the first time, while its client is being set up.
const FIRST: Duration = Duration::from_millis(500);
/// Between two looks at whether it has called.
const LOOK: Duration = Duration::from_millis(5);

/// The name and the calls of every client that is not closed.
static CLIENTS: Mutex<Vec<(String, Weak<AtomicU64>)>> = Mutex::new(Vec::new());

/// How often a client's server has called. To be kept until the client is closed: that is what others wait for.
#[derive(Debug, Clone)]
pub(crate) struct Calls(Arc<AtomicU64>);

impl Calls {
    /// Counts a call; for the process callback.
    pub(crate) fn count(&self) {
        self.0.fetch_add(1, Relaxed);
    }

    /// How many there were.
    pub(crate) fn so_far(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// Opens a client of the running server. Waits for the servers of other clients to call, at most [`FIRST`]; not for the
/// audio callback. The calls come first, so that where both are dropped together the client goes before them.
///
/// # Errors
/// When no server runs, or when another client of this process has the name, or has lost its own server, and is not closed
/// yet.
pub(crate) fn open(name: &str) -> Result<(Calls, Client), String> {
    let mut clients = CLIENTS.lock().unwrap_or_else(PoisonError::into_inner);
    clients.retain(|(_, calls)| calls.strong_count() > 0);
    if clients.iter().any(|(other, _)| other == name) {
        return Err(format!("the last client {name} is not closed yet"));
    }
    if !clients.iter().filter_map(|(_, calls)| calls.upgrade()).all(|calls| is_alive(&calls)) {
        return Err("the last server is gone, and not everything has let go of it".to_owned());
    }
    jack::set_logger(jack::LoggerType::None);
    let opened = Client::new(name, ClientOptions::NO_START_SERVER);
    let (client, _) = opened.map_err(|_| "no server is running".to_owned())?;
    let calls = Arc::new(AtomicU64::new(0));
    clients.push((name.to_owned(), Arc::downgrade(&calls)));
    Ok((Calls(calls), client))
}

/// Whether the server of another client calls.
fn is_alive(calls: &AtomicU64) -> bool {
    let (before, begun) = (calls.load(Relaxed), Instant::now());
    let patience = if before == 0 { FIRST } else { PATIENCE };
    while calls.load(Relaxed) == before {
        if begun.elapsed() > patience {
            return false;
        }
        thread::sleep(LOOK);
    }
    true
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use super::*;

    #[test]
    fn a_client_is_alive_while_its_server_calls() {
        let calls = Calls(Arc::default());
        assert!(!is_alive(&calls.0), "never called");
        calls.count();
        assert!(!is_alive(&calls.0), "called once and no more");
        let (other, stop) = (calls.clone(), Arc::new(AtomicBool::new(false)));
        let stopped = Arc::clone(&stop);
        let server = thread::spawn(move || {
            while !stopped.load(Relaxed) {
                other.count();
                thread::sleep(Duration::from_micros(100));
            }
        });
        assert!(is_alive(&calls.0));
        stop.store(true, Relaxed);
        server.join().unwrap();
        assert!(calls.so_far() > 1);
    }
}
