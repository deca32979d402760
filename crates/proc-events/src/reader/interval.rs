//! A periodic timer.

use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::io::Errno;
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, timerfd_create, timerfd_settime,
};
use tokio::io::unix::AsyncFd;

use crate::sys;

/// A periodic timer on a timerfd. The kernel keeps it running, whereas a tokio timer would be set and cancelled around
/// every wait for an event.
#[derive(Debug)]
pub(super) struct IntervalTimer(AsyncFd<OwnedFd>);

impl IntervalTimer {
    /// Starts a timer with its first tick after `interval`. Must be called within a tokio runtime.
    pub(super) fn every(interval: Duration) -> io::Result<Self> {
        let timer =
            timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK)?;
        let interval = interval.try_into().map_err(|_| io::ErrorKind::InvalidInput)?;
        let times = Itimerspec { it_interval: interval, it_value: interval };
        timerfd_settime(&timer, TimerfdTimerFlags::empty(), &times)?;
        Ok(Self(sys::register(timer)?))
    }

    /// Waits for the next tick. Missed ticks count as one.
    pub(super) async fn tick(&self) -> io::Result<()> {
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
