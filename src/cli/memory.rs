//! How the process manages its memory.

/// Size in bytes from which blocks of memory are returned to the system when they are freed: glibc's initial value.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const RETURNED_SIZE: libc::c_int = 128 * 1024;

/// Has large blocks of memory returned to the system as soon as they are freed. By default, glibc raises the size from which
/// it does so to that of the largest block freed so far; after new networks have been loaded while the old ones played, the
/// process would then stay twice as large.
pub(crate) fn return_large_blocks() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    #[expect(unsafe_code, reason = "a foreign function; it only stores a number, before other threads exist")]
    // The result is ignored: nothing depends on the setting.
    let _ = unsafe { libc::mallopt(libc::M_MMAP_THRESHOLD, RETURNED_SIZE) };
}
