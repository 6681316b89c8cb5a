//! File operations on blocking threads, of which only a few run at a time.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;

use super::reply::Refusal;
use crate::threads;

/// Maximum number of concurrent file operations; further ones wait.
const MAX_TASKS: usize = 2;

/// Runs file operations. Each takes up a place until it ends, even if nobody waits for its result any more, so that a disk
/// that does not respond cannot use up all blocking threads.
#[derive(Debug, Clone)]
pub(super) struct FileTasks {
    places: Arc<Semaphore>,
    patience: Duration,
}

impl FileTasks {
    /// Creates an empty set; `patience` is the maximum time to wait for a place.
    pub(super) fn new(patience: Duration) -> Self {
        Self { places: Arc::new(Semaphore::new(MAX_TASKS)), patience }
    }

    /// Runs an operation on a blocking thread as soon as fewer than [`MAX_TASKS`] others are running.
    ///
    /// # Errors
    /// When no place becomes free, or when the operation panics.
    pub(super) async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Refusal> {
        let place = tokio::time::timeout(self.patience, Arc::clone(&self.places).acquire_owned()).await;
        let place = place.ok().and_then(Result::ok);
        let place = place.ok_or_else(|| Refusal::unavailable("the disk is busy or does not respond; try again"))?;
        let work = move || {
            let _place = place;
            work()
        };
        Ok(threads::blocking(work).await?)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use axum::http::StatusCode;

    use super::*;

    #[test]
    fn operations_that_nobody_waits_for_take_up_their_places_until_they_end() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let tasks = FileTasks::new(Duration::from_millis(50));
            let hung: Vec<_> = (0..MAX_TASKS)
                .map(|_| {
                    let (release, released) = channel::<()>();
                    let tasks = tasks.clone();
                    (release, tokio::spawn(async move { tasks.run(move || released.recv().is_ok()).await }))
                })
                .collect();
            tokio::time::sleep(Duration::from_millis(20)).await;
            hung.iter().for_each(|(_, client)| client.abort());
            for _ in 0..20 {
                let refusal = tasks.run(|| ()).await.unwrap_err();
                assert_eq!(refusal.0, StatusCode::SERVICE_UNAVAILABLE, "{}", refusal.1);
            }
            drop(hung);
            assert_eq!(tasks.run(|| 7).await.unwrap(), 7);
        });
    }
}
