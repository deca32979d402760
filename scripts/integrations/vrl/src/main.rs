//! Compiles the VRL program in a file, and runs it on each line of standard input, a JSON object. Prints the results.
use std::io::{BufRead, stdin};

use vrl::compiler::state::RuntimeState;
use vrl::compiler::{Context, TargetValue, TimeZone, compile};
use vrl::value::{Secrets, Value};

fn main() {
  let file = std::env::args().nth(1).expect("the first argument names a file");
  let source = std::fs::read_to_string(&file).expect("the file is readable");
  let compiled = match compile(&source, &vrl::stdlib::all()) {
    Ok(compiled) => compiled,
    Err(problems) => {
      eprintln!("{}", vrl::diagnostic::Formatter::new(&source, problems));
      std::process::exit(1);
    }
  };
  let zone = TimeZone::default();
  for line in stdin().lock().lines() {
    let line = line.expect("standard input is UTF-8");
    let value: serde_json::Value = serde_json::from_str(&line).expect("each line is JSON");
    let mut target =
      TargetValue { value: Value::from(value), metadata: Value::Object(Default::default()), secrets: Secrets::default() };
    let mut state = RuntimeState::default();
    let mut context = Context::new(&mut target, &mut state, &zone);
    if let Err(error) = compiled.program.resolve(&mut context) {
      eprintln!("{line}: {error}");
      std::process::exit(1);
    }
    println!("{}", serde_json::to_string(&target.value).expect("the result is JSON"));
  }
}
