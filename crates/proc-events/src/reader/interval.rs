//! The beat at which it is looked whether the kernel still reports.

use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::io::Errno;
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, timerfd_create, timerfd_settime,
};
use tokio::io::unix::AsyncFd;

use crate::sys;

/// It has its own clock in the kernel, which goes on by itself: a timer of the runtime's would be set and cancelled
/// around every wait for an event.
#[derive(Debug)]
pub(super) struct IntervalTimer(AsyncFd<OwnedFd>);

impl IntervalTimer {
    /// The first is to come after `interval`, too. Must be called within a tokio runtime.
    pub(super) fn every(interval: Duration) -> io::Result<Self> {
        let timer =
            timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK)?;
        let interval = interval.try_into().map_err(|_| io::ErrorKind::InvalidInput)?;
        let times = Itimerspec { it_interval: interval, it_value: interval };
        timerfd_settime(&timer, TimerfdTimerFlags::empty(), &times)?;
        Ok(Self(sys::register(timer)?))
    }

    /// Waits for the next. Those that were missed count as one.
    pub(super) async fn next(&self) -> io::Result<()> {
        loop {
            let mut ready = sys::ready(&self.0).await?;
            match rustix::io::read(&self.0, &mut [0; 8]) {
                Err(Errno::AGAIN) => ready.clear_ready(),
                Err(Errno::INTR) => {}
                count => return Ok(count.map(drop)?),
            }
        }
    }
}
