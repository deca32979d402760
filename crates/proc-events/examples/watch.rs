//! Prints every exec and exit until it is interrupted: `cargo run --example watch`.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "it is a program")]

use std::sync::mpsc::channel;

use proc_events::{EventKind, Field, Fields, Interest, Kinds, Notice, Options, Subscription};

fn main() {
    let (bell, rung) = channel();
    let interest = Interest { kinds: Kinds::LIFE, fields: Fields::NONE.with(Field::Name) };
    let doorbell = Box::new(move || bell.send(()).unwrap_or_default());
    let subscription = Subscription::new(Options::default(), 0, interest, doorbell);
    subscription.scan(0);
    let mut notices = Vec::new();
    while rung.recv().is_ok() {
        loop {
            subscription.take(1024, &mut notices);
            if notices.is_empty() {
                break;
            }
            for notice in notices.drain(..) {
                match notice {
                    Notice::Event(event) | Notice::Found { event, .. } => {
                        let name = event.process.as_ref().and_then(|process| process.name.as_deref());
                        let what = match event.kind {
                            EventKind::Exit { status: Some(status), .. } => {
                                format!("exit code {:?} signal {:?}", status.code(), status.signal())
                            }
                            kind => format!("{:?}", kind.event_type()).to_lowercase(),
                        };
                        println!("{:>9} {what} {}", event.pid, name.unwrap_or("-"));
                    }
                    Notice::Failed(error) => return eprintln!("{error}"),
                    Notice::Loss(loss) => eprintln!("{} events were lost", loss.lost),
                    _ => {}
                }
            }
        }
    }
}
