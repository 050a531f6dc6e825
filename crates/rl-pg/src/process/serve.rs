//! The other side: a simulator written in Rust as a worker.

use std::io::{self, BufRead, Read, Write};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::hello::{Encoding, PROTOCOL};
use crate::{Outcome, Simulator};

/// The longest list that a served simulator is given.
const BATCH: usize = 64;

/// How long an answer may wait for those that follow.
const HELD: Duration = Duration::from_millis(100);

/// Serves a simulator as a worker, until the input ends.
///
/// What a process does that its own thread does not: it may crash, and it may run elsewhere, by
/// `Command::new("ssh").args(["there", "worker"])`. Rewards are the same to the bit. An error of the
/// simulator is answered as the failure of that rollout, to be tried again. What it prints to standard
/// output is a stray line there; standard error is free.
///
/// # Errors
/// Where input or output fail, or a request cannot be read.
///
/// # Examples
/// ```
/// use rl_pg::process::{Encoding, serve};
/// use rl_pg::{Outcome, Result, Simulator};
///
/// struct Square;
/// impl Simulator for Square {
///     fn context_length(&self) -> usize { 0 }
///     fn action_length(&self) -> usize { 1 }
///     fn rollout(&mut self, _: &[f64], action: &[f64], _: u64) -> Result<Outcome> {
///         Ok(Outcome { reward: -action[0] * action[0], metrics: Vec::new() })
///     }
/// }
///
/// // A worker's `main` gives std::io::stdin().lock() and std::io::stdout().lock().
/// let requests = br#"{"id":1,"seed":0,"context":[],"action":[0.5]}"#;
/// let mut answers = Vec::new();
/// serve(&mut Square, "square", Encoding::Json, &requests[..], &mut answers)?;
/// let answers = String::from_utf8_lossy(&answers);
/// assert_eq!(answers.lines().last(), Some(r#"{"id":1,"metrics":[],"reward":-0.25}"#));
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn serve(
    simulator: &mut impl Simulator,
    name: &str,
    encoding: Encoding,
    mut input: impl BufRead,
    mut output: impl Write,
) -> io::Result<()> {
    let hello = json!({
        "hello": name,
        "proto": PROTOCOL,
        "context": simulator.context_length(),
        "action": simulator.action_length(),
        "metrics": simulator.metrics(),
        "deterministic": true,
        "batch": BATCH,
        "encoding": match encoding { Encoding::Json => "json", Encoding::Binary => "binary" },
    });
    writeln!(output, "{hello}")?;
    output.flush()?;
    let mut answers = Answers { output, held: Vec::new(), since: Instant::now() };
    match encoding {
        Encoding::Json => {
            let mut line = String::new();
            while input.read_line(&mut line)? > 0 {
                let requests = match serde_json::from_str(&line)? {
                    Value::Array(list) => list,
                    request => vec![request],
                };
                answers.since = Instant::now();
                for request in &requests {
                    serde_json::to_writer(&mut answers.held, &json_answer(simulator, request))?;
                    answers.held.push(b'\n');
                    answers.send_after(HELD)?;
                }
                answers.send_after(Duration::ZERO)?;
                line.clear();
            }
        }
        Encoding::Binary => {
            let (mut length, mut frame) = ([0; 4], Vec::new());
            let record = 16 + 8 * (simulator.context_length() + simulator.action_length());
            while input.read_exact(&mut length).is_ok() {
                let length = u64::from(u32::from_le_bytes(length));
                frame.clear();
                // No more is allocated than comes, whatever is announced.
                if input.by_ref().take(length).read_to_end(&mut frame)? as u64 != length {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                if frame.len() % record != 0 {
                    let message =
                        format!("a frame has {length} bytes, expected a multiple of {record}");
                    return Err(io::Error::new(io::ErrorKind::InvalidData, message));
                }
                answers.since = Instant::now();
                for request in frame.chunks(record) {
                    binary_answer(simulator, request, &mut answers.held);
                    answers.send_after(HELD)?;
                }
                answers.send_after(Duration::ZERO)?;
            }
        }
    }
    Ok(())
}

/// Answers to a list: of a fast simulator they are written at once, a slow one is heard after each.
struct Answers<W> {
    output: W,
    held: Vec<u8>,
    since: Instant,
}

impl<W: Write> Answers<W> {
    /// Writes what is held, if it is held for so long.
    fn send_after(&mut self, held: Duration) -> io::Result<()> {
        if self.since.elapsed() >= held {
            self.output.write_all(&self.held)?;
            self.output.flush()?;
            self.held.clear();
            self.since = Instant::now();
        }
        Ok(())
    }
}

fn json_answer(simulator: &mut impl Simulator, request: &Value) -> Value {
    let numbers = |field: &str| -> Option<Vec<f64>> {
        request[field].as_array()?.iter().map(Value::as_f64).collect()
    };
    let read = || Some((numbers("context")?, numbers("action")?, request["seed"].as_u64()?));
    let Some((context, action, seed)) = read() else {
        return json!({ "id": request["id"], "error": "the request cannot be read" });
    };
    match rollout(simulator, &context, &action, seed) {
        Ok(Outcome { reward, metrics }) => {
            json!({ "id": request["id"], "reward": reward, "metrics": metrics })
        }
        Err(error) => json!({ "id": request["id"], "error": error }),
    }
}

/// A rollout of as many numbers as the simulator said that it takes, which need not have come; or what is wrong.
fn rollout(
    simulator: &mut impl Simulator,
    context: &[f64],
    action: &[f64],
    seed: u64,
) -> Result<Outcome, String> {
    let lengths = [simulator.context_length(), simulator.action_length()];
    for (argument, given, expected) in
        [("context", context, lengths[0]), ("action", action, lengths[1])]
    {
        if given.len() != expected {
            return Err(format!("{argument} has {} numbers, expected {expected}", given.len()));
        }
    }
    simulator.rollout(context, action, seed).map_err(|error| error.to_string())
}

fn binary_answer(simulator: &mut impl Simulator, request: &[u8], answers: &mut Vec<u8>) {
    let words: Vec<[u8; 8]> = request.as_chunks().0.to_vec();
    let numbers: Vec<f64> = words.iter().skip(2).map(|&bytes| f64::from_le_bytes(bytes)).collect();
    let [id, seed, ..] = words[..] else { return };
    let (context, action) = numbers.split_at(simulator.context_length().min(numbers.len()));
    let (status, body): (u64, Vec<u8>) =
        match rollout(simulator, context, action, u64::from_le_bytes(seed)) {
            Ok(Outcome { reward, metrics }) => {
                let numbers = [reward].into_iter().chain(metrics);
                (0, numbers.flat_map(f64::to_le_bytes).collect())
            }
            Err(error) => (1, error.into_bytes()),
        };
    let length = u32::try_from(16 + body.len()).unwrap_or(u32::MAX);
    answers.extend(length.to_le_bytes());
    answers.extend(id);
    answers.extend(status.to_le_bytes());
    answers.extend(body);
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Square;

    impl Simulator for Square {
        fn context_length(&self) -> usize {
            0
        }

        fn action_length(&self) -> usize {
            1
        }

        fn rollout(&mut self, _: &[f64], action: &[f64], _: u64) -> crate::Result<Outcome> {
            Ok(Outcome { reward: -action[0] * action[0], metrics: Vec::new() })
        }
    }

    #[test]
    fn a_request_of_other_lengths_does_not_reach_the_simulator() {
        let mut answers = Vec::new();
        let requests = br#"{"id":1,"seed":0,"context":[],"action":[]}"#;
        serve(&mut Square, "square", Encoding::Json, &requests[..], &mut answers).unwrap();
        let answers = String::from_utf8(answers).unwrap();
        let expected = r#"{"error":"action has 0 numbers, expected 1","id":1}"#;
        assert_eq!(answers.lines().last(), Some(expected));
        // A frame that is no whole number of requests cannot be told apart.
        for length in [8_u8, 16, 32, 40] {
            let frame = [&[length, 0, 0, 0][..], &vec![0; length.into()]].concat();
            let found = serve(&mut Square, "square", Encoding::Binary, &frame[..], io::sink());
            let expected = format!("a frame has {length} bytes, expected a multiple of 24");
            assert_eq!(found.unwrap_err().to_string(), expected);
        }
    }
}
