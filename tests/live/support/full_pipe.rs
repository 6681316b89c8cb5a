//! Creates a full pipe.

use std::io::{PipeReader, PipeWriter, Write, pipe};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread::{self, sleep};
use std::time::Duration;

/// Returns a full pipe: further writes block as long as the reader is open.
pub(crate) fn full_pipe() -> (PipeReader, PipeWriter) {
    let (reader, writer) = pipe().unwrap();
    let (mut filler, written) = (writer.try_clone().unwrap(), Arc::new(AtomicU64::new(0)));
    let counter = Arc::clone(&written);
    // The write that does not fit blocks until the end of the test.
    thread::spawn(move || {
        while filler.write(b"x").is_ok() {
            counter.fetch_add(1, Relaxed);
        }
    });
    let mut previous = 0;
    loop {
        sleep(Duration::from_millis(300));
        match written.load(Relaxed) {
            count if count > 0 && count == previous => return (reader, writer),
            count => previous = count,
        }
    }
}
