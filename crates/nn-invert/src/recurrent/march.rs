//! The way through the states of a gated layer, one step at a time, and why it ended.

use std::fmt;

use linalg::{DMatrix, DMatrixView, DVector, Real};
use nn_core::{Cell, Recurrence, State};

use super::stepwise::step_input;
use crate::Result;

/// Why no input was found that leads a GRU or an LSTM to its next state: what was seen at the input that
/// came nearest, from the state where the longest way ended.
///
/// With an LSTM that state has a c that its outputs do not show: another choice of the inputs before may
/// lead on, unless the fault is [`SequenceFault::OutOfReach`] with a limit of 1.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum SequenceFault {
    /// No input leads there, whatever its gates do: a GRU's h stays between −1 and 1 or h₋, an LSTM's is less
    /// than tanh(|c₋| + 1). This is a proof.
    OutOfReach {
        /// Index of the layer.
        layer: usize,
        /// The step.
        step: usize,
        /// The unit.
        unit: usize,
        /// |h| that was asked for.
        value: f64,
        /// What |h| stays below.
        limit: f64,
    },
    /// A unit is so flat at the nearest input that no change of it shows: its gates are shut or its values at
    /// their ends.
    Saturated {
        /// Index of the layer.
        layer: usize,
        /// The step.
        step: usize,
        /// The flattest unit.
        unit: usize,
        /// ‖∂h/∂x‖₂ of that unit, over that of the steepest one.
        slope: f64,
        /// How near the nearest state came, relative to the one asked for.
        distance: f64,
    },
    /// Every unit moves with the input, but not toward the state: the step folds there, as a parabola at its
    /// bottom. An earlier step that has several inputs was taken by the wrong one, or was lost to rounding.
    Folded {
        /// Index of the layer.
        layer: usize,
        /// The step.
        step: usize,
        /// How near the nearest state came, relative to the one asked for.
        distance: f64,
    },
}

impl SequenceFault {
    /// The step without an input.
    #[must_use]
    pub fn step(&self) -> usize {
        match *self {
            Self::OutOfReach { step, .. }
            | Self::Saturated { step, .. }
            | Self::Folded { step, .. } => step,
        }
    }
}

/// What happened, and where.
impl fmt::Display for SequenceFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OutOfReach { layer, step, unit, value, limit } => write!(
                f,
                "step {step} of layer {layer} asks unit {unit} for {value:.6}, and from the state before it stays \
                 below {limit:.6}"
            ),
            Self::Saturated { layer, step, unit, slope, distance } => write!(
                f,
                "step {step} of layer {layer} was missed by {distance:.1e}: unit {unit} is saturated, its slope \
                 {slope:.1e} of the steepest"
            ),
            Self::Folded { layer, step, distance } => write!(
                f,
                "step {step} of layer {layer} was missed by {distance:.1e}: no input near there leads nearer, and \
                 an earlier step may have another input"
            ),
        }
    }
}

/// Starts for the search of a step's input: zero, the input before, and some at random.
const STARTS: usize = 10;
/// Steps that may be searched for every step of a sequence, with those that are searched again.
const BUDGET: usize = 10;

/// A unit with less of the steepest one's slope is taken for saturated.
const FLAT: f64 = 1e-2;

/// The longest sequence of inputs found that leads through some states.
pub(super) struct Path<T: Real> {
    pub(super) inputs: Vec<DVector<T>>,
    pub(super) iterations: usize,
    /// What kept it from being longer, where there are more states.
    pub(super) end: Option<End<T>>,
}

/// The nearest that the searches for a step came.
pub(super) struct End<T: Real> {
    step: usize,
    before: State<T>,
    target: DVector<T>,
    by_input: DMatrix<T>,
    /// Relative to the target.
    distance: f64,
}

/// A place on the way: the state there, and the inputs that led on from it so far.
struct Place<T: Real> {
    state: State<T>,
    tried: Vec<DVector<T>>,
    next_start: usize,
}

/// Looks for inputs that lead through the states `h`.
///
/// One step may have several inputs; with an LSTM they differ in the c that they leave behind, and some
/// lead to a state from which the next h cannot be reached. Then the step before is taken anew.
pub(super) fn path<T: Real>(layer: &Recurrence<'_, T>, h: DMatrixView<'_, T>) -> Result<Path<T>> {
    let place = |state| Place { state, tried: Vec::new(), next_start: 0 };
    let (mut way, mut inputs) = (vec![place(layer.start())], Vec::<DVector<T>>::new());
    let (mut best, mut iterations, mut budget) = (Vec::new(), 0, BUDGET * h.ncols());
    let mut end: Option<End<T>> = None;
    // Whatever was spent, the step that the way ends at is tried once.
    let untried = |end: &Option<End<T>>, time| end.as_ref().is_none_or(|end| end.step < time);
    while inputs.len() < h.ncols() && (budget > 0 || untried(&end, inputs.len())) {
        let time = inputs.len();
        let Some(here) = way.last_mut() else { break };
        let mut onward = None;
        while onward.is_none() && here.next_start < STARTS && (budget > 0 || untried(&end, time)) {
            let start = match (here.next_start, inputs.last()) {
                (0, _) => DVector::zeros(layer.features()),
                (1, Some(last)) => last.clone(),
                (which, _) => scattered(layer.features(), time * STARTS + which),
            };
            here.next_start += 1;
            budget = budget.saturating_sub(1);
            let found = step_input(layer, &here.state, h.column(time), start)?;
            iterations += found.iterations;
            // The same as before to the digits that the residual leaves.
            let near = T::from_double(T::EPSILON.cbrt());
            let known = |other: &DVector<T>| (other - &found.x).norm() <= near * other.norm();
            if found.reached && !here.tried.iter().any(known) {
                here.tried.push(found.x.clone());
                onward = Some(found);
            } else if !found.reached
                && time == best.len()
                && (untried(&end, time)
                    || end.as_ref().is_some_and(|end| found.distance < end.distance))
            {
                end = Some(End {
                    step: time,
                    before: here.state.clone(),
                    target: h.column(time).into_owned(),
                    by_input: found.by_input,
                    distance: found.distance,
                });
            }
        }
        match onward {
            Some(found) => {
                inputs.push(found.x);
                way.push(place(found.state));
                if inputs.len() > best.len() {
                    best.clone_from(&inputs);
                }
            }
            None => {
                way.pop();
                if inputs.pop().is_none() {
                    break;
                }
            }
        }
    }
    let end = end.filter(|end| end.step == best.len());
    Ok(Path { inputs: best, iterations, end })
}

impl<T: Real> End<T> {
    /// What it shows of the reason.
    pub(super) fn fault(&self, layer: usize, cell: &Recurrence<'_, T>) -> SequenceFault {
        let (step, distance) = (self.step, self.distance);
        for (unit, h) in self.target.iter().map(|h| h.to_double()).enumerate() {
            let value = h.abs();
            let limit = match self.before.c.get(unit) {
                // c is carried on in part, and what is added is less than 1.
                Some(c) if cell.cell == Cell::Lstm => {
                    ((c.to_double() * h.signum()).max(0.0) + 1.0).tanh()
                }
                _ => (self.before.h[unit].to_double() * h.signum()).max(1.0),
            };
            if value >= limit {
                // Beyond 1 no c would do.
                let limit = if value >= 1.0 { limit.max(1.0) } else { limit };
                return SequenceFault::OutOfReach { layer, step, unit, value, limit };
            }
        }
        let slopes = self.by_input.row_iter().map(|row| row.norm().to_double()).enumerate();
        let steepest = slopes.clone().fold(0.0, |most: f64, (_, slope)| most.max(slope));
        let (unit, flattest) = slopes
            .fold((0, f64::INFINITY), |least, next| if next.1 < least.1 { next } else { least });
        if flattest <= FLAT * steepest {
            let slope = if steepest > 0.0 { flattest / steepest } else { 0.0 };
            return SequenceFault::Saturated { layer, step, unit, slope, distance };
        }
        SequenceFault::Folded { layer, step, distance }
    }
}

/// Entries between −2 and 2, the same for the same `seed`.
fn scattered<T: Real>(entries: usize, seed: usize) -> DVector<T> {
    DVector::from_fn(entries, |i, _| {
        // The golden ratio spreads its multiples evenly over the circle.
        let turn = ((seed * entries + i + 1) as f64 * 0.618_033_988_749_895).fract();
        T::from_double(4.0 * turn - 2.0)
    })
}

#[cfg(test)]
mod tests {
    use nn_core::{Network, Shape, Steps, View};

    use super::*;
    use crate::testing::{seeded, vector};

    #[test]
    fn a_fault_says_where_and_why() {
        let said = |fault: SequenceFault, words: &str| {
            assert_eq!((fault.to_string().as_str(), fault.step()), (words, 7));
        };
        said(
            SequenceFault::OutOfReach { layer: 0, step: 7, unit: 1, value: 0.9, limit: 0.761594 },
            "step 7 of layer 0 asks unit 1 for 0.900000, and from the state before it stays below 0.761594",
        );
        said(
            SequenceFault::Saturated { layer: 2, step: 7, unit: 0, slope: 1e-3, distance: 0.25 },
            "step 7 of layer 2 was missed by 2.5e-1: unit 0 is saturated, its slope 1.0e-3 of the steepest",
        );
        said(
            SequenceFault::Folded { layer: 2, step: 7, distance: 0.25 },
            "step 7 of layer 2 was missed by 2.5e-1: no input near there leads nearer, and an earlier step may \
             have another input",
        );
    }

    #[test]
    fn the_reason_is_read_off_where_the_way_ended() {
        let mut rng = seeded(1);
        let shape = Shape::sequence(2, 3);
        let lstm = Network::<f64>::builder(shape).lstm(2, Steps::All).build(&mut rng).unwrap();
        let gru = Network::<f64>::builder(shape).gru(2, Steps::All).build(&mut rng).unwrap();
        let fault =
            |network: &Network<f64>, h: [f64; 2], c: &[f64], target: [f64; 2], by: [f64; 4]| {
                let Some(View::Recurrent(cell)) = network.views().next() else { unreachable!() };
                let end = End {
                    step: 7,
                    before: State { h: vector(&h), c: vector(c) },
                    target: vector(&target),
                    by_input: DMatrix::from_row_slice(2, 2, &by),
                    distance: 0.25,
                };
                end.fault(3, &cell)
            };
        let (open, still) = ([3.0, 4.0, 5.0, 0.0], [0.0; 2]);
        // tanh(|c| + 1) where c has the sign of what is asked for, and tanh 1 where it has the other.
        for (c, asked, limit) in [
            (0.5, 0.91, 1.5_f64.tanh()),
            (0.5, -0.77, 1.0_f64.tanh()),
            (-0.5, -0.91, 1.5_f64.tanh()),
        ] {
            let found = fault(&lstm, still, &[0.0, c], [0.1, asked], open);
            let SequenceFault::OutOfReach { layer: 3, step: 7, unit: 1, value, limit: said } =
                found
            else {
                panic!("{found}")
            };
            assert!((value - f64::abs(asked)).abs() < 1e-15 && (said - limit).abs() < 1e-15);
            let below = asked.signum() * (limit - 1e-3);
            let found = fault(&lstm, still, &[0.0, c], [0.1, below], open);
            assert_eq!(found, SequenceFault::Folded { layer: 3, step: 7, distance: 0.25 });
        }
        // A GRU keeps between −1 and 1, or the h that it comes from.
        for (h, asked, limit) in
            [(0.2, 1.1, 1.0), (1.5, 1.6, 1.5), (1.5, -1.1, 1.0), (-1.5, -1.6, 1.5)]
        {
            let found = fault(&gru, [h, 0.0], &[], [asked, 0.1], open);
            let SequenceFault::OutOfReach { unit: 0, limit: said, .. } = found else {
                panic!("{found}")
            };
            assert!((said - limit).abs() < 1e-15, "{said} {limit}");
            let inside = asked.signum() * (limit - 1e-3);
            let found = fault(&gru, [h, 0.0], &[], [inside, 0.1], open);
            assert!(matches!(found, SequenceFault::Folded { .. }), "{found}");
        }
        // Slopes of 5 and 0.05·(1 ± 1/100): flat below a hundredth of the steepest.
        let target = [0.1, 0.1];
        let found = fault(&gru, still, &[], target, [3.0, 4.0, 0.0, 0.0495]);
        let SequenceFault::Saturated { layer: 3, step: 7, unit: 1, slope, distance } = found else {
            panic!("{found}")
        };
        assert!((slope - 0.0099).abs() < 1e-15 && (distance - 0.25).abs() < 1e-15);
        let found = fault(&gru, still, &[], target, [0.0505, 0.0, 3.0, 4.0]);
        assert!(matches!(found, SequenceFault::Folded { .. }), "{found}");
        let found = fault(&gru, still, &[], target, [0.0; 4]);
        assert!(matches!(found, SequenceFault::Saturated { unit: 0, slope: 0.0, .. }), "{found}");
    }

    #[test]
    fn starts_are_scattered_over_what_gates_can_tell() {
        let all: Vec<f64> =
            (0..100).flat_map(|seed| scattered::<f64>(6, seed).as_slice().to_vec()).collect();
        assert!(all.iter().all(|x| (-2.0..2.0).contains(x)));
        // 600 multiples of the golden ratio leave no gap of more than 1.9/600 of the circle, or of 4.
        let mut sorted = all;
        sorted.sort_by(f64::total_cmp);
        let gap = sorted.windows(2).map(|pair| pair[1] - pair[0]).fold(0.0, f64::max);
        assert!(gap <= 4.0 * 1.9 / 600.0, "{gap}");
    }
}
