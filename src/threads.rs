//! Threads and tasks that do not die unnoticed. Each follows one of three rules when it panics: what the music needs ends the
//! process with an error, so that whatever supervises the process starts it again; what can begin anew does; of what
//! cannot, somebody is told what is lost, and the music goes on.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use futures_util::FutureExt;
use tokio::sync::Notify;

/// Between a panic and the new beginning.
const PAUSE: Duration = Duration::from_secs(1);

/// The first thread that panicked without which there is no music.
static FIRST: Mutex<Option<String>> = Mutex::new(None);
static PANICKED: Notify = Notify::const_new();
/// Counts panics after which the music goes on.
static COUNTER: OnceLock<Box<dyn Fn() + Send + Sync>> = OnceLock::new();

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
            begin_anew(name);
            thread::sleep(PAUSE);
        }
    };
    thread::Builder::new().name(name.to_owned()).spawn(run)
}

/// Starts a thread that the music can do without, and that cannot begin anew. When it panics, `lost` says what is lost
/// with it.
///
/// # Errors
/// When there can be no more threads.
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

/// Does something on a thread that a library owns and that the music can do without. A panic ends what is done and no more.
pub fn fenced(work: impl FnOnce()) {
    if catch_unwind(AssertUnwindSafe(work)).is_err() {
        count();
    }
}

/// A task that the music can do without, as [`spawn_steady`] is for threads.
pub async fn steady_task(name: &'static str, mut work: impl AsyncFnMut()) {
    while AssertUnwindSafe(work()).catch_unwind().await.is_err() {
        begin_anew(name);
        tokio::time::sleep(PAUSE).await;
    }
}

/// Has every panic counted after which the music goes on. For one counter, the first.
pub fn count_panics(counter: impl Fn() + Send + Sync + 'static) {
    let _ = COUNTER.set(Box::new(counter));
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

fn first() -> MutexGuard<'static, Option<String>> {
    FIRST.lock().unwrap_or_else(PoisonError::into_inner)
}

fn begin_anew(name: &str) {
    count();
    tracing::error!(thread = name, "begins anew after a panic");
}

fn count() {
    if let Some(counter) = COUNTER.get() {
        counter();
    }
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

    #[test]
    fn a_task_begins_anew_with_what_it_keeps() {
        let (begun, beginnings) = channel();
        let mut left = 3;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(steady_task("task", async || {
            left -= 1;
            tokio::task::yield_now().await;
            begun.send(left).unwrap();
            assert!(left == 0, "on purpose");
        }));
        drop(begun);
        assert_eq!(beginnings.iter().collect::<Vec<_>>(), [2, 1, 0]);
    }

    #[test]
    fn a_thread_that_is_not_ours_goes_on() {
        fenced(|| panic!("on purpose"));
    }

    #[test]
    fn of_what_cannot_begin_anew_is_said_that_it_is_lost() {
        let (lost, losses) = channel();
        let told = lost.clone();
        spawn_mortal("ends", || (), move || lost.send("ends").unwrap()).unwrap().join().unwrap();
        spawn_mortal("panics", || panic!("on purpose"), move || told.send("panics").unwrap()).unwrap().join().unwrap();
        assert_eq!(losses.iter().collect::<Vec<_>>(), ["panics"]);
    }
}
