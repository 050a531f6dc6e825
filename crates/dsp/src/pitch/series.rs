//! A series of partials among the lines of a spectrum: following it, and fitting it.

use super::{Line, Partial, Pitch};

/// The highest partial that is looked for.
const MOST_PARTIALS: usize = 60;
/// How far from its place a partial may lie, in fundamentals: while the series is being found, and
/// once its inharmonicity is known.
const SEARCH: f64 = 0.1;
const FINAL: f64 = 0.05;
/// How well a line is placed, in bins; and how far a real partial lies from its series by itself, as
/// a share of its frequency: half a cent.
const PLACEMENT: f64 = 0.02;
const OWN: f64 = 3e-4;
/// The largest inharmonicity that is believed. The top strings of a piano have 0.015.
const MOST_INHARMONIC: f64 = 0.02;

/// A number and the index of the line that is taken for the partial of that number.
pub(super) type Member = (usize, usize);

/// `f_n² = n² (α + β n²)`, and the lines on it.
#[derive(Debug, Clone)]
pub(super) struct Series<'a> {
    lines: &'a [Line],
    /// Width of a bin, in hertz.
    bin: f64,
    alpha: f64,
    beta: f64,
    pub(super) members: Vec<Member>,
    std_error_hz: Option<f64>,
}

impl<'a> Series<'a> {
    /// Follows a series upwards, fitting as it goes. The anchor, a strong line and the number that
    /// it has by assumption, takes part in every fit: it holds the series in place where a stranger
    /// stands near a missing first partial.
    pub(super) fn follow(lines: &'a [Line], bin: f64, anchor: Member) -> Self {
        let alpha = (lines[anchor.1].frequency_hz / anchor.0 as f64).powi(2);
        let members = Vec::new();
        let mut series = Self { lines, bin, alpha, beta: 0.0, members, std_error_hz: None };
        let reach = series.reach(SEARCH);
        for number in 1..=MOST_PARTIALS {
            if !series.admit(number, reach) {
                break;
            }
            // Two lines, one of which may be a stranger, say nothing about stiffness yet.
            series.fit((number < anchor.0).then_some(anchor), 3);
        }
        series
    }

    /// Takes the members anew, close to where the fit has them.
    pub(super) fn settle(mut self) -> Self {
        for _ in 0..2 {
            let reach = self.reach(FINAL);
            let mut settled = Self { members: Vec::new(), ..self.clone() };
            for number in 1..=MOST_PARTIALS {
                if !settled.admit(number, reach) {
                    break;
                }
            }
            if settled.members.is_empty() {
                return self;
            }
            settled.fit(None, 2);
            self = settled;
        }
        self
    }

    fn place(&self, number: usize) -> f64 {
        let n = number as f64;
        n * (self.alpha + self.beta * n * n).sqrt()
    }

    /// A share of the fundamental, but not less than what bins can tell apart.
    fn reach(&self, share: f64) -> f64 {
        (share * self.place(1)).max(1.5 * self.bin)
    }

    /// Looks for a partial within `reach` of its place and takes the strongest line there, the
    /// far ones discounted. False once the place is above all lines.
    fn admit(&mut self, number: usize, reach: f64) -> bool {
        let place = self.place(number);
        if self.lines.last().is_none_or(|last| place > last.frequency_hz + reach) {
            return false;
        }
        let after = self.members.last().map_or(0, |&(_, line)| line + 1);
        let first = self.lines.partition_point(|line| line.frequency_hz < place - reach).max(after);
        let last = self.lines.partition_point(|line| line.frequency_hz <= place + reach);
        let weight = |line: usize| {
            let away = (self.lines[line].frequency_hz - place) / reach;
            self.lines[line].amplitude * (1.0 - 0.5 * away * away)
        };
        let found = (first..last).max_by(|&a, &b| weight(a).total_cmp(&weight(b)));
        self.members.extend(found.map(|line| (number, line)));
        true
    }

    /// Weighted least squares of `y = (f_n/n)²` on `x = n²`, `y = α + β x`.
    ///
    /// Relative to `f_n`, the placement between bins is uncertain by `PLACEMENT·bin/f_n`, which
    /// falls with n, and a real partial by `OWN`, which does not. Amplitude joins the weight because
    /// weak lines are disturbed by others. The line `ahead` counts like a member. β is 0 unless
    /// there are `enough` lines.
    fn fit(&mut self, ahead: Option<Member>, enough: usize) {
        let point = |&(number, line): &Member| {
            let Line { frequency_hz, amplitude } = self.lines[line];
            let x = (number * number) as f64;
            let uncertain = (PLACEMENT * self.bin / frequency_hz).powi(2) + OWN.powi(2);
            [x, frequency_hz.powi(2) / x, amplitude / uncertain]
        };
        let points: Vec<[f64; 3]> = self.members.iter().chain(&ahead).map(point).collect();
        if points.is_empty() {
            return;
        }
        let weight: f64 = points.iter().map(|&[_, _, w]| w).sum();
        let mean_x = points.iter().map(|&[x, _, w]| w * x).sum::<f64>() / weight;
        let mean_y = points.iter().map(|&[_, y, w]| w * y).sum::<f64>() / weight;
        (self.alpha, self.beta, self.std_error_hz) = (mean_y, 0.0, None);
        if points.len() < enough {
            return;
        }

        let spread: f64 = points.iter().map(|&[x, _, w]| w * (x - mean_x).powi(2)).sum();
        let slope: f64 = points.iter().map(|&[x, y, w]| w * (x - mean_x) * (y - mean_y)).sum();
        // The two ends of what is believed: whole multiples, and the stiffest string.
        let stiffest = mean_y * MOST_INHARMONIC / (1.0 + MOST_INHARMONIC * mean_x);
        self.beta = (slope / spread).clamp(0.0, stiffest);
        self.alpha = mean_y - self.beta * mean_x;

        if points.len() > 2 {
            // y(1) is a weighted sum of the y. Its variance from the residuals, each with its own
            // weight in that sum and freed of its own pull on the fit, assumes no law of errors.
            let variance: f64 = points
                .iter()
                .map(|&[x, y, w]| {
                    let (away, at_one) = (x - mean_x, 1.0 - mean_x);
                    let share = w * (1.0 / weight + at_one * away / spread);
                    let leverage = w * (1.0 / weight + away * away / spread);
                    (share * (y - self.alpha - self.beta * x) / (1.0 - leverage)).powi(2)
                })
                .sum();
            // From y(1) = f_1² to f_1.
            let std_error_hz = variance.sqrt() / (2.0 * self.place(1));
            self.std_error_hz = std_error_hz.is_finite().then_some(std_error_hz);
        }
    }

    fn explained(&self) -> f64 {
        let all: f64 = self.lines.iter().map(|line| line.amplitude.sqrt()).sum();
        self.members.iter().map(|&(_, line)| self.lines[line].amplitude.sqrt()).sum::<f64>() / all
    }

    fn complete(&self) -> f64 {
        let highest = self.members.last().map_or(1, |&(number, _)| number);
        self.members.len() as f64 / highest as f64
    }

    pub(super) fn score(&self) -> f64 {
        self.explained() * self.complete()
    }

    pub(super) fn into_pitch(self) -> Pitch {
        let partial = |&(number, line): &Member| {
            let Line { frequency_hz, amplitude } = self.lines[line];
            Partial { number, frequency_hz, amplitude }
        };
        Pitch {
            frequency_hz: self.place(1),
            std_error_hz: self.std_error_hz,
            inharmonicity: self.beta / self.alpha,
            partials: self.members.iter().map(partial).collect(),
            explained: self.explained(),
            complete: self.complete(),
        }
    }
}
