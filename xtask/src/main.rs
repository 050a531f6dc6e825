//! `cargo xtask`: the first argument names the task, which reads the rest.

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use xtask::verify::check::BoxError;
use xtask::verify::report::text::Color;
use xtask::{USAGE, bench, tidy, verify};

fn main() -> ExitCode {
    match dispatch(lexopt::Parser::from_env()) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            // With standard error gone there is nobody left to tell.
            let _ = writeln!(io::stderr(), "error: {error}; `cargo xtask help` has the usage");
            ExitCode::from(2)
        }
    }
}

/// Runs the named task: 0 when all of it holds, 1 when something does not. An error is what could
/// not be asked.
fn dispatch(mut arguments: lexopt::Parser) -> Result<u8, BoxError> {
    use lexopt::prelude::{Long, Short, Value, ValueExt};
    let (mut out, mut err) = (io::stdout(), io::stderr());
    let task = match arguments.next()? {
        None | Some(Short('h') | Long("help")) => "help".into(),
        Some(Value(task)) => task,
        Some(other) => return Err(other.unexpected().into()),
    };
    match task.to_str() {
        Some("verify") => match verify::Request::parse(arguments)? {
            Some(request) => {
                let color = color(if request.json_to_stdout() {
                    err.is_terminal()
                } else {
                    out.is_terminal()
                });
                verify::run(&request, &request.checks(), &mut out, &mut err, color)
            }
            None => Ok(help(&mut out)),
        },
        Some("tidy") => no_more(arguments).and_then(|()| tidy::run(&mut out)),
        Some("bench") => match bench::Request::parse(arguments)? {
            Some(request) => bench::run(&request, &mut out, &mut err),
            None => Ok(help(&mut out)),
        },
        Some("help") => Ok(help(&mut out)),
        // Not for people: the checks of simulators in other processes run this program as one.
        Some(verify::checks::WORKER) => {
            let encoding = arguments.value()?.string()?;
            let folder = arguments.next()?.map(|folder| match folder {
                Value(folder) => Ok(folder.into()),
                other => Err(other.unexpected()),
            });
            verify::checks::worker(&encoding, folder.transpose()?)?;
            Ok(0)
        }
        _ => Err(format!("there is no task {}", task.display()).into()),
    }
}

fn help(out: &mut dyn Write) -> u8 {
    // A reader that has gone, as in `| head -1`, has read enough.
    let _ = out.write_all(USAGE.as_bytes());
    0
}

fn no_more(mut arguments: lexopt::Parser) -> Result<(), BoxError> {
    match arguments.next()? {
        Some(argument) => Err(argument.unexpected().into()),
        None => Ok(()),
    }
}

/// Color for a terminal whose owner has not set `NO_COLOR` (<https://no-color.org>).
fn color(terminal: bool) -> Color {
    let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    if terminal && !dumb && !set("NO_COLOR") { Color::Always } else { Color::Never }
}
