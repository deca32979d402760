//! Why monitoring cannot start, or has ended: one code a cause, with the system call and its errno.

use std::fmt;
use std::io;

use rustix::io::Errno;

/// The causes that users can tell apart, because each has its own remedy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum ErrorCode {
    /// The kernel, a seccomp filter or a security module refused.
    Permission,
    /// This process is not in the initial pid namespace.
    PidNamespace,
    /// This process is not in the initial user namespace.
    UserNamespace,
    /// This process is not in the initial network namespace, and may not enter it.
    NetworkNamespace,
    /// The kernel has no process connector.
    ConnectorUnavailable,
    /// `/proc` is missing, unreadable, or not that of this machine.
    ProcUnreadable,
    /// The source failed while it ran.
    SourceFailed,
}

/// What failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Error {
    /// The cause.
    pub code: ErrorCode,
    /// The system call, with its object, that failed or that brought the cause to light.
    pub syscall: &'static str,
    /// Its errno, if it failed.
    pub errno: Option<Errno>,
}

impl Error {
    /// `syscall` failed with `errno`.
    #[must_use]
    pub const fn new(code: ErrorCode, syscall: &'static str, errno: Errno) -> Self {
        Self { code, syscall, errno: Some(errno) }
    }
    /// `syscall` failed in a way that only a failing source does.
    pub(crate) fn unexpected(syscall: &'static str, error: &io::Error) -> Self {
        Self { code: ErrorCode::SourceFailed, syscall, errno: Errno::from_io_error(error) }
    }
    /// The errno as a number; 0 if no system call failed.
    #[must_use]
    pub const fn raw_errno(&self) -> i32 {
        match self.errno {
            Some(errno) => errno.raw_os_error(),
            None => 0,
        }
    }
    /// `syscall` succeeded, but shows what is wrong.
    #[must_use]
    pub const fn shown_by(code: ErrorCode, syscall: &'static str) -> Self {
        Self { code, syscall, errno: None }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.code, self.syscall)?;
        match self.errno {
            Some(errno) => write!(f, ": {errno}"),
            None => Ok(()),
        }
    }
}
