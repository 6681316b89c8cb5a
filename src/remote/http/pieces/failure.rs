//! Says in plain words why the process that renders a piece failed.

use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use rustix::process::Signal;

/// Returns the reason, from the process's exit status and its error output.
pub(super) fn reason(status: ExitStatus, stderr: &str) -> String {
    match status.signal() {
        // Whatever the process printed before a signal ended it does not explain the signal.
        Some(signal) if signal == Signal::XFSZ.as_raw() => {
            "the file would be larger than planned for it, or than the system allows (see `ulimit -f`)".to_owned()
        }
        Some(signal) if [Signal::KILL, Signal::TERM].map(Signal::as_raw).contains(&signal) => {
            "the rendering was ended by another program, or by the system because memory was short".to_owned()
        }
        Some(signal) => format!("the rendering crashed (signal {signal})"),
        None => message(stderr).unwrap_or_else(|| "the rendering failed without giving a reason".to_owned()),
    }
}

/// Extracts the reason from a failed process's error output.
fn message(stderr: &str) -> Option<String> {
    let lines = || stderr.lines().map(str::trim).filter(|line| !line.is_empty());
    let error = lines().find_map(|line| line.strip_prefix("Error: ").or_else(|| line.strip_prefix("error: ")));
    error.or_else(|| lines().next_back()).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reason_is_the_error_message_of_the_process() {
        let failed = ExitStatus::from_raw(1 << 8);
        let stderr = "2026 INFO loading\nError: there is no preset \"x\"\n\nCaused by: nothing\n";
        assert_eq!(reason(failed, stderr), "there is no preset \"x\"");
        assert_eq!(reason(failed, "out of luck\n"), "out of luck");
        assert_eq!(reason(failed, " \n"), "the rendering failed without giving a reason");
    }

    #[test]
    fn signals_are_explained() {
        for (script, expected) in [
            ("kill -XFSZ $$", "larger than planned"),
            ("kill -KILL $$", "memory was short"),
            ("kill -SEGV $$", "crashed (signal 11)"),
        ] {
            let output = std::process::Command::new("sh").args(["-c", script]).output().unwrap();
            let reason = reason(output.status, "2026 INFO loading\n");
            assert!(reason.contains(expected), "{script}: {reason}");
        }
    }
}
