//! Runs a program at the lowest priority, so that it never delays the performance.

use std::path::Path;

use tokio::process::Command;

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

fn is_installed(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

#[cfg(test)]
mod tests {
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
}
