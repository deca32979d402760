//! The process connector by the crate of that name.

use peers::Records;
use proc_connector::{ProcConnector, ProcEvent};
use std::time::Duration;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut records = Records::begin();
    // Its constructor subscribes, and it says so when it is dropped.
    let connector = ProcConnector::new()?;
    peers::ready();
    let mut buffer = vec![0; 4096];
    while !records.is_over() {
        // Its `recv` starts anew when a signal has interrupted it, so that only a time limit lets this loop end.
        let Ok(Some(event)) = connector.recv_timeout(&mut buffer, Duration::from_secs(1)) else { continue };
        match event {
            ProcEvent::Exec { pid, tgid, timestamp_ns, .. } => records.add(pid, tgid, 1, timestamp_ns),
            ProcEvent::Exit { pid, tgid, timestamp_ns, .. } => records.add(pid, tgid, 2, timestamp_ns),
            _ => {}
        }
    }
    drop(connector);
    Ok(records.write()?)
}
