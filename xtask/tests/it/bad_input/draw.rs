//! Arguments, of which one is spoilt.

use std::cell::{Cell, RefCell};
use std::fmt::Debug;
use std::sync::{Arc, Mutex};

use linalg::{Complex, DMatrix, DVector};

/// Gives a row its arguments.
pub(super) struct Input {
    /// Which argument is spoilt, and in which way; none where `turn` is beyond the last.
    turn: usize,
    fault: usize,
    drawn: Cell<usize>,
    spent: Cell<bool>,
    spoilt: RefCell<String>,
    note: Arc<Mutex<String>>,
}

impl Input {
    pub(super) fn good() -> Self {
        Self::bad(usize::MAX, 0, Arc::default())
    }

    pub(super) fn bad(turn: usize, fault: usize, note: Arc<Mutex<String>>) -> Self {
        let (drawn, spent, spoilt) = (Cell::default(), Cell::default(), RefCell::default());
        Self { turn, fault, drawn, spent, spoilt, note }
    }

    /// How many arguments were drawn.
    pub(super) fn drawn(&self) -> usize {
        self.drawn.get()
    }

    /// Whether its argument was not drawn, or cannot be spoilt in so many ways.
    pub(super) fn is_spent(&self) -> bool {
        self.spent.get() || self.drawn.get() <= self.turn
    }

    /// What it became.
    pub(super) fn spoilt(&self) -> String {
        self.spoilt.borrow().clone()
    }

    /// `good`, or when it is its turn the bad one that is asked for.
    pub(super) fn pick<T: Debug>(&self, good: T, bad: Vec<T>) -> T {
        let turn = self.drawn.replace(self.drawn.get() + 1);
        if turn != self.turn {
            return good;
        }
        let Some(bad) = bad.into_iter().nth(self.fault) else {
            self.spent.set(true);
            return good;
        };
        let text: String = format!("{bad:?}").chars().take(20_000).collect();
        if let Ok(mut note) = self.note.lock() {
            note.clone_from(&text);
        }
        self.spoilt.replace(text);
        bad
    }

    /// What is bad, where it is this argument's turn; what is empty already cannot be spoilt.
    fn due<T>(&self, empty: bool, bad: impl FnOnce() -> Vec<T>) -> Vec<T> {
        if empty || self.drawn.get() != self.turn { Vec::new() } else { bad() }
    }

    pub(super) fn number(&self, good: f64) -> f64 {
        self.pick(good, NUMBERS.to_vec())
    }

    /// How long something is that is made: as long as memory allows.
    pub(super) fn size(&self, good: usize) -> usize {
        self.pick(good, vec![0, 1, 2, 1000])
    }

    /// An index, a limit, an option.
    pub(super) fn count(&self, good: usize) -> usize {
        self.pick(good, vec![0, 1, 2, 1000, usize::MAX / 2 + 1, usize::MAX])
    }

    pub(super) fn whole(&self, good: u64) -> u64 {
        self.pick(good, vec![0, 1, 1 << 53, u64::MAX])
    }

    pub(super) fn slice(&self, good: &[f64]) -> Vec<f64> {
        self.pick(good.to_vec(), self.due(good.is_empty(), || spoilt(good, |x| x, |x, y| x * y)))
    }

    pub(super) fn vector(&self, good: &[f64]) -> DVector<f64> {
        DVector::from_vec(self.slice(good))
    }

    pub(super) fn complex(&self, good: &[Complex<f64>]) -> Vec<Complex<f64>> {
        let all = || spoilt(good, |x| Complex::new(0.0, x), |x, y| x * y);
        self.pick(good.to_vec(), self.due(good.is_empty(), all))
    }

    pub(super) fn counts(&self, good: &[usize]) -> Vec<usize> {
        let reversed = good.iter().rev().copied().collect();
        let zeros = vec![0; good.len()];
        self.pick(
            good.to_vec(),
            vec![vec![], vec![0], zeros, vec![usize::MAX; good.len()], reversed],
        )
    }

    pub(super) fn matrix(&self, good: &DMatrix<f64>) -> DMatrix<f64> {
        let all = || matrices(good, |x| x, |x, y| x * y);
        self.pick(good.clone(), self.due(good.is_empty(), all))
    }

    pub(super) fn complex_matrix(&self, good: &DMatrix<Complex<f64>>) -> DMatrix<Complex<f64>> {
        let all = || matrices(good, |x| Complex::new(0.0, x), |x, y| x * y);
        self.pick(good.clone(), self.due(good.is_empty(), all))
    }

    pub(super) fn bytes(&self, good: &[u8]) -> Vec<u8> {
        let cut = good[..good.len() / 2].to_vec();
        let (zeros, ones) = (vec![0; good.len()], vec![0xff; good.len()]);
        let twice = [good, good].concat();
        self.pick(good.to_vec(), vec![vec![], good[..1].to_vec(), cut, zeros, ones, twice])
    }

    pub(super) fn text(&self, good: &str) -> String {
        let bad = ["", " ", ",", "\n\n", "NaN", "inf,-inf\n1e999", "1e-320", "\u{0}", "\"", "ä,ö"];
        let mut bad: Vec<String> = bad.iter().map(|&text| text.to_owned()).collect();
        bad.extend([good.repeat(1000), good.chars().rev().collect()]);
        self.pick(good.to_owned(), bad)
    }
}

/// Numbers that something goes wrong with.
const NUMBERS: [f64; 13] = [
    0.0,
    -0.0,
    -1.0,
    f64::NAN,
    f64::INFINITY,
    f64::NEG_INFINITY,
    5e-324,
    1e-310,
    -1e-310,
    f64::MAX,
    f64::MIN,
    1e300,
    f64::MIN_POSITIVE,
];

/// What replaces one entry, and what multiplies all of them.
const ENTRIES: [f64; 6] = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, f64::MAX, 5e-324, -1e300];
const SCALES: [f64; 4] = [0.0, 1e-312, 1e-300, 1e300];

fn spoilt<T: Copy>(
    good: &[T],
    entry: impl Fn(f64) -> T,
    scaled: impl Fn(T, f64) -> T,
) -> Vec<Vec<T>> {
    let mut all = vec![Vec::new(), good[..1].to_vec(), good[..good.len() - 1].to_vec()];
    for bad in ENTRIES {
        let mut x = good.to_vec();
        x[good.len() / 2] = entry(bad);
        all.push(x);
    }
    all.extend(SCALES.map(|scale| good.iter().map(|&x| scaled(x, scale)).collect()));
    all.push(vec![good[0]; good.len()]);
    all.push(
        (0..good.len()).map(|k| entry(if k % 2 == 0 { f64::MAX } else { f64::MIN })).collect(),
    );
    all.push(good.iter().copied().cycle().take(2000).collect());
    all
}

fn matrices<T: linalg::Scalar>(
    good: &DMatrix<T>,
    entry: impl Fn(f64) -> T,
    scaled: impl Fn(T, f64) -> T,
) -> Vec<DMatrix<T>> {
    let (rows, columns) = good.shape();
    let mut all: Vec<DMatrix<T>> =
        [(0, 0), (0, columns), (rows, 0), (1, 1), (rows, 1), (1, columns)]
            .iter()
            .map(|&(rows, columns)| good.view((0, 0), (rows, columns)).into_owned())
            .collect();
    for bad in ENTRIES {
        let mut a = good.clone();
        a[(rows / 2, columns / 2)] = entry(bad);
        all.push(a);
    }
    all.extend(SCALES.map(|scale| good.map(|x| scaled(x, scale))));
    all.push(DMatrix::from_element(rows, columns, good[(0, 0)]));
    all.push(DMatrix::from_fn(rows, columns, |i, j| {
        entry(if (i + j) % 2 == 0 { f64::MAX } else { f64::MIN })
    }));
    all.push(DMatrix::from_fn(rows * 8, columns * 8, |i, j| good[(i % rows, j % columns)]));
    all
}
