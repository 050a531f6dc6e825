//! Where scaling ends: the time of a turn on paper.

use crate::{Error, Result};

/// A turn on paper: n pieces of t seconds, c at a time, on R ranks that each do one range at a time.
///
/// Rank 0 takes m seconds to take a range back and hand out the next; a message and its answer are l seconds on the
/// way; the result is b bytes, handed on at w bytes a second from rank to rank; and every rank then spends u seconds
/// on what follows, the update say. With N = ⌈n/c⌉ ranges,
///
/// ```text
/// T = R m + max(⌈N/R⌉ (c t + l + m),  N m) + ⌈log₂ R⌉ (l/2 + b/w) + u       for R ≤ N
/// ```
///
/// The first term is the line of ranks before rank 0 when a turn begins; then they take their own time, in whole
/// rounds, or that of rank 0, which nobody gets past; the last but one is the way of the result down a binomial tree.
/// Efficiency is n t / (R T). It ends in one of three ways: at R = N there is one round, and more ranks find nothing
/// to do; at R ≈ c t / m rank 0 hands out no faster; and u is paid on every rank, whatever R is (G. M. Amdahl, AFIPS
/// spring joint computer conference, 1967).
///
/// Rollouts per second over those of one rank, with ten rollouts for each rank in a turn, one at a time, 24 bytes a
/// result, an update of 50 ms, and the messages of [`Turn::default`]:
///
/// | a rollout takes | 100 ranks | 1,000 | 10,000 |
/// |---|---|---|---|
/// | 10 ms | 62 (62 %) | 164 (16 %) | 177 (2 %) |
/// | 1 s | 99 (99 %) | 989 (99 %) | 9,373 (94 %) |
/// | 60 s | 100 (100 %) | 1,000 (100 %) | 9,989 (100 %) |
///
/// So rollouts of 10 ms fill some hundred ranks, and c = 10 of them at a time some thousand; a second fills a thousand,
/// a minute ten thousand.
///
/// # Examples
/// ```
/// use ranks::Turn;
/// // 1,000 rollouts of a second each, on 100 ranks; the update takes 50 ms.
/// let turn = Turn { pieces: 1000, piece_s: 1.0, ranks: 100, after_s: 0.05, ..Turn::default() };
/// assert!((turn.seconds()? - (0.005 + 10.0045 + 0.0014 + 0.05)).abs() < 1e-9);
/// assert!((turn.efficiency()? - 0.994).abs() < 0.001);
/// # Ok::<(), ranks::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Turn {
    /// n, the pieces.
    pub pieces: usize,
    /// c, the pieces that a rank is given at a time.
    pub at_a_time: usize,
    /// t, what a piece takes, in seconds.
    pub piece_s: f64,
    /// R, the ranks.
    pub ranks: usize,
    /// m, what rank 0 spends on a range, in seconds.
    pub range_s: f64,
    /// l, what a message and its answer are on the way, in seconds.
    pub way_s: f64,
    /// b, the bytes of the result.
    pub bytes: f64,
    /// w, bytes a second from one rank to the next.
    pub bytes_per_s: f64,
    /// u, what follows on every rank, in seconds.
    pub after_s: f64,
}

impl Default for Turn {
    /// One rank and one piece of a second; messages as the example `latency` found them between 12 ranks on 4 cores
    /// that had other work for 16: 50 µs of rank 0 for a range, 0.4 ms on the way, 0.3 GB/s.
    fn default() -> Self {
        Self {
            pieces: 1,
            at_a_time: 1,
            piece_s: 1.0,
            ranks: 1,
            range_s: 50e-6,
            way_s: 400e-6,
            bytes: 0.0,
            bytes_per_s: 3e8,
            after_s: 0.0,
        }
    }
}

impl Turn {
    /// T, in seconds.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] for no piece or no rank, for a time that is negative or no number, and for a speed or a
    /// piece's time that is not positive.
    pub fn seconds(&self) -> Result<f64> {
        for (argument, count) in
            [("pieces", self.pieces), ("at_a_time", self.at_a_time), ("ranks", self.ranks)]
        {
            if count == 0 {
                return Err(Error::OutOfRange { argument, value: 0.0, expected: "at least 1" });
            }
        }
        for (argument, value) in [("piece_s", self.piece_s), ("bytes_per_s", self.bytes_per_s)] {
            if !(value > 0.0 && value.is_finite()) {
                return Err(Error::OutOfRange { argument, value, expected: "positive and finite" });
            }
        }
        for (argument, value) in [
            ("range_s", self.range_s),
            ("way_s", self.way_s),
            ("bytes", self.bytes),
            ("after_s", self.after_s),
        ] {
            if !(value >= 0.0 && value.is_finite()) {
                let expected = "at least 0 and finite";
                return Err(Error::OutOfRange { argument, value, expected });
            }
        }
        let ranges = self.pieces.div_ceil(self.at_a_time);
        let rounds = ranges.div_ceil(self.ranks) as f64;
        let range = self.at_a_time.min(self.pieces) as f64 * self.piece_s;
        let line = ranges.min(self.ranks) as f64 * self.range_s;
        let own = rounds * (range + self.way_s + self.range_s);
        let rank_0 = ranges as f64 * self.range_s;
        let levels = f64::from(self.ranks.next_power_of_two().trailing_zeros());
        let result = levels * (self.way_s / 2.0 + self.bytes / self.bytes_per_s);
        Ok(line + own.max(rank_0) + result + self.after_s)
    }

    /// n t / (R T), at most 1.
    ///
    /// # Errors
    /// As [`Turn::seconds`].
    pub fn efficiency(&self) -> Result<f64> {
        Ok(self.pieces as f64 * self.piece_s / (self.ranks as f64 * self.seconds()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cmp::Reverse;
    use std::collections::BinaryHeap;
    use std::time::Duration;

    /// The turn, played event by event: whoever asks stands in line before rank 0, which serves one at a time.
    fn played(turn: &Turn) -> f64 {
        let nanoseconds = |seconds: f64| Duration::from_secs_f64(seconds).as_nanos();
        let [work, way, range] =
            [turn.at_a_time as f64 * turn.piece_s, turn.way_s / 2.0, turn.range_s].map(nanoseconds);
        // When who asks arrives at rank 0; at first all do at once.
        let mut line: BinaryHeap<_> = (0..turn.ranks).map(|rank| Reverse((0, rank))).collect();
        let mut left = turn.pieces.div_ceil(turn.at_a_time);
        let (mut free, mut end) = (0, 0);
        while let Some(Reverse((arrives, rank))) = line.pop() {
            // Whatever it brought is taken back in the same stroke in which the next is handed out.
            free = arrives.max(free) + range;
            end = if arrives > 0 { free } else { end };
            if left > 0 {
                left -= 1;
                line.push(Reverse((free + way + work + way, rank)));
            }
        }
        let mut last = end as f64 * 1e-9;
        // The result goes down the tree level by level, each as full as its place allows.
        let mut have = 1;
        while have < turn.ranks {
            have *= 2;
            last += turn.way_s / 2.0 + turn.bytes / turn.bytes_per_s;
        }
        last + turn.after_s
    }

    #[test]
    fn the_formula_is_the_schedule_that_is_played() {
        let mut worst: f64 = 0.0;
        for piece_s in [0.01, 1.0, 60.0] {
            for ranks in [1, 4, 100, 1000, 10_000] {
                for per_rank in [1, 10] {
                    for at_a_time in [1, 4] {
                        let pieces = ranks * per_rank * at_a_time;
                        let bytes = 24.0 * pieces as f64;
                        let turn =
                            Turn { pieces, at_a_time, piece_s, ranks, bytes, ..Turn::default() };
                        let (paper, played) = (turn.seconds().unwrap(), played(&turn));
                        worst = worst.max((paper / played - 1.0).abs());
                    }
                }
            }
        }
        // What is left out is less than one stroke of rank 0 and one way, of at least 10 ms.
        assert!(worst < (50e-6 + 400e-6) / 10e-3, "{worst}");
    }

    #[test]
    fn scaling_ends_where_rank_0_hands_out_no_faster() {
        let turn = |ranks| Turn { pieces: 100_000, piece_s: 0.01, ranks, ..Turn::default() };
        // c t / m = 200: many more ranks win nothing, and then stand in line.
        let seconds = [100, 1000, 40_000].map(|ranks| turn(ranks).seconds().unwrap());
        assert!((seconds[0] / 10.0 - 1.0).abs() < 0.06, "{seconds:?}");
        assert!((seconds[1] / 5.0 - 1.0).abs() < 0.02, "{seconds:?}");
        assert!(seconds[2] > seconds[1], "{seconds:?}");
    }

    #[test]
    fn numbers_that_make_no_turn_are_refused() {
        let good = Turn::default();
        for (turn, text) in [
            (Turn { ranks: 0, ..good }, "ranks is 0, and must be at least 1"),
            (Turn { pieces: 0, ..good }, "pieces is 0, and must be at least 1"),
            (Turn { at_a_time: 0, ..good }, "at_a_time is 0, and must be at least 1"),
            (Turn { piece_s: 0.0, ..good }, "piece_s is 0, and must be positive and finite"),
            (Turn { way_s: f64::NAN, ..good }, "way_s is NaN, and must be at least 0 and finite"),
            (Turn { after_s: -1.0, ..good }, "after_s is -1, and must be at least 0 and finite"),
        ] {
            assert_eq!(turn.efficiency().unwrap_err().to_string(), text);
        }
    }
}
