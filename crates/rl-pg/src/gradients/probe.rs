//! Asking a black box around a point.

use rand::rngs::Xoshiro256PlusPlus;

use crate::{Error, RandomNumbers, Result, Streams};

/// Purposes of its random streams.
const DIRECTION: u64 = 0;
const COMMON: u64 = 1;
const INDEPENDENT: u64 = 2;

/// A black box around a point, with its seeds and a count of what was asked.
pub(crate) struct Probe<'a, F> {
    f: F,
    at: &'a [f64],
    /// Where it is asked: `at`, except while it is displaced.
    point: Vec<f64>,
    streams: Streams,
    random_numbers: RandomNumbers,
    repeat: usize,
    evaluations: usize,
}

impl<'a, F: FnMut(&[f64], u64) -> Result<f64>> Probe<'a, F> {
    /// Around `at`, in repeat 0.
    pub(crate) fn new(f: F, at: &'a [f64], seed: u64, random_numbers: RandomNumbers) -> Self {
        let (point, streams) = (at.to_vec(), Streams::new(seed));
        Self { f, at, point, streams, random_numbers, repeat: 0, evaluations: 0 }
    }

    /// Turns to another repeat: under common random numbers, to another seed.
    pub(crate) fn start(&mut self, repeat: usize) {
        self.repeat = repeat;
    }

    /// The generator of this repeat's directions.
    pub(crate) fn rng(&self) -> Xoshiro256PlusPlus {
        self.streams.rng(0, self.repeat as u64, DIRECTION)
    }

    /// f(x + length·direction).
    pub(crate) fn along(&mut self, direction: &[f64], length: f64) -> Result<f64> {
        for ((point, at), along) in self.point.iter_mut().zip(self.at).zip(direction) {
            *point = at + length * along;
        }
        let value = self.ask();
        self.point.copy_from_slice(self.at);
        value
    }

    /// f(x + length·e), and the displacement as it was after rounding.
    pub(crate) fn beside(&mut self, axis: usize, length: f64) -> Result<(f64, f64)> {
        self.point[axis] = self.at[axis] + length;
        let moved = self.point[axis] - self.at[axis];
        let value = self.ask();
        self.point[axis] = self.at[axis];
        Ok((value?, moved))
    }

    /// The streams that all its randomness comes from.
    pub(crate) fn streams(&self) -> Streams {
        self.streams
    }

    /// How often the black box was asked.
    pub(crate) fn evaluations(&self) -> usize {
        self.evaluations
    }

    fn ask(&mut self) -> Result<f64> {
        let (evaluation, repeat) = (self.evaluations, self.repeat as u64);
        let seed = match self.random_numbers {
            RandomNumbers::Common => self.streams.key(0, repeat, COMMON),
            RandomNumbers::Independent => self.streams.key(evaluation as u64, repeat, INDEPENDENT),
        };
        self.evaluations += 1;
        let value = (self.f)(&self.point, seed)?;
        if value.is_finite() {
            return Ok(value);
        }
        Err(Error::ValueNotFinite { evaluation, point: format!("{:?}", self.point), value })
    }
}
