//! `cargo xtask bench`: ours beside its peers, and how cost grows with size.
//!
//! What is measured is kept line by line in `target/bench/kept.jsonl`, so that a run that was stopped goes on where it
//! was; everything kept is shown at the end and written to `ratios.json`, `growth.json` and `growth.html` beside it.

pub mod growth;
pub mod kept;
mod peers;
mod program;
pub mod table;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use self::kept::Kept;
use crate::verify::check::BoxError;

/// A quick run ends within ten minutes: after these it begins no line.
const QUICK: Duration = Duration::from_secs(9 * 60);

/// What `cargo xtask bench` was asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// Substrings of ids, or whole ids; none means every line.
    pub filters: Vec<String>,
    /// What is to be measured; nothing means that what is kept is shown.
    pub parts: Vec<Part>,
    /// How much of it.
    pub extent: Extent,
    /// Whether what is kept counts.
    pub start: Start,
    /// Numbers of threads, one run over the peers for each.
    pub threads: Vec<usize>,
    /// Where built workers lie; without it they are built.
    pub workers: Option<PathBuf>,
    /// A Python that has the peers; without it an environment is made.
    pub python: Option<PathBuf>,
    /// After how long no further line begins.
    pub time: Option<Duration>,
    /// Where results are kept.
    pub folder: PathBuf,
}

/// A part of what can be measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Ours beside its peers.
    Peers,
    /// Time and memory over three decades of size.
    Growth,
}

/// How much is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// Every line, seven rounds.
    Full,
    /// The lines that have a goal and are not slow, three rounds.
    Quick,
}

/// Whether what is kept counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// Lines that are kept are not measured again.
    Resume,
    /// What the filters name is forgotten first.
    Fresh,
}

impl Default for Request {
    /// Shows what is kept in `target/bench`; one thread and, where there are two cores, two.
    fn default() -> Self {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        Self {
            filters: Vec::new(),
            parts: Vec::new(),
            extent: Extent::Full,
            start: Start::Resume,
            threads: (1..=cores.min(2)).collect(),
            workers: None,
            python: None,
            time: None,
            folder: target().join("bench"),
        }
    }
}

impl Request {
    /// Reads the arguments after `bench`; `None` when they ask for help.
    ///
    /// # Errors
    /// An unknown option, one without its value, or a value that is no number where one is due.
    pub fn parse(mut arguments: lexopt::Parser) -> Result<Option<Self>, lexopt::Error> {
        use lexopt::prelude::{Long, Short, Value, ValueExt};
        let mut request = Self::default();
        while let Some(argument) = arguments.next()? {
            match argument {
                Short('h') | Long("help") => return Ok(None),
                Long("peers") => request.parts.push(Part::Peers),
                Long("growth") => request.parts.push(Part::Growth),
                Long("quick") => request.extent = Extent::Quick,
                Long("fresh") => request.start = Start::Fresh,
                Long("threads") => {
                    let threads: std::num::NonZero<usize> = arguments.value()?.parse()?;
                    request.threads = vec![threads.get()];
                }
                Long("workers") => request.workers = Some(arguments.value()?.into()),
                Long("results") => request.folder = arguments.value()?.into(),
                Long("python") => request.python = Some(arguments.value()?.into()),
                Long("minutes") => {
                    let minutes: f64 = arguments.value()?.parse()?;
                    let seconds = Duration::try_from_secs_f64(60.0 * minutes);
                    request.time = Some(seconds.map_err(|e| format!("--minutes {minutes}: {e}"))?);
                }
                Value(filter) => request.filters.push(filter.string()?),
                other => return Err(other.unexpected()),
            }
        }
        if request.extent == Extent::Quick {
            request.time = request.time.or(Some(QUICK));
        }
        Ok(Some(request))
    }

    /// Which of `ids` the filters name: a whole id means that one alone, though others may contain it.
    #[must_use]
    pub fn select<'a>(&self, ids: &[&'a str]) -> Vec<&'a str> {
        let named = |id: &str| {
            self.filters.is_empty()
                || self.filters.iter().any(|filter| {
                    let whole = ids.contains(&filter.as_str());
                    if whole { id == filter } else { id.contains(filter.as_str()) }
                })
        };
        ids.iter().copied().filter(|id| named(id)).collect()
    }
}

/// Where things are, and until when to begin lines.
struct Place<'a> {
    root: PathBuf,
    folder: &'a Path,
    workers: Option<&'a Path>,
    end: Option<Instant>,
}

impl Place<'_> {
    fn time_is_up(&self) -> bool {
        self.end.is_some_and(|end| Instant::now() >= end)
    }
}

/// Measures what was asked for and shows everything that is kept. Returns 0, or 1 when a line that is shown ended in an
/// error or in another answer than its peer's. A goal that is missed is shown and is no failure: times are a machine's.
///
/// # Errors
/// Nothing matched the filters, our workers could not be built, no Python could be run, or a file could not be written.
pub fn run(request: &Request, out: &mut dyn Write, err: &mut dyn Write) -> Result<u8, BoxError> {
    let place = Place {
        root: root(),
        folder: &request.folder,
        workers: request.workers.as_deref(),
        end: request.time.map(|time| Instant::now() + time),
    };
    fs::create_dir_all(place.folder).map_err(|error| at(place.folder, error))?;
    let file = place.folder.join("kept.jsonl");
    let mut kept = Kept::open(&file).map_err(|error| at(&file, error))?;
    let mut ids: Vec<String> = Vec::new();
    for part in &request.parts {
        ids.extend(match part {
            Part::Peers => peers::run(request, &place, &mut kept, err)?,
            Part::Growth => growth::run(request, &place, &mut kept, err)?,
        });
    }
    if !request.parts.is_empty() && ids.is_empty() {
        return Err(format!("no line's id contains {}", request.filters.join(" or ")).into());
    }
    let known = kept.ids();
    let shown = match request.parts[..] {
        [] => request.select(&known),
        _ => ids.iter().map(String::as_str).collect(),
    };
    out.write_all(table::peers(&kept, &shown).as_bytes())?;
    out.write_all(table::growth(&kept, &shown).as_bytes())?;
    let write = |name: &str, text: String| {
        let path = place.folder.join(name);
        fs::write(&path, text).map_err(|error| at(&path, error))
    };
    write("ratios.json", table::ratios(&kept))?;
    write("growth.json", growth::document(&kept))?;
    write("growth.html", growth::page(&kept))?;
    Ok(u8::from(kept.wrong(&shown)))
}

fn at(path: &Path, error: std::io::Error) -> String {
    format!("{}: {error}", path.display())
}

/// Where cargo builds.
fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}

/// The workspace that is here, for a program that was built elsewhere, or the one that it was built in.
fn root() -> PathBuf {
    let here = std::env::current_dir().unwrap_or_default();
    let up = here.ancestors().find(|folder| folder.join("benches/peers/compare.py").exists());
    up.unwrap_or(crate::workspace_root()).to_path_buf()
}
