//! Threads that do not die unnoticed: what the music needs ends the process with an error when it panics, so that whatever
//! supervises the process starts it again; the rest begins anew.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::sync::Notify;

/// Between a panic and the new beginning.
const PAUSE: Duration = Duration::from_secs(1);

/// The first thread that panicked and is not begun anew.
static FIRST: Mutex<Option<String>> = Mutex::new(None);
static PANICKED: Notify = Notify::const_new();

/// Starts a thread without which there is no music. Its panic is told by [`first_panic`].
///
/// # Errors
/// When there can be no more threads.
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

/// Starts a thread that the music can do without. When it panics, `work` begins anew a second later with what it keeps
/// from call to call, which must be fit for that; when `work` returns, the thread ends.
///
/// # Errors
/// When there can be no more threads.
pub fn spawn_steady(name: &'static str, mut work: impl FnMut() + Send + 'static) -> io::Result<JoinHandle<()>> {
    let run = move || {
        while catch_unwind(AssertUnwindSafe(&mut work)).is_err() {
            tracing::error!(thread = name, "begins anew after a panic");
            thread::sleep(PAUSE);
        }
    };
    thread::Builder::new().name(name.to_owned()).spawn(run)
}

/// Waits until a thread started by [`spawn`] has panicked; its name.
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

/// Told when a thread unwinds.
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
    fn a_panic_of_what_the_music_needs_is_told_and_an_end_is_not() {
        assert_eq!(spawn("ends", || 7).unwrap().join().unwrap(), 7);
        assert!(first().is_none());
        assert!(spawn("panics", || panic!("on purpose")).unwrap().join().is_err());
        let waiting = tokio::runtime::Builder::new_current_thread().build().unwrap();
        assert_eq!(waiting.block_on(first_panic()), "panics");
    }

    #[test]
    fn what_the_music_can_do_without_begins_anew() {
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
