//! Threads and tasks whose panics are handled according to their importance. A panic in an essential thread ends the
//! process with an error, so that a process supervisor can restart it. After any other panic, the music continues: the
//! thread or task is restarted if possible; if not, what was lost is reported.

use std::future::pending;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use futures_util::FutureExt;
use tokio::sync::Notify;
use tokio::task::JoinError;

/// Pause before a thread or task is restarted after a panic.
const RESTART_DELAY: Duration = Duration::from_secs(1);

/// Name of the first essential thread that panicked.
static FIRST_PANIC: Mutex<Option<String>> = Mutex::new(None);
/// Wakes [`first_panic`].
static PANICKED: Notify = Notify::const_new();
/// The function that is called after every panic that the music survives.
static PANIC_COUNTER: OnceLock<Box<dyn Fn() + Send + Sync>> = OnceLock::new();

/// Starts a thread that the music depends on. If it panics, [`first_panic`] returns its name, unless another panicked
/// before it.
///
/// # Errors
/// When no thread can be created.
pub fn spawn<T: Send + 'static>(
    name: &'static str,
    work: impl FnOnce() -> T + Send + 'static,
) -> io::Result<JoinHandle<T>> {
    let run = move || {
        let _reporter = PanicReporter(name);
        work()
    };
    start(name, run)
}

/// Starts a thread that the music does not depend on. When `work` panics, it is called again a second later with the same
/// captured state, which must remain valid. When `work` returns, the thread ends.
///
/// # Errors
/// When no thread can be created.
pub fn spawn_restarting(name: &'static str, mut work: impl FnMut() + Send + 'static) -> io::Result<JoinHandle<()>> {
    let run = move || {
        while catch_unwind(AssertUnwindSafe(&mut work)).is_err() {
            report_restart(name);
            thread::sleep(RESTART_DELAY);
        }
    };
    start(name, run)
}

/// Starts a thread that the music does not depend on and that cannot be restarted. When `work` panics, `report_loss` is
/// called.
///
/// # Errors
/// When no thread can be created.
pub fn spawn_unrestartable(
    name: &'static str,
    work: impl FnOnce() + Send + 'static,
    report_loss: impl FnOnce() + Send + 'static,
) -> io::Result<JoinHandle<()>> {
    let run = move || {
        if catch_unwind(AssertUnwindSafe(work)).is_err() {
            count_panic();
            report_loss();
        }
    };
    start(name, run)
}

/// Starts a named thread; the error names it too.
fn start<T: Send + 'static>(name: &str, run: impl FnOnce() -> T + Send + 'static) -> io::Result<JoinHandle<T>> {
    let thread = thread::Builder::new().name(name.to_owned()).spawn(run);
    thread.map_err(|error| io::Error::new(error.kind(), format!("cannot start the thread {name}: {error}")))
}

/// Runs `work` on the calling thread, which belongs to a library and is not essential to the music. A panic in `work`
/// ends only this call.
pub fn contain_panic(work: impl FnOnce()) {
    if catch_unwind(AssertUnwindSafe(work)).is_err() {
        count_panic();
    }
}

/// Runs a task that the music does not depend on, restarting it as [`spawn_restarting`] does.
pub async fn restarting_task(name: &'static str, mut work: impl AsyncFnMut()) {
    while AssertUnwindSafe(work()).catch_unwind().await.is_err() {
        report_restart(name);
        tokio::time::sleep(RESTART_DELAY).await;
    }
}

/// Runs work that may block on one of Tokio's threads for such work. Never returns if the program ends before the work has
/// begun: whoever waits for it ends too, and nothing has failed.
///
/// # Errors
/// When the work panics.
pub async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, JoinError> {
    match tokio::task::spawn_blocking(work).await {
        Err(error) if error.is_cancelled() => pending().await,
        result => result,
    }
}

/// Registers a function to call after every panic that the music survives, on the thread that panicked. Only the first
/// registration takes effect.
pub fn set_panic_counter(counter: impl Fn() + Send + Sync + 'static) {
    let _ = PANIC_COUNTER.set(Box::new(counter));
}

/// Waits until a thread started by [`spawn`] has panicked, and returns the name of the first that did.
pub async fn first_panic() -> String {
    loop {
        if let Some(name) = lock_first_panic().clone() {
            return name;
        }
        PANICKED.notified().await;
    }
}

fn lock_first_panic() -> MutexGuard<'static, Option<String>> {
    FIRST_PANIC.lock().unwrap_or_else(PoisonError::into_inner)
}

fn report_restart(name: &str) {
    count_panic();
    tracing::error!(thread = name, "restarting after a panic");
}

fn count_panic() {
    if let Some(counter) = PANIC_COUNTER.get() {
        counter();
    }
}

/// Records a panic when its thread unwinds.
struct PanicReporter(&'static str);

impl Drop for PanicReporter {
    fn drop(&mut self) {
        if thread::panicking() {
            lock_first_panic().get_or_insert_with(|| self.0.to_owned());
            PANICKED.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    #[test]
    fn an_essential_thread_is_reported_only_if_it_panics() {
        assert_eq!(spawn("ends", || 7).unwrap().join().unwrap(), 7);
        assert!(lock_first_panic().is_none());
        assert!(spawn("panics", || panic!("on purpose")).unwrap().join().is_err());
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        assert_eq!(runtime.block_on(first_panic()), "panics");
    }

    #[test]
    fn restartable_threads_restart_after_a_panic() {
        let (started, starts) = channel();
        let mut remaining = 3;
        let thread = spawn_restarting("restarts", move || {
            remaining -= 1;
            started.send(remaining).unwrap();
            assert!(remaining == 0, "on purpose");
        });
        thread.unwrap().join().unwrap();
        assert_eq!(starts.iter().collect::<Vec<_>>(), [2, 1, 0]);
    }

    #[test]
    fn a_task_restarts_with_its_state() {
        let (started, starts) = channel();
        let mut remaining = 3;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(restarting_task("task", async || {
            remaining -= 1;
            tokio::task::yield_now().await;
            started.send(remaining).unwrap();
            assert!(remaining == 0, "on purpose");
        }));
        drop(started);
        assert_eq!(starts.iter().collect::<Vec<_>>(), [2, 1, 0]);
    }

    #[test]
    fn work_that_is_cancelled_when_the_program_ends_has_not_failed() {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
        assert_eq!(runtime.block_on(blocking(|| 7)).unwrap(), 7);
        assert!(runtime.block_on(blocking(|| panic!("on purpose"))).is_err_and(|error: JoinError| error.is_panic()));
        let handle = runtime.handle().clone();
        runtime.shutdown_background();
        let _context = handle.enter();
        let cancelled = tokio::task::spawn_blocking(|| 7).now_or_never().unwrap();
        assert!(cancelled.is_err_and(|error| error.is_cancelled()));
        assert!(blocking(|| 7).now_or_never().is_none());
    }

    #[test]
    fn a_contained_panic_does_not_end_the_thread() {
        contain_panic(|| panic!("on purpose"));
    }

    #[test]
    fn a_panic_in_a_thread_that_cannot_restart_is_reported() {
        let (lost, losses) = channel();
        let reporter = lost.clone();
        spawn_unrestartable("ends", || (), move || lost.send("ends").unwrap()).unwrap().join().unwrap();
        spawn_unrestartable("panics", || panic!("on purpose"), move || reporter.send("panics").unwrap())
            .unwrap()
            .join()
            .unwrap();
        assert_eq!(losses.iter().collect::<Vec<_>>(), ["panics"]);
    }
}
