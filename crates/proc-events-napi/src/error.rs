//! Errors of the core as values for JavaScript.

use napi_derive::napi;
use proc_events::Error;

/// An error of the core. Failure records carry the same four values.
#[napi(object)]
#[derive(Debug)]
pub struct NativeError {
    /// The cause:
    /// - 0: the kernel or a sandbox denies access.
    /// - 1: not in the initial pid namespace.
    /// - 2: not in the initial user namespace.
    /// - 3: not in the initial network namespace.
    /// - 4: the kernel has no process connector.
    /// - 5: the proc file system cannot be used.
    /// - 6: the source failed for another reason.
    /// - 7: the proc file system shows another pid namespace.
    pub code: u32,
    /// The error number, positive; 0 if there is none.
    pub errno: i32,
    /// The name of the failed system call; absent if no system call failed.
    pub syscall: Option<String>,
    /// The object of the failed system call, or the finding that led to `code` if no system call failed.
    pub context: String,
}

impl From<Error> for NativeError {
    fn from(error: Error) -> Self {
        Self {
            code: error.code as u32,
            errno: error.raw_errno(),
            syscall: error.syscall.map(Into::into),
            context: error.context.into(),
        }
    }
}
