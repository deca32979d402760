//! Errors of the core: one code per cause, with the failed system call and its errno.

use std::fmt;
use std::io;

use rustix::io::Errno;

/// Causes of an [`Error`]. Each cause has its own remedy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum ErrorCode {
    /// The kernel, a seccomp filter or a security module denies access.
    Permission,
    /// This process is not in the initial pid namespace.
    PidNamespace,
    /// This process is not in the initial user namespace.
    UserNamespace,
    /// This process is not in the initial network namespace, and may not enter it.
    NetworkNamespace,
    /// The kernel was built without the process connector.
    ConnectorUnavailable,
    /// `/proc` is missing or unreadable, or hides processes.
    ProcUnreadable,
    /// The event source failed for another reason.
    SourceFailed,
    /// `/proc` shows another pid namespace, so that its process ids are not those of this process.
    ProcNamespace,
}

impl ErrorCode {
    /// The cause as the start of a sentence.
    const fn description(self) -> &'static str {
        match self {
            Self::Permission => "the kernel or a sandbox denies access",
            Self::PidNamespace => "not in the initial pid namespace",
            Self::UserNamespace => "not in the initial user namespace",
            Self::NetworkNamespace => "not in the initial network namespace",
            Self::ConnectorUnavailable => "the kernel has no process connector",
            Self::ProcUnreadable => "the proc file system cannot be used",
            Self::SourceFailed => "the event source failed",
            Self::ProcNamespace => "the proc file system shows another pid namespace",
        }
    }
}

/// An error of a source, or of a read of `/proc`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Error {
    /// The cause.
    pub code: ErrorCode,
    /// The name of the failed system call; `None` if no system call failed.
    pub syscall: Option<&'static str>,
    /// The object of the failed system call, or the finding that led to `code` if no system call failed.
    pub context: &'static str,
    /// The error number; `None` if there is none.
    pub errno: Option<Errno>,
}

impl Error {
    /// Creates the error of a failed system call.
    #[must_use]
    pub const fn from_errno(
        code: ErrorCode,
        syscall: &'static str,
        context: &'static str,
        errno: Errno,
    ) -> Self {
        Self { code, syscall: Some(syscall), context, errno: Some(errno) }
    }

    /// Creates the [`ErrorCode::SourceFailed`] of a failed system call.
    pub(crate) fn from_io(syscall: &'static str, context: &'static str, error: &io::Error) -> Self {
        let errno = Errno::from_io_error(error);
        Self { code: ErrorCode::SourceFailed, syscall: Some(syscall), context, errno }
    }

    /// Creates an error that was detected although no system call failed.
    #[must_use]
    pub const fn detected(code: ErrorCode, context: &'static str) -> Self {
        Self { code, syscall: None, context, errno: None }
    }

    /// Returns the error number; 0 if there is none.
    #[must_use]
    pub const fn raw_errno(&self) -> i32 {
        match self.errno {
            Some(errno) => errno.raw_os_error(),
            None => 0,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (", self.code.description())?;
        if let Some(syscall) = self.syscall {
            write!(f, "{syscall} ")?;
        }
        f.write_str(self.context)?;
        if let Some(errno) = self.errno {
            write!(f, ": {errno}")?;
        }
        f.write_str(")")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn display_is_a_sentence_with_the_failed_call() {
        let refused =
            Error::from_errno(ErrorCode::Permission, "bind", "to the process connector's group", Errno::PERM);
        assert_eq!(
            refused.to_string(),
            "the kernel or a sandbox denies access (bind to the process connector's group: Operation not permitted \
             (os error 1))"
        );
        let ignored = "sendto PROC_CN_MCAST_LISTEN was not acknowledged";
        assert_eq!(
            Error::detected(ErrorCode::PidNamespace, ignored).to_string(),
            "not in the initial pid namespace (sendto PROC_CN_MCAST_LISTEN was not acknowledged)"
        );
    }
}
