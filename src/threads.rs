//! Threads whose panics are handled: if the music needs the thread, the process ends with an error so that its supervisor
//! restarts it; any other thread restarts itself.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::sync::Notify;

/// Delay between a panic and the restart.
const RESTART_DELAY: Duration = Duration::from_secs(1);

/// Name of the first essential thread that panicked.
static FIRST: Mutex<Option<String>> = Mutex::new(None);
static PANICKED: Notify = Notify::const_new();

/// Starts a thread that the music needs. [`first_panic`] reports its panic.
///
/// # Errors
/// If the system cannot create another thread.
pub fn spawn<T: Send + 'static>(
    name: &'static str,
    work: impl FnOnce() -> T + Send + 'static,
) -> io::Result<JoinHandle<T>> {
    let run = move || {
        let _alarm = Alarm(name);
        work()
    };
    thread::Builder::new().name(name.to_owned()).spawn(run)
}

/// Starts a thread that the music can do without. If it panics, `work` is called again after a second with the state it
/// captured, which must stay valid across a panic. The thread ends when `work` returns.
///
/// # Errors
/// If the system cannot create another thread.
pub fn spawn_steady(name: &'static str, mut work: impl FnMut() + Send + 'static) -> io::Result<JoinHandle<()>> {
    let run = move || {
        while catch_unwind(AssertUnwindSafe(&mut work)).is_err() {
            tracing::error!(thread = name, "begins anew after a panic");
            thread::sleep(RESTART_DELAY);
        }
    };
    thread::Builder::new().name(name.to_owned()).spawn(run)
}

/// Waits until a thread started by [`spawn`] panics and returns its name.
pub async fn first_panic() -> String {
    loop {
        if let Some(name) = first().clone() {
            return name;
        }
        PANICKED.notified().await;
    }
}

fn first() -> std::sync::MutexGuard<'static, Option<String>> {
    FIRST.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Reports the panic when its thread unwinds.
struct Alarm(&'static str);

impl Drop for Alarm {
    fn drop(&mut self) {
        if thread::panicking() {
            first().get_or_insert_with(|| self.0.to_owned());
            PANICKED.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    #[test]
    fn panics_of_essential_threads_are_reported_and_normal_exits_are_not() {
        assert_eq!(spawn("ends", || 7).unwrap().join().unwrap(), 7);
        assert!(first().is_none());
        assert!(spawn("panics", || panic!("on purpose")).unwrap().join().is_err());
        let waiting = tokio::runtime::Builder::new_current_thread().build().unwrap();
        assert_eq!(waiting.block_on(first_panic()), "panics");
    }

    #[test]
    fn other_threads_restart_after_a_panic() {
        let (begun, beginnings) = channel();
        let mut left = 3;
        let thread = spawn_steady("steady", move || {
            left -= 1;
            begun.send(left).unwrap();
            assert!(left == 0, "on purpose");
        });
        thread.unwrap().join().unwrap();
        assert_eq!(beginnings.iter().collect::<Vec<_>>(), [2, 1, 0]);
    }
}
