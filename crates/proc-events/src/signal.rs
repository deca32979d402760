//! Sends a signal to a process only if its pid still belongs to it.

use std::path::Path;
use std::sync::Arc;

use rustix::io::Errno;

use crate::error::{Error, ErrorCode};
use crate::model::interest::Fields;
use crate::procfs::Procfs;
use crate::sys::pidfd;

/// Sends a signal, 0 to 64, to the process that has this pid and creation time (field 22 of `/proc/PID/stat`). Signal 0
/// only checks permission. Returns false if that process has exited.
///
/// With pidfds (Linux 5.3 and newer) the signal cannot reach a later process with the same pid. Without them, the pid
/// could be reused between the check and the signal.
///
/// # Errors
/// - [`ErrorCode::Permission`] if the process may not be signalled.
/// - [`ErrorCode::ProcUnreadable`] if `/proc` cannot be read.
/// - [`ErrorCode::ProcNamespace`] if it shows another pid namespace.
/// - [`ErrorCode::SourceFailed`] for another failure, for example an invalid signal.
pub fn signal_process(pid: u32, start_time: u64, signal: i32) -> Result<bool, Error> {
    let procfs = Arc::new(Procfs::open(Path::new("/proc"))?);
    if !procfs.is_of_own_pid_namespace() {
        return Err(Error::detected(ErrorCode::ProcNamespace, "its pids cannot be signalled"));
    }
    // Open the pidfd before the check: it then belongs to the process that is checked, or to one that has exited.
    let pidfd = match pidfd::open_if_running(pid) {
        Ok(None) => return Ok(false),
        Ok(Some(pidfd)) => Some(pidfd),
        Err(error) if Errno::from_io_error(&error) == Some(Errno::NOSYS) => None,
        Err(error) => return Err(Error::from_io("pidfd_open", "of the process to signal", &error)),
    };
    let observed = procfs.reader().observe(pid, Fields::NONE);
    if observed.is_none_or(|observed| observed.start_time != start_time) {
        return Ok(false);
    }
    match pidfd::send_signal(pidfd.as_ref(), pid, signal) {
        Ok(()) => Ok(true),
        Err(Errno::SRCH) => Ok(false),
        Err(errno) => {
            let code = if errno == Errno::PERM { ErrorCode::Permission } else { ErrorCode::SourceFailed };
            let syscall = if pidfd.is_some() { "pidfd_send_signal" } else { "kill" };
            Err(Error::from_errno(code, syscall, "to the process", errno))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;
    use std::process::{Child, Command};

    use super::*;

    fn sleeper() -> (Child, u64) {
        let child = Command::new("sleep").arg("60").spawn().unwrap();
        let procfs = Arc::new(Procfs::open(Path::new("/proc")).unwrap());
        let start_time = procfs.reader().observe(child.id(), Fields::NONE).unwrap().start_time;
        (child, start_time)
    }

    #[test]
    fn signal_reaches_the_process_until_it_is_reaped() {
        let (mut child, start_time) = sleeper();
        let pid = child.id();
        assert_eq!(signal_process(pid, start_time, 0), Ok(true));
        assert_eq!(signal_process(pid, start_time, libc::SIGTERM), Ok(true));
        assert_eq!(child.wait().unwrap().signal(), Some(libc::SIGTERM));
        assert_eq!(signal_process(pid, start_time, libc::SIGTERM), Ok(false));
    }

    #[test]
    fn zombie_has_exited() {
        let (mut child, start_time) = sleeper();
        let pid = child.id();
        child.kill().unwrap();
        rustix::process::waitid(
            rustix::process::WaitId::Pid(rustix::process::Pid::from_child(&child)),
            rustix::process::WaitIdOptions::EXITED | rustix::process::WaitIdOptions::NOWAIT,
        )
        .unwrap();
        assert_eq!(signal_process(pid, start_time, libc::SIGTERM), Ok(false));
        child.wait().unwrap();
    }

    #[test]
    fn another_process_with_the_pid_gets_no_signal() {
        let (mut child, start_time) = sleeper();
        for other in [start_time - 1, start_time + 1, 0] {
            assert_eq!(signal_process(child.id(), other, libc::SIGKILL), Ok(false));
        }
        assert_eq!(child.try_wait().unwrap(), None);
        child.kill().unwrap();
        child.wait().unwrap();
    }

    #[test]
    fn invalid_signal_is_an_error() {
        let (mut child, start_time) = sleeper();
        let failed = signal_process(child.id(), start_time, 65).unwrap_err();
        assert_eq!((failed.code, failed.raw_errno()), (ErrorCode::SourceFailed, libc::EINVAL));
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
