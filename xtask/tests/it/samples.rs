//! Checks that pass, fail and break on purpose, and pictures that are hard to draw.

use std::thread;
use std::time::Duration;

use rand::RngExt;
use xtask::verify::check::{BoxError, Check, Context, Control, Evidence};
use xtask::verify::outcome::Outcome;
use xtask::verify::plot::{Axis, Mark, Plot, Scale, Series};
use xtask::verify::runner::{self, Plan};

type Run = fn(&Context) -> Result<Evidence, BoxError>;

pub(crate) const PASS: Check = check("quad/pass", |_| Ok(evidence(1e-16, 1e-13, 0.5)));
pub(crate) const FAIL: Check = check("quad/fail", |_| Ok(evidence(2e-13, 1e-13, 0.5)));
pub(crate) const CONTROL_HOLDS: Check =
    check("quad/control-holds", |_| Ok(evidence(1e-16, 1e-13, 1e-14)));
pub(crate) const NAN: Check = check("quad/nan", |_| Ok(evidence(f64::NAN, 1e-13, 0.5)));
pub(crate) const CONTROL_NAN: Check =
    check("quad/control-nan", |_| Ok(evidence(1e-16, 1e-13, f64::NAN)));
pub(crate) const CONTROL_INFINITE: Check =
    check("quad/control-infinite", |_| Ok(evidence(1e-16, 1e-13, f64::INFINITY)));
pub(crate) const ERROR: Check = check("dsp/error", |context| {
    std::fs::read(context.data("dsp", "no-such-file"))
        .map(|_| evidence(0.0, 1.0, 2.0))
        .map_err(|_| "no-such-file cannot be read".into())
});
pub(crate) const PANIC: Check = check("dsp/panic", |_| panic!("sample {} is odd", 3));
pub(crate) const PANIC_ELSEWHERE: Check = check("dsp/panic-elsewhere", |_| {
    rayon::join(|| (), || panic!("on a thread of the pool"));
    Ok(evidence(0.0, 1.0, 2.0))
});
pub(crate) const RANDOM: Check = check("rl-pg/random", |context| {
    let mut rng = context.rng();
    Ok(evidence(rng.random::<f64>() * 1e-3, 1e-2, 1.0 + rng.random::<f64>()))
});
pub(crate) const SLOW: Check = check("rl-pg/slow", |_| {
    thread::sleep(Duration::from_millis(200));
    Ok(evidence(0.0, 0.0, 1.0))
});

/// Every kind of outcome, the slow one early so that it ends out of order.
pub(crate) const EVERY_KIND: [Check; 11] = [
    SLOW,
    PASS,
    FAIL,
    CONTROL_HOLDS,
    NAN,
    CONTROL_NAN,
    CONTROL_INFINITE,
    ERROR,
    PANIC,
    PANIC_ELSEWHERE,
    RANDOM,
];

pub(crate) const fn check(id: &'static str, run: Run) -> Check {
    Check { id, question: Some(8), claim: "Two <unequal> numbers are & stay apart.", run }
}

pub(crate) fn evidence(measured: f64, limit: f64, control: f64) -> Evidence {
    Evidence {
        measured,
        limit,
        reason: "n·eps, where n < 500",
        control: Control { what: "the <trapezoid> rule", measured: control },
        plots: pictures(),
        notes: vec!["Noted \"here\".".to_owned()],
    }
}

pub(crate) fn run_all(checks: &[Check], seed: u64, jobs: usize) -> Vec<Outcome> {
    let plan = Plan { seed, jobs, patience: Duration::from_secs(60) };
    runner::run(checks, &plan, |_| ())
}

/// An ordinary picture on each kind of axis, and data that break a careless writer.
pub(crate) fn pictures() -> Vec<Plot> {
    let wave = (0..5000).map(|k| (f64::from(k), (f64::from(k) / 40.0).sin()));
    let wave: Vec<_> = wave
        .map(|(x, y)| if (2000.0..2200.0).contains(&x) { (x, f64::NAN) } else { (x, y) })
        .collect();
    let error: Vec<_> = (1..60).map(|n| (f64::from(n), 10_f64.powi(-n / 4))).collect();
    let one = |points: Vec<(f64, f64)>| vec![series("p <q>", Mark::Line, points)];
    let mut plots = vec![
        plot(
            "a wave with a gap",
            Scale::Linear,
            Scale::Linear,
            vec![
                series("signal", Mark::Line, wave),
                series(
                    "peaks",
                    Mark::Dots,
                    (0..20).map(|k| (62.8 + 251.3 * f64::from(k), 1.0)).collect(),
                ),
            ],
        ),
        plot(
            "error <against> n",
            Scale::Log,
            Scale::Log,
            vec![
                series("Gauss", Mark::Dots, error.clone()),
                series(
                    "trapezoid",
                    Mark::Line,
                    error.iter().map(|&(n, _)| (n, n.powi(-2))).collect(),
                ),
                series("limit", Mark::Dashed, vec![(1.0, 1e-13), (59.0, 1e-13)]),
            ],
        ),
    ];
    for (title, points) in [
        ("nothing", vec![]),
        ("one point", vec![(3.0, 2.0)]),
        ("all equal", vec![(1.0, 1.0); 5]),
        ("nothing finite", vec![(f64::NAN, 1.0), (1.0, f64::INFINITY)]),
        ("zero and negative", vec![(0.0, -1.0), (-2.0, 0.0), (3.0, 1e-300)]),
        ("the whole range", vec![(f64::MIN, f64::MIN), (f64::MAX, f64::MAX), (5e-324, 5e-324)]),
    ] {
        plots.push(plot(title, Scale::Linear, Scale::Linear, one(points.clone())));
        plots.push(plot(title, Scale::Log, Scale::Log, one(points)));
    }
    plots.push(plot("no series", Scale::Linear, Scale::Log, vec![]));
    plots
}

fn plot(title: &'static str, x: Scale, y: Scale, series: Vec<Series>) -> Plot {
    let (x, y) =
        (Axis { label: "n (\"count\")", scale: x }, Axis { label: "|y - ŷ| < 1", scale: y });
    Plot { title, x, y, series }
}

fn series(label: &str, mark: Mark, points: Vec<(f64, f64)>) -> Series {
    Series { label: label.to_owned(), mark, points }
}
