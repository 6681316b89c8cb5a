//! Threads and tasks whose panics are handled in one of three ways: if the thread is essential, the process ends with
//! an error, so that its supervisor restarts it; if the thread can restart, it does; otherwise the loss is reported and
//! the music continues.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use futures_util::FutureExt;
use tokio::sync::Notify;

/// Pause before a thread restarts after a panic.
const RESTART_DELAY: Duration = Duration::from_secs(1);

/// The first essential thread that panicked.
static FIRST_PANIC: Mutex<Option<String>> = Mutex::new(None);
static PANICKED: Notify = Notify::const_new();
/// Counts the panics that the music survives.
static COUNTER: OnceLock<Box<dyn Fn() + Send + Sync>> = OnceLock::new();

/// Starts a thread that the music depends on. [`first_panic`] reports its panic.
///
/// # Errors
/// When no thread can be created.
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

/// Starts a thread that the music does not depend on. When `work` panics it is called again a second later, keeping its
/// state, which must still be valid after a panic; when `work` returns, the thread ends.
///
/// # Errors
/// When no thread can be created.
pub fn spawn_steady(name: &'static str, mut work: impl FnMut() + Send + 'static) -> io::Result<JoinHandle<()>> {
    let run = move || {
        while catch_unwind(AssertUnwindSafe(&mut work)).is_err() {
            restarting(name);
            thread::sleep(RESTART_DELAY);
        }
    };
    thread::Builder::new().name(name.to_owned()).spawn(run)
}

/// Starts a thread that the music does not depend on and that cannot restart. When `work` panics, `lost` reports
/// the loss.
///
/// # Errors
/// When no thread can be created.
pub fn spawn_mortal(
    name: &'static str,
    work: impl FnOnce() + Send + 'static,
    lost: impl FnOnce() + Send + 'static,
) -> io::Result<JoinHandle<()>> {
    let run = move || {
        if catch_unwind(AssertUnwindSafe(work)).is_err() {
            count();
            lost();
        }
    };
    thread::Builder::new().name(name.to_owned()).spawn(run)
}

/// Runs `work` on a thread owned by a library that the music does not depend on: a panic ends this call only.
pub fn fenced(work: impl FnOnce()) {
    if catch_unwind(AssertUnwindSafe(work)).is_err() {
        count();
    }
}

/// Runs a task that the music does not depend on, restarting it as [`spawn_steady`] does.
pub async fn steady_task(name: &'static str, mut work: impl AsyncFnMut()) {
    while AssertUnwindSafe(work()).catch_unwind().await.is_err() {
        restarting(name);
        tokio::time::sleep(RESTART_DELAY).await;
    }
}

/// Calls `counter` at every panic that the music survives, from the thread that panicked. Only the first call takes
/// effect.
pub fn count_panics(counter: impl Fn() + Send + Sync + 'static) {
    let _ = COUNTER.set(Box::new(counter));
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

fn first() -> MutexGuard<'static, Option<String>> {
    FIRST_PANIC.lock().unwrap_or_else(PoisonError::into_inner)
}

fn restarting(name: &str) {
    count();
    tracing::error!(thread = name, "restarting after a panic");
}

fn count() {
    if let Some(counter) = COUNTER.get() {
        counter();
    }
}

/// Reports when its thread unwinds.
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
    fn a_panic_in_an_essential_thread_is_reported_but_its_normal_end_is_not() {
        assert_eq!(spawn("ends", || 7).unwrap().join().unwrap(), 7);
        assert!(first().is_none());
        assert!(spawn("panics", || panic!("on purpose")).unwrap().join().is_err());
        let waiting = tokio::runtime::Builder::new_current_thread().build().unwrap();
        assert_eq!(waiting.block_on(first_panic()), "panics");
    }

    #[test]
    fn other_threads_restart() {
        let (started, beginnings) = channel();
        let mut left = 3;
        let thread = spawn_steady("steady", move || {
            left -= 1;
            started.send(left).unwrap();
            assert!(left == 0, "on purpose");
        });
        thread.unwrap().join().unwrap();
        assert_eq!(beginnings.iter().collect::<Vec<_>>(), [2, 1, 0]);
    }

    #[test]
    fn a_task_restarts_with_its_state() {
        let (started, beginnings) = channel();
        let mut left = 3;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(steady_task("task", async || {
            left -= 1;
            tokio::task::yield_now().await;
            started.send(left).unwrap();
            assert!(left == 0, "on purpose");
        }));
        drop(started);
        assert_eq!(beginnings.iter().collect::<Vec<_>>(), [2, 1, 0]);
    }

    #[test]
    fn a_fenced_panic_does_not_end_its_thread() {
        fenced(|| panic!("on purpose"));
    }

    #[test]
    fn a_thread_that_cannot_restart_is_reported() {
        let (lost, losses) = channel();
        let reporter = lost.clone();
        spawn_mortal("ends", || (), move || lost.send("ends").unwrap()).unwrap().join().unwrap();
        spawn_mortal("panics", || panic!("on purpose"), move || reporter.send("panics").unwrap())
            .unwrap()
            .join()
            .unwrap();
        assert_eq!(losses.iter().collect::<Vec<_>>(), ["panics"]);
    }
}
