//! Prints every exec and exit until interrupted: `cargo run --example watch`.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "an example prints")]

use std::sync::mpsc::channel;

use proc_events::{EventData, EventTypes, Field, Fields, Interest, Notification, Options, Subscription};

fn main() {
    let (wake, woken) = channel();
    let interest =
        Interest { types: EventTypes::LIFECYCLE, fields: Fields::NONE.with(Field::Name), recapture: false };
    let waker = Box::new(move || wake.send(()).unwrap_or_default());
    let subscription = Subscription::new(Options::default(), 0, interest, waker);
    subscription.scan(0);
    let mut notifications = Vec::new();
    while woken.recv().is_ok() {
        loop {
            subscription.take(1024, &mut notifications);
            if notifications.is_empty() {
                break;
            }
            for notification in notifications.drain(..) {
                match notification {
                    Notification::Event(event) | Notification::ScanEvent { event, .. } => {
                        let name = event.process.as_ref().and_then(|process| process.name.as_deref());
                        let description = match event.data {
                            EventData::Exit { status: Some(status), .. } => {
                                format!("exit code {:?} signal {:?}", status.code(), status.signal())
                            }
                            data => format!("{:?}", data.event_type()).to_lowercase(),
                        };
                        println!("{:>9} {description} {}", event.pid, name.unwrap_or("-"));
                    }
                    Notification::Failed(error) => return eprintln!("{error}"),
                    Notification::Loss(loss) => eprintln!("lost {} events", loss.lost),
                    _ => {}
                }
            }
        }
    }
}
