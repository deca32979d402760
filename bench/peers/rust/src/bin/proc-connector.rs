//! The process connector through the crate `proc-connector`.

use peers::Records;
use proc_connector::{ProcConnector, ProcEvent};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut records = Records::begin();
    // The constructor sends LISTEN, and the drop sends IGNORE.
    let connector = ProcConnector::new()?;
    peers::ready();
    let mut buffer = vec![0; 4096];
    while !records.is_over() {
        // An error is a full buffer or the signal. The loop condition distinguishes them.
        let Ok(event) = connector.recv(&mut buffer) else { continue };
        match event {
            ProcEvent::Exec { pid, tgid, timestamp_ns, .. } => records.add(pid, tgid, 1, timestamp_ns),
            ProcEvent::Exit { pid, tgid, timestamp_ns, .. } => records.add(pid, tgid, 2, timestamp_ns),
            _ => {}
        }
    }
    drop(connector);
    Ok(records.write()?)
}
