//! What the core costs an event, without a kernel: with `count WORK TIMES` it does one work that often and nothing else, so
//! that its instructions can be counted; with `works` it names the works, and how many events each is about; and else,
//! given the feature `time`, it tells how long each takes.

#[path = "../../tests/support/fake_backend.rs"]
mod fake_backend;
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
        _ => Err("it was built without the feature `time`".into()),
    }
}

fn count(name: &str, times: u32) -> Result<(), Box<dyn std::error::Error>> {
    let work = works::ALL.iter().find(|work| work.name == name).ok_or("there is no such work")?;
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
