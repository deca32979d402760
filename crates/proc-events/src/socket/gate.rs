//! Which kinds the kernel lets through to the socket that is in service. The reader's thread follows what is wanted; but
//! a subscriber opens the gate itself, at once, so that it does not miss what it causes next.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Mutex, PoisonError};

use super::{Connector, set_filter};
use crate::error::Error;
use crate::interest::Kinds;

/// The kernel's filter, shared by the threads that set it.
#[derive(Debug, Default)]
pub(crate) struct Gate(Mutex<Option<Open>>);

#[derive(Debug)]
struct Open {
    /// A descriptor of the same socket: the reader may close its own at any time.
    socket: OwnedFd,
    kinds: Kinds,
}

impl Gate {
    /// From now on this is the socket in service. What it lets through is to be set by [`Gate::follow`].
    pub(crate) fn serve(&self, connector: Option<&Connector>) -> io::Result<()> {
        let socket = connector.map(|connector| connector.socket.get_ref().try_clone()).transpose();
        // Of the earlier socket it lets go in any case.
        let mut gate = self.lock();
        *gate = None;
        *gate = socket?.map(|socket| Open { socket, kinds: Kinds::NONE });
        Ok(())
    }

    /// Lets exactly those through that are `wanted`, which is asked while nobody else sets anything.
    pub(crate) fn follow(&self, wanted: impl FnOnce() -> Kinds) -> Result<(), Error> {
        let mut gate = self.lock();
        let wanted = wanted();
        let Some(open) = gate.as_mut().filter(|open| open.kinds != wanted) else { return Ok(()) };
        set_filter(open.socket.as_fd(), wanted)?;
        open.kinds = wanted;
        Ok(())
    }

    /// Lets these through, too. The reader hears of a failure when it follows.
    pub(crate) fn widen(&self, kinds: Kinds) {
        let mut gate = self.lock();
        if let Some(open) = gate.as_mut()
            && open.kinds != open.kinds.union(kinds)
            && set_filter(open.socket.as_fd(), open.kinds.union(kinds)).is_ok()
        {
            open.kinds = open.kinds.union(kinds);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Open>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
