//! Simulators in another process: asked over standard input, answering over standard output.
//!
//! Take one for a simulator that is not Rust (Python, MATLAB, C++ with a license manager), that may
//! crash or hang, or that runs elsewhere (`ssh there worker`). With a Python worker a round trip costs
//! 14 to 80 µs in JSON, most of it to wake a core that idles ([`Options::watch`] spares that: 8 to 22 µs), and a
//! rollout in lists of 64 costs 4 to 13 µs: little where a rollout takes a millisecond. It is the wrong
//! way for a simulator that is Rust and safe: [`Simulator`] in the same process costs nothing at all.
//! For several at once, start several, one for each thread.
//!
//! [`ExternalSimulator`] is the [`Simulator`], [`ExternalEnvironment`] the [`Environment`].
//! [`PYTHON_SHIM`] is the Python side, a file without dependencies: copy it from the crate's folder
//! `python`, or write it beside your simulator from here, and the worker is
//!
//! ```python
//! from plumbline_worker import serve
//!
//! def rollout(context, action, seed):
//!     return -abs(action[0] - context[0])
//!
//! serve(rollout, context=1, action=1)
//! ```
//!
//! Where the Python module `orjson` is installed, the shim reads and writes by it: in lists of 64 the
//! JSON of a rollout of 19 numbers, with a reward and 4 metrics for an answer, takes Python 1.4 µs
//! instead of 9.4. The lines and the bits are the same.
//!
//! [`serve`] is the same for a simulator in Rust.
//!
//! # The protocol
//!
//! **Lines of JSON**, UTF-8, one message each. The worker speaks first, within
//! [`Options::start_timeout`]; any line before that and not this is passed over:
//!
//! ```json
//! {"hello":"arm","proto":1,"context":4,"action":15,"metrics":["landing"],"deterministic":true,"batch":64,"encoding":"json"}
//! ```
//!
//! | field | | |
//! |---|---|---|
//! | `hello` | its name | |
//! | `proto` | 1 | |
//! | `context`, `action` | how many numbers each has | `context` may be 0 |
//! | `metrics` | names of what it measures besides the reward | none if left out |
//! | `deterministic` | whether context, action and seed determine the answer | `true` if left out |
//! | `batch` | the longest list of requests that it takes | 1 if left out: no lists |
//! | `encoding` | `"json"` or `"binary"`, from here on | `"json"` if left out |
//!
//! A request is an object; several, up to `batch`, are a list of objects in one line, and the next list
//! may come before the last is answered. `id` and `seed` are whole numbers below 2⁶⁴; all others are
//! 64-bit floats, written with as many digits as keep every bit. A worker must read and write them so
//! (Python does; of JSON readers not all do):
//!
//! ```json
//! {"id":7,"seed":3,"context":[2.5,0.0,-3.75,2.5],"action":[0.1,0.2]}
//! ```
//!
//! The answer repeats the id, and has the reward and the metrics in the order of the hello. Answers may
//! come in any order, alone or as lists. `null` (or `NaN`, which Python writes) is a NaN: as a reward it
//! is a failure, as a metric it means that there was nothing to measure. Or the rollout failed, and
//! `retry` (`true` if left out) tells whether it may succeed the next time:
//!
//! ```json
//! {"id":7,"reward":1.25,"metrics":[2.41]}
//! {"id":7,"error":"the arm broke","retry":false}
//! ```
//!
//! Flush what is written. Answers may be held back to be written at once, but not for as long as
//! [`Options::reply_timeout`], which limits the silence of a worker that has something to do. The end
//! of its input is the end of its work: a worker that then goes on is killed.
//!
//! **Binary**, for simulators of a few microseconds. After the hello, which is JSON always, each
//! message is its length in bytes (32 bits), then that many bytes, all little-endian. A request has one
//! record after another, each of an id and a seed (64 bits each), a context and an action (64-bit
//! floats). An answer is a message of its own: id and status (64 bits each), and if the status is 0,
//! reward and metrics (64-bit floats); if it is 1 (may be tried again) or 2 (need not), a text in
//! UTF-8. A stray print is a broken answer here.
//!
//! **Step by step**, in JSON only. The hello has `observation`, how many numbers one has, instead of
//! `context`, and instead of `action` it may have `actions`, how many there are, which are then whole
//! numbers from 0. Each request is answered before the next. `end` is `"terminated"` (the task is over),
//! `"truncated"` (the clock ran out) or `null`; an episode begins only when it is asked to:
//!
//! ```json
//! {"id":1,"reset":7}
//! {"id":1,"observation":[0.01,0.02,-0.03,0.04]}
//! {"id":2,"action":1}
//! {"id":2,"observation":[0.01,0.21,-0.03,-0.26],"reward":1.0,"end":null}
//! ```
//!
//! # When it fails
//!
//! Nothing here waits longer than [`Options`] say. Each rule is a setting, and each event is counted in
//! the [`Report`].
//!
//! - *A worker that ends, is silent for too long, or writes an answer that cannot be read* is killed and
//!   started again, with pauses that grow, at most [`Options::restarts`] times in 1,000 rollouts. Then
//!   there is [`Error::TooManyRestarts`]. At the first start there is no second try.
//! - *How long too long is* need not be known: [`Options::median_timeout`] gives up on what takes so many
//!   times as long as most.
//! - *A line that is no answer* (`[INFO] loaded`) is passed over. One that begins as an answer does,
//!   with `{` or `[{`, and cannot be read, counts as a broken answer.
//! - *A rollout that fails* (its answer says so, its reward is no number, or the worker fails at it) is
//!   tried again with the same seed. What was asked together with others when the worker failed is
//!   asked again alone first, so that a failure is laid on the rollout that caused it.
//! - *A rollout that fails again* failed by its action, as far as one can know, and
//!   [`Options::on_failure`] has the choice: an error that names it (the default) or a reward.
//!   [`ExternalSimulator::attempts`] hands it back, to be left out, and says why that is biased. A NaN
//!   is never taken for 0.
//! - *An answer to what was not asked, other lengths than announced, another hello after a restart*:
//!   a worker that breaks the protocol is an error at once.
//! - *Standard error* is read all the time, or the pipe would fill and the worker stop. Its end is part
//!   of the errors' texts.
//!
//! [`Environment`]: crate::Environment
//! [`Error::TooManyRestarts`]: crate::Error::TooManyRestarts
//! [`Simulator`]: crate::Simulator

mod environment;
mod hello;
mod keeper;
mod link;
mod rules;
mod serve;
mod simulator;
mod wire;
mod worker;

pub use environment::{EnvironmentAction, ExternalEnvironment};
pub use hello::Encoding;
pub use rules::{OnFailure, Options, Report};
pub use serve::serve;
pub use simulator::ExternalSimulator;

/// The Python side, `plumbline_worker.py`: a file to be put beside a simulator. Python 3.8 or newer and
/// its standard library.
///
/// # Examples
/// ```no_run
/// let folder = std::env::temp_dir();
/// std::fs::write(folder.join("plumbline_worker.py"), rl_pg::PYTHON_SHIM)?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub const PYTHON_SHIM: &str = include_str!("../../python/plumbline_worker.py");
