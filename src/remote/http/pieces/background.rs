//! Runs a program at the lowest priority, so that it never delays the performance, and limits its files.

use std::io;
use std::path::Path;

use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};
use tokio::process::{Child, Command};

/// Programs that lower the priority of the program they run. `chrt` and `ionice` give it the processor (SCHED_IDLE) and
/// the disk only when nothing else needs them; `nice` is for systems without those two. It adds 39, the whole range of
/// niceness, to the daemon's own niceness, which the system service lowers; the sum is capped at 19.
const PREFIXES: [&[&str]; 3] = [&["chrt", "-i", "0"], &["ionice", "-c", "3"], &["nice", "-n", "39"]];

/// Returns a command that runs a program at the lowest priority that the system supports.
pub(super) fn command(program: &Path) -> Command {
    let installed = PREFIXES.into_iter().filter(|prefix| is_installed(prefix[0]));
    let mut words = installed.flatten().map(AsRef::as_ref).chain([program.as_os_str()]);
    let mut command = Command::new(words.next().unwrap_or_default());
    command.args(words);
    command
}

/// Limits the size of each file that a process writes from now on to `bytes`; the signal SIGXFSZ ends a process that
/// exceeds it. A lower limit, set for Melos itself, stays.
///
/// # Errors
/// When the system does not allow it.
pub(super) fn limit_file_size(process: &Child, bytes: u64) -> io::Result<()> {
    // A process without an id has already ended.
    let Some(pid) = process.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?)) else { return Ok(()) };
    let inherited = getrlimit(Resource::Fsize);
    let current = Some(inherited.current.map_or(bytes, |limit| limit.min(bytes)));
    prlimit(Some(pid), Resource::Fsize, Rlimit { current, ..inherited })?;
    Ok(())
}

fn is_installed(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

#[cfg(test)]
mod tests {
    use std::process::Stdio;

    use super::*;

    /// The value of SCHED_IDLE in `/proc/PID/stat`.
    const SCHED_IDLE: &str = "5";

    #[test]
    fn a_program_runs_at_the_lowest_priority() {
        let run = |mut command: Command| String::from_utf8(command.as_std_mut().output().unwrap().stdout).unwrap();
        let mut cat = command(Path::new("/bin/cat"));
        cat.arg("/proc/self/stat");
        let stat = run(cat);
        // Fields are numbered from 1; the second is the name in parentheses, so the first field after it is number 3.
        let fields: Vec<_> = stat.rsplit_once(") ").unwrap().1.split(' ').collect();
        let field = |number: usize| fields[number - 3];
        assert_eq!((field(19), field(41)), ("19", SCHED_IDLE), "niceness and policy: {stat}");
        assert_eq!(run(command(Path::new("ionice"))).trim(), "idle");
    }

    #[test]
    fn a_program_ends_when_its_file_reaches_the_limit() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("zeros");
        // The input ends once the limit has been set.
        let mut shell = command(Path::new("sh"));
        shell.args(["-c", "read -r line; exec head -c 100000 /dev/zero >\"$1\"", "sh"]);
        shell.arg(&path).stdin(Stdio::piped());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let status = runtime.block_on(async {
            let mut child = shell.spawn().unwrap();
            limit_file_size(&child, 1000).unwrap();
            drop(child.stdin.take());
            child.wait().await.unwrap()
        });
        assert!(!status.success(), "{status}");
        assert_eq!(path.metadata().unwrap().len(), 1000);
    }
}
