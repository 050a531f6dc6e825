//! Adaptive integration over cells, and the mesh that one step of a series leaves to the next.

use crate::cells::{Axis, Cell, DEEPEST, Leaf, Near, Order, ROOTS, TotalError};
use crate::parallel::evaluate;
use crate::point_rule::check_finite;
use crate::rings::real;
use crate::unseen::{Witness, unseen};
use crate::{
    Automatic, Direction, Error, Estimate, Method, Result, Rotation, Sample, SolidAngle, Stop,
};

/// The cells into which an integrand made the sphere fall, to start the next time step from.
///
/// A narrow lobe that moves by a fraction of its width between steps is found where it was, whatever
/// its width; a fresh start sees no lobe narrower than its first samples lie apart. Cells that the
/// lobe has left are joined again, down to 9 samples in a quarter of a face that holds nothing: another
/// lobe that appears there is found when it is as wide as exp(1000 (u·x − 1)).
///
/// # Examples
/// ```
/// use quad::{Automatic, Direction, Mesh, SolidAngle, pointwise};
/// let automatic = Automatic::default().relative_tolerance(1e-6);
/// let mut mesh = Mesh::default();
/// for step in 0..4 {
///     let u = Direction::from_angles(1.0 + 0.01 * f64::from(step), 2.0)?;
///     let lobe = pointwise(|x: &Direction| (1000.0 * (u.dot(x) - 1.0)).exp());
///     let total = automatic.integrate_from(SolidAngle, &mut mesh, &lobe)?;
///     assert!((total.value / 6.2831853071795864769e-3 - 1.0).abs() < 1e-6);
/// }
/// # Ok::<(), quad::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Mesh {
    cells: Vec<(Cell, Order)>,
}

impl Default for Mesh {
    /// 24 cells of 49 samples, a quarter of a cube's face each.
    fn default() -> Self {
        Self { cells: (0..ROOTS).map(|root| (Cell::root(root), Order::Seven)).collect() }
    }
}

impl Mesh {
    /// The same mesh with cells no wider than `radius` within `radius` (radians) of `point`: where a
    /// lobe of about that radius is expected, which the first samples might miss.
    ///
    /// # Errors
    /// [`Error::Radius`] unless 0 < `radius` ≤ π.
    pub fn refined_near(mut self, point: &Direction, radius: f64) -> Result<Self> {
        if !(radius > 0.0 && radius <= std::f64::consts::PI) {
            return Err(Error::Radius { argument: "radius", value: radius });
        }
        self.refine(point, radius, radius);
        Ok(self)
    }

    fn refine(&mut self, point: &Direction, radius: f64, width: f64) {
        let frame = Rotation::generic(0);
        let mut done = Vec::with_capacity(self.cells.len());
        while let Some((cell, order)) = self.cells.pop() {
            match cell.near(point, radius, width, &frame) {
                Near::No => done.push((cell, order)),
                Near::Yes => done.push((cell, order.max(Order::Seven))),
                Near::TooWide(axis) => {
                    self.cells
                        .extend(cell.halved(axis).map(|half| (half, order.min(Order::Seven))));
                }
            }
        }
        done.sort_by_key(|&(cell, _)| cell);
        self.cells = done;
    }

    /// The number of cells.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "a mesh covers the sphere")]
    pub fn len(&self) -> usize {
        self.cells.len()
    }

    /// The evaluations that starting from this mesh costs.
    #[must_use]
    pub fn evaluations(&self) -> usize {
        self.cells.iter().map(|&(_, order)| order.samples()).sum()
    }
}

/// ∫|f| in a half of a cell, as a share of the error allowed for one, below which nothing is in it.
const NOTHING: f64 = 0.1;

/// Part of the tolerance that the error should fall to if a refined cell has half the error, which it has
/// where there is a jump in it.
const ENOUGH: f64 = 0.85;

/// What is done to a cell.
#[derive(Debug, Clone, Copy)]
enum Refinement {
    Extend(usize, Order, usize),
    Halve(usize, Axis, [Order; 2]),
}

/// The leaves of a running integration.
struct Adaptive<'a, T: Sample, F> {
    f: &'a F,
    frame: Rotation,
    leaves: Vec<Leaf<T>>,
    evaluations: usize,
}

/// Refines the cells until the tolerance, the budget or the precision is reached, and until they have seen
/// what the samples `before` have, whose evaluations count against the budget already.
pub(crate) fn integrate<T: Sample>(
    options: &Automatic,
    measure: SolidAngle,
    mesh: &mut Mesh,
    before: &[Witness<T>],
    f: &(impl Fn(&[Direction], &mut [T]) + Sync),
) -> Result<Option<Estimate<T>>> {
    let (budget, spent) = (options.max_evaluations, before.len());
    if spent + mesh.evaluations() > budget {
        *mesh = Mesh::default();
        if spent + mesh.evaluations() > budget {
            return Ok(None);
        }
    }
    let mut adaptive =
        Adaptive { f, frame: Rotation::generic(0), leaves: Vec::new(), evaluations: spent };
    adaptive.start(mesh)?;
    let stop = loop {
        let estimate = adaptive.estimate(measure, Stop::Converged);
        let tolerance = options.tolerance(estimate.value);
        if estimate.error_estimate <= tolerance {
            let mut doubtful = adaptive.ungraded(tolerance);
            if doubtful.is_empty() {
                doubtful = adaptive.unseen(before, tolerance);
            }
            if doubtful.is_empty() {
                break Stop::Converged;
            }
            if adaptive.evaluations + 2 * Order::Seven.samples() * doubtful.len() > budget {
                break Stop::Budget;
            }
            adaptive.refine(&doubtful).map_err(|error| estimate.interrupted(error))?;
            continue;
        }
        if rounding(estimate.magnitude) >= tolerance {
            break Stop::Rounding;
        }
        let (chosen, exhausted) = adaptive.choose(tolerance, budget);
        if chosen.is_empty() {
            break if exhausted { Stop::Budget } else { Stop::Rounding };
        }
        // What was reached stays reached if the integrand fails now.
        adaptive.refine(&chosen).map_err(|error| estimate.interrupted(error))?;
    };
    let estimate = adaptive.estimate(measure, stop);
    *mesh = adaptive.mesh(options.tolerance(estimate.value));
    Ok(Some(estimate))
}

/// Rounding in a sum over the sphere whose absolute value is `magnitude`.
fn rounding(magnitude: f64) -> f64 {
    8.0 * f64::EPSILON * magnitude
}

impl<T: Sample, F: Fn(&[Direction], &mut [T]) + Sync> Adaptive<'_, T, F> {
    fn samples(&mut self, nodes: &[Direction]) -> Result<Vec<T>> {
        let samples = evaluate(self.f, nodes);
        self.evaluations += nodes.len();
        check_finite(nodes, &samples)?;
        Ok(samples)
    }

    fn start(&mut self, mesh: &Mesh) -> Result<()> {
        let mut nodes = Vec::with_capacity(mesh.evaluations());
        for &(cell, order) in &mesh.cells {
            cell.all_nodes(order, &self.frame, &mut nodes);
        }
        let samples = self.samples(&nodes)?;
        let mut rest = samples.as_slice();
        for &(cell, order) in &mesh.cells {
            let (own, others) = rest.split_at(order.samples());
            rest = others;
            self.leaves.push(Leaf::new(cell, order, own, false));
        }
        Ok(())
    }

    fn estimate(&self, measure: SolidAngle, stop: Stop) -> Estimate<T> {
        let value = self.leaves.iter().fold(T::ZERO, |sum, leaf| sum.plus(1.0, leaf.value));
        let magnitude = self.leaves.iter().map(|leaf| leaf.magnitude).sum();
        let error = TotalError::of(self.leaves.iter().map(|leaf| leaf.error)).value();
        Estimate {
            value,
            error_estimate: error + rounding(magnitude),
            magnitude,
            evaluations: self.evaluations,
            stop,
            method: Method::Cells { count: self.leaves.len() },
            measure,
        }
    }

    /// The cells with the largest errors, half of the whole, or as many as promise to be enough; and whether
    /// the budget allowed no more.
    fn choose(&self, tolerance: f64, budget: usize) -> (Vec<Refinement>, bool) {
        let mut order: Vec<usize> =
            (0..self.leaves.len()).filter(|&index| self.leaves[index].error > 0.0).collect();
        order.sort_by(|&a, &b| self.leaves[b].error.total_cmp(&self.leaves[a].error));
        let mut left = TotalError::of(self.leaves.iter().map(|leaf| leaf.error));
        let whole = left.sum;
        let (mut chosen, mut covered, mut cost) = (Vec::new(), 0.0, self.evaluations);
        for index in order {
            let leaf = &self.leaves[index];
            if covered > 0.5 * whole || left.value() < ENOUGH * tolerance {
                break;
            }
            let refinement = match leaf.order.next() {
                Some((order, added)) if order == Order::Seven || !leaf.rough => {
                    Refinement::Extend(index, order, added)
                }
                _ if leaf.cell.depth < DEEPEST => self.halve(index, leaf.axis, tolerance),
                _ => continue,
            };
            cost += match refinement {
                Refinement::Extend(_, _, added) => added,
                Refinement::Halve(.., orders) => orders.map(Order::samples).iter().sum(),
            };
            if cost > budget {
                return (chosen, true);
            }
            covered += leaf.error;
            left.halve(leaf.error);
            chosen.push(refinement);
        }
        (chosen, false)
    }

    fn refine(&mut self, chosen: &[Refinement]) -> Result<()> {
        let mut nodes = Vec::new();
        for &refinement in chosen {
            match refinement {
                Refinement::Extend(index, order, _) => {
                    self.leaves[index].cell.nodes(order, &self.frame, &mut nodes);
                }
                Refinement::Halve(index, axis, orders) => {
                    let cell = self.leaves[index].cell;
                    for (half, order) in cell.halved(axis).into_iter().zip(orders) {
                        half.all_nodes(order, &self.frame, &mut nodes);
                    }
                }
            }
        }
        let samples = self.samples(&nodes)?;
        let mut rest = samples.as_slice();
        for &refinement in chosen {
            match refinement {
                Refinement::Extend(index, order, added) => {
                    let (own, others) = rest.split_at(added);
                    rest = others;
                    self.leaves[index].extend(order, own);
                }
                Refinement::Halve(index, axis, orders) => {
                    let Leaf { cell, order, rough, .. } = self.leaves[index];
                    let rough = rough && order == Order::Fifteen;
                    let halves = cell.halved(axis).into_iter().zip(orders).map(|(half, order)| {
                        let (own, others) = rest.split_at(order.samples());
                        rest = others;
                        Leaf::new(half, order, own, rough)
                    });
                    let mut halves: Vec<Leaf<T>> = halves.collect();
                    self.leaves.extend(halves.pop());
                    self.leaves.splice(index..=index, halves);
                }
            }
        }
        Ok(())
    }

    /// Halves of a cell, one of which has few samples where the cell has seen nothing in it.
    fn halve(&self, index: usize, axis: Axis, tolerance: f64) -> Refinement {
        let nothing = NOTHING * tolerance / real(self.leaves.len());
        let orders = self.leaves[index]
            .halves(axis)
            .map(|magnitude| if magnitude > nothing { Order::Seven } else { Order::Three });
        Refinement::Halve(index, axis, orders)
    }

    /// Center and width of the cells where |f| is ten times its mean or more: around each, for
    /// half its width, no cell may be more than twice as wide, or the skirt of a lobe falls between the
    /// nodes of a coarse neighbor, in this step or when it moves in the next.
    fn peaks(&self) -> Vec<(Direction, f64)> {
        let whole: f64 = self.leaves.iter().map(|leaf| leaf.magnitude).sum();
        let high = 10.0 * whole / (4.0 * std::f64::consts::PI);
        let counts =
            |leaf: &&Leaf<T>| leaf.magnitude > 1e-3 * whole && leaf.magnitude > high * leaf.area;
        let leaves = self.leaves.iter().filter(counts);
        leaves.map(|leaf| leaf.cell.center_and_width(&self.frame)).collect()
    }

    /// The cells that are too wide next to a peak.
    fn ungraded(&self, tolerance: f64) -> Vec<Refinement> {
        let peaks = self.peaks();
        let mut chosen = Vec::new();
        for (index, leaf) in self.leaves.iter().enumerate() {
            for (center, width) in &peaks {
                if let Near::TooWide(axis) =
                    leaf.cell.near(center, 0.5 * width, 2.0 * width, &self.frame)
                {
                    chosen.push(self.halve(index, axis, tolerance));
                    break;
                }
            }
        }
        chosen
    }

    /// The cells in which others have seen what matters and their own samples have not.
    fn unseen(&self, before: &[Witness<T>], tolerance: f64) -> Vec<Refinement> {
        let enough = tolerance / real(self.leaves.len());
        let indices = unseen(&self.leaves, &self.frame, before, enough).into_iter();
        let indices = indices.filter(|&index| self.leaves[index].cell.depth < DEEPEST);
        indices
            .map(|index| match self.leaves[index] {
                Leaf { order: Order::Three, .. } => Refinement::Extend(index, Order::Seven, 49 - 9),
                ref leaf => Refinement::Halve(index, leaf.axis, [Order::Seven; 2]),
            })
            .collect()
    }

    /// The cells for the next step: halves whose whole would have done as well are joined, those of
    /// empty regions through many generations.
    fn mesh(&self, tolerance: f64) -> Mesh {
        let mut leaves: Vec<&Leaf<T>> = self.leaves.iter().collect();
        leaves.sort_by_key(|leaf| leaf.cell);
        let enough = 0.1 * tolerance / real(leaves.len());
        // A cell, its order, and its error if joined with its other half, by either order.
        let mut cells: Vec<(Cell, Order, [f64; 2])> = Vec::with_capacity(leaves.len());
        for leaf in leaves {
            let joined = [Order::Seven, Order::Fifteen].map(|order| leaf.error_if_joined(order));
            cells.push((leaf.cell, leaf.next_order(enough), joined));
            while let [.., (first, _, a), (second, _, b)] = cells[..]
                && let Some(whole) = Cell::parent(first, second)
            {
                let order = if a[0] + b[0] <= enough {
                    Order::Seven
                } else if a[1] + b[1] <= 400.0 * enough {
                    Order::Fifteen
                } else {
                    break;
                };
                cells.truncate(cells.len() - 2);
                // The next generation has the same factor to bear.
                let next = |own: f64, order: Order, bits: u32| {
                    if order == Order::Seven {
                        f64::from(1u32 << bits) * own
                    } else {
                        f64::INFINITY
                    }
                };
                cells.push((
                    whole,
                    order,
                    [next(a[0] + b[0], order, 13), next(a[1] + b[1], order, 18)],
                ));
            }
        }
        let mut mesh = Mesh { cells: cells.into_iter().map(|(c, order, _)| (c, order)).collect() };
        for (center, width) in self.peaks() {
            mesh.refine(&center, 0.7 * width, 2.0 * width);
        }
        mesh
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pointwise;

    #[test]
    fn a_moving_lobe_is_not_lost_and_its_trail_is_given_up() {
        // κ = 20,000: the lobe is 0.4° wide, and moves by 0.7 of that each step.
        let kappa = 20_000.0f64;
        let options = Automatic::default();
        let at = |step: usize| Direction::from_angles(0.9, 0.4 + 0.006 * real(step)).unwrap();
        let mut mesh = Mesh::default().refined_near(&at(0), 7.0 / kappa.sqrt()).unwrap();
        for step in 0..20 {
            let u = at(step);
            let f = pointwise(move |x: &Direction| (kappa * (u.dot(x) - 1.0)).exp());
            let found = options.integrate_from(SolidAngle, &mut mesh, &f).unwrap();
            let error = found.value * kappa / std::f64::consts::TAU - 1.0;
            assert!(error.abs() < 1e-6, "step {step}: {error:e}");
            assert!(mesh.len() < 100, "step {step}: {} cells", mesh.len());
        }
    }

    #[test]
    fn a_radius_that_is_none_is_refused() {
        let u = Direction::from_angles(0.9, 0.4).unwrap();
        assert_eq!(
            Mesh::default().refined_near(&u, 0.0).unwrap_err().to_string(),
            "radius is 0, expected more than 0 and at most π radians"
        );
        assert!(Mesh::default().refined_near(&u, f64::NAN).is_err());
    }
}
