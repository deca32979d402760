//! Measures what an event costs the core, without a kernel.
//!
//! - `count WORK TIMES` does one work so many times and nothing else, so that its instructions can be counted.
//! - `works` lists the works, and the number of events that each one handles.
//! - Otherwise the time of each work is measured, if the feature `time` is enabled.

#[path = "../../tests/support/backend.rs"]
#[expect(dead_code, reason = "the benchmark has a queue of its own")]
mod backend;
mod pipeline;
#[cfg(feature = "time")]
mod time;
mod works;

use std::env;
use std::io::{self, Write};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<_> = env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["count", name, times] => count(name, times.parse()?),
        ["works"] => list(),
        #[cfg(feature = "time")]
        _ => {
            time::all();
            Ok(())
        }
        #[cfg(not(feature = "time"))]
        _ => Err("built without the feature `time`".into()),
    }
}

fn count(name: &str, times: u32) -> Result<(), Box<dyn std::error::Error>> {
    let work = works::ALL.iter().find(|work| work.name == name).ok_or("unknown work")?;
    let mut once = (work.prepare)();
    for _ in 0..times {
        once();
    }
    Ok(())
}

fn list() -> Result<(), Box<dyn std::error::Error>> {
    let mut stdout = io::stdout().lock();
    for work in works::ALL.iter().filter(|work| work.events > 0) {
        writeln!(stdout, "{} {}", work.name, work.events)?;
    }
    Ok(())
}
