//! A test disk that can be filled, made read-only, frozen, slowed down or broken.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

/// A mounted ext4 file system in a file; unmounted on drop.
#[derive(Debug)]
pub(crate) struct Disk {
    folder: tempfile::TempDir,
}

impl Disk {
    /// Creates a disk of the given size; needs root, or `sudo` without a password.
    pub(crate) fn new(megabytes: u64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (image, mount_point) = (folder.path().join("image"), folder.path().join("disk"));
        fs::create_dir(&mount_point).unwrap();
        File::create(&image).unwrap().set_len(megabytes << 20).unwrap();
        let disk = Self { folder };
        // Omit the journal, to leave room on a small disk.
        run_as_root("mkfs.ext4", &["-q", "-F", "-O", "^has_journal", as_str(&image)]);
        run_as_root("mount", &["-o", "loop,errors=remount-ro", as_str(&image), as_str(&mount_point)]);
        run_as_root("chmod", &["777", as_str(&mount_point)]);
        disk
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("disk")
    }

    /// Makes the disk writable or read-only; the latter fails while a file is open for writing.
    pub(crate) fn set_writable(&self, writable: bool) {
        run_as_root("mount", &["-o", if writable { "remount,rw" } else { "remount,ro" }, as_str(&self.path())]);
    }

    /// Fills the disk completely.
    pub(crate) fn fill(&self) {
        let mut ballast = File::options().append(true).create(true).open(self.path().join("ballast")).unwrap();
        while ballast.write_all(&[0; 1 << 12]).is_ok() {}
    }

    /// Frees the space that [`Self::fill`] used.
    pub(crate) fn free(&self) {
        fs::remove_file(self.path().join("ballast")).unwrap();
    }

    /// Freezes the disk: writers block and cannot even be killed.
    pub(crate) fn freeze(&self) {
        run_as_root("fsfreeze", &["-f", as_str(&self.path())]);
    }

    pub(crate) fn thaw(&self) {
        run_as_root("fsfreeze", &["-u", as_str(&self.path())]);
    }

    /// Slows the disk down for about this many seconds, by freezing it for nine tenths of the time.
    pub(crate) fn slow_down(&self, seconds: u32) {
        for _ in 0..5 * seconds {
            self.freeze();
            sleep(Duration::from_millis(180));
            self.thaw();
            sleep(Duration::from_millis(20));
        }
    }

    /// Breaks the disk: all writes fail from now on, even to open files.
    pub(crate) fn break_down(&self) {
        let device = Command::new("findmnt").args(["-no", "SOURCE"]).arg(self.path()).output().unwrap().stdout;
        let device = String::from_utf8(device).unwrap();
        let name = device.trim().trim_start_matches("/dev/");
        run_as_root("sh", &["-c", &format!("echo 1 > /sys/fs/ext4/{name}/trigger_fs_error")]);
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Unmount the disk in whatever state the test left it.
        let mount_point = self.path();
        let _ = root_command("fsfreeze").args(["-u", as_str(&mount_point)]).output();
        let _ = root_command("umount").args(["-l", as_str(&mount_point)]).output();
    }
}

fn as_str(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Returns a command that runs as root.
fn root_command(program: &str) -> Command {
    let is_root = Command::new("id").arg("-u").output().is_ok_and(|id| id.stdout == b"0\n");
    let mut command = Command::new(if is_root { program } else { "sudo" });
    if !is_root {
        command.args(["-n", program]);
    }
    command
}

fn run_as_root(program: &str, arguments: &[&str]) {
    let output = root_command(program).args(arguments).output();
    let output = output.unwrap_or_else(|error| panic!("{program}: {error}; `make packages-test` installs it"));
    let printed = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{program} {arguments:?}: {printed}\nCreating the test disk requires loop devices, and root or sudo without a password."
    );
}
