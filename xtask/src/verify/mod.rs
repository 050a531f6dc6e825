//! `cargo xtask verify`: every claim against a number, next to the usual wrong method.

pub mod check;
pub mod checks;
pub mod outcome;
pub mod plot;
pub mod report;
pub mod runner;

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::Write;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use self::check::{BoxError, Check};
use self::outcome::Verdict;
use self::report::text::{self, Color};
use self::runner::{Event, Plan};

/// The seed of a run that names none: fixed, so that two machines can compare their numbers.
pub const DEFAULT_SEED: u64 = 2026;

/// How long a check may run before a line says that it still does.
const PATIENCE: Duration = Duration::from_secs(30);

/// What `cargo xtask verify` was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Substrings of ids, or whole ids; none means every check.
    pub filters: Vec<String>,
    /// Whether to run the checks or only to name them.
    pub mode: Mode,
    /// The seed of every check.
    pub seed: u64,
    /// Where the JSON goes, `-` for standard output.
    pub json: Option<PathBuf>,
    /// The folder of the page.
    pub report: PathBuf,
    /// The folder of the examples of `ranks`, built with its feature `mpi`, whose checks are then asked too.
    pub mpi: Option<PathBuf>,
    /// Threads, for the checks and for what they run in parallel.
    pub jobs: NonZero<usize>,
}

/// Whether to run the checks or only to name them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Run them.
    Run,
    /// Name them.
    List,
}

impl Default for Request {
    /// Every check, the fixed seed, a thread per core, the page in `target/verify`.
    fn default() -> Self {
        let target = std::env::var_os("CARGO_TARGET_DIR")
            .map_or_else(|| crate::workspace_root().join("target"), PathBuf::from);
        Self {
            filters: Vec::new(),
            mode: Mode::Run,
            seed: DEFAULT_SEED,
            json: None,
            report: target.join("verify"),
            mpi: None,
            jobs: thread::available_parallelism().unwrap_or(NonZero::<usize>::MIN),
        }
    }
}

impl Request {
    /// Reads the arguments after `verify`; `None` when they ask for help.
    ///
    /// # Errors
    /// An unknown option, one without its value, or a value that is no number where one is due.
    pub fn parse(mut arguments: lexopt::Parser) -> Result<Option<Self>, lexopt::Error> {
        use lexopt::prelude::{Long, Short, Value, ValueExt};
        let mut request = Self::default();
        while let Some(argument) = arguments.next()? {
            match argument {
                Short('h') | Long("help") => return Ok(None),
                Long("list") => request.mode = Mode::List,
                Long("seed") => {
                    request.seed = number("--seed", arguments.value()?)?;
                }
                Long("jobs") => request.jobs = number("--jobs", arguments.value()?)?,
                Long("json") => request.json = Some(arguments.value()?.into()),
                Long("mpi") => request.mpi = Some(arguments.value()?.into()),
                Long("report") => request.report = arguments.value()?.into(),
                Value(filter) => request.filters.push(filter.string()?),
                other => return Err(other.unexpected()),
            }
        }
        Ok(Some(request))
    }

    /// Every check that can be asked, those over MPI too where there are programs for them.
    #[must_use]
    pub fn checks(&self) -> Vec<Check> {
        let mut checks = checks::all();
        if let Some(programs) = &self.mpi {
            // One request is all that a program has.
            let _ = checks::PROGRAMS.set(programs.clone());
            checks.extend(checks::over_mpi());
        }
        checks
    }

    /// Whether standard output is kept for the JSON.
    #[must_use]
    pub fn json_to_stdout(&self) -> bool {
        self.json.as_deref() == Some(Path::new("-"))
    }

    /// The checks that the filters name, in their own order.
    #[must_use]
    pub fn select(&self, checks: &[Check]) -> Vec<Check> {
        let named = |id: &str| {
            self.filters.is_empty()
                || self.filters.iter().any(|filter| {
                    // A whole id means that check alone, though others may contain it.
                    let whole = checks.iter().any(|check| check.id == filter);
                    if whole { id == filter } else { id.contains(filter.as_str()) }
                })
        };
        checks.iter().filter(|check| named(check.id)).copied().collect()
    }
}

fn number<T: std::str::FromStr<Err: std::fmt::Display>>(
    option: &str,
    value: OsString,
) -> Result<T, lexopt::Error> {
    let text = value.to_string_lossy();
    text.parse().map_err(|error| format!("{option} {text}: {error}").into())
}

/// Runs what was asked for. Returns 0 when every check passed and 1 when one did not.
///
/// People read `out`, or `err` when `out` is kept for the JSON.
///
/// # Errors
/// Nothing matched the filters, or a file could not be written; no check has run when it is already
/// plain at the start that it cannot.
pub fn run(
    request: &Request,
    checks: &[Check],
    out: &mut dyn Write,
    err: &mut dyn Write,
    color: Color,
) -> Result<u8, BoxError> {
    let selected = request.select(checks);
    if checks.is_empty() {
        return Err("there is no check to run".into());
    }
    if selected.is_empty() {
        return Err(format!(
            "no check's id contains {}; `cargo xtask verify --list` has them all",
            request.filters.join(" or ")
        )
        .into());
    }
    if request.mode == Mode::List {
        out.write_all(text::list(&selected).as_bytes())?;
        return Ok(0);
    }
    let page = request.report.join("index.html");
    fs::create_dir_all(&request.report).map_err(|error| at(&request.report, error))?;
    let mut page_file = File::create(&page).map_err(|error| at(&page, error))?;
    let mut json_file = match &request.json {
        Some(path) if !request.json_to_stdout() => {
            Some(File::create(path).map_err(|error| at(path, error))?)
        }
        _ => None,
    };

    let human: &mut dyn Write = if request.json_to_stdout() { err } else { &mut *out };
    // A reader that has gone, as in `| head`, takes nothing from the run and its report.
    let mut say = |text: String| drop(human.write_all(text.as_bytes()));
    let jobs = request.jobs.get();
    // What the crates run in parallel shares one pool. A pool that already stands keeps its size.
    let _ = rayon::ThreadPoolBuilder::new().num_threads(jobs).build_global();
    let plan = Plan { seed: request.seed, jobs, patience: PATIENCE };
    let width = selected.iter().map(|check| check.id.len()).max().unwrap_or(0);
    say(text::opening(selected.len(), &plan));
    let outcomes = runner::run(&selected, &plan, |event| match event {
        Event::Finished(outcome) => say(text::live(outcome, width, color)),
        Event::StillRunning(check, elapsed) => say(text::still_running(check, elapsed)),
    });

    say(text::table(&outcomes, width, color));
    say(text::failures(&outcomes, request.seed, color));
    let json = report::json::document(&outcomes, request.seed);
    if let Some(file) = &mut json_file {
        file.write_all(json.as_bytes())?;
    }
    page_file
        .write_all(report::page::page(&outcomes, request.seed).as_bytes())
        .map_err(|error| at(&page, error))?;
    let asked = report::page::asked(&outcomes);
    if !asked.is_empty() {
        let picture = request.report.join("questions.svg");
        fs::write(&picture, report::overview::picture(&asked))
            .map_err(|error| at(&picture, error))?;
    }
    say(format!("report {}\n", from_here(&page).display()));
    say(text::summary(&outcomes, request.seed, color));
    if request.json_to_stdout() {
        out.write_all(json.as_bytes())?;
    }
    Ok(u8::from(outcomes.iter().any(|outcome| outcome.verdict != Verdict::Pass)))
}

fn at(path: &Path, error: std::io::Error) -> String {
    format!("{} cannot be written: {error}", path.display())
}

/// The path as a person in the current folder would type it.
fn from_here(path: &Path) -> &Path {
    let here = std::env::current_dir().unwrap_or_default();
    path.strip_prefix(&here).unwrap_or(path)
}
