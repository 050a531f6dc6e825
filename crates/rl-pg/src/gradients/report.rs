//! How good a gradient estimate is, and where its noise comes from.

use linalg::{DMatrix, DVector};

use crate::check::{self, real};
use crate::{Error, Estimator, Result, Streams};

/// How much of an estimated gradient is signal, where its noise comes from, and how large a batch should be.
///
/// The gradient is averaged over contexts; one estimate is made at one context, with one draw of displacements
/// (the action) and one of the simulator's noise. With V the trace of the variance of one estimate,
///
/// ```text
/// snr = |E g|²/(V·rollouts per estimate)
/// ```
///
/// is what a rollout is worth: the number to compare estimators by. A batch of V/|E g|² estimates has as much
/// signal as noise, and its direction is at about 45° to the true one; much smaller batches walk at random, much
/// larger ones waste rollouts.
///
/// # References
/// "An empirical model of large-batch training", arXiv:1812.06162 (2018), section 2.2 for the batch;
/// H. Scheffé, "The analysis of variance" (1959), section 7.6 for the shares.
#[derive(Debug, Clone, PartialEq)]
#[must_use]
pub struct GradientReport {
    /// The mean of all estimates.
    pub gradient: DVector<f64>,
    /// |E g|², of which the part that noise adds has been taken away; it may come out negative where
    /// there is no signal to be seen.
    pub squared_signal: f64,
    /// The standard error of `squared_signal`.
    pub squared_signal_std_error: f64,
    /// V, the trace of the variance of one estimate.
    pub variance: f64,
    /// |E g|² over V and over the rollouts of one estimate; 0 where no signal is seen.
    pub snr_per_rollout: f64,
    /// Where V comes from.
    pub shares: Shares,
    /// The cosine of the angle between the means over the first and the second half of the contexts.
    pub agreement: f64,
    /// Estimates in a batch with as much signal as noise, V/|E g|²; `None` where no signal is seen.
    pub recommended_batch: Option<f64>,
    /// Rollouts spent on the report.
    pub evaluations: usize,
}

/// Parts of the variance of one estimate, which sum to 1, from unbiased estimates of the three variances; one
/// that comes out negative counts as 0.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Shares {
    /// Contexts have different gradients. More rollouts per context do not help; more contexts do. Where a
    /// context had one draw, the share of the draws is in here too.
    pub context: f64,
    /// Displacements and actions are drawn. Antithetic pairs, baselines and more draws per context help. Where
    /// a draw was looked at once, the share of the noise is in here too.
    pub action: f64,
    /// The simulator is noisy. Common random numbers and wider displacements help.
    pub noise: f64,
}

/// How often each context is looked at for a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReportPlan {
    /// Draws of displacements, or actions, at each context; 2 by default.
    pub actions: usize,
    /// Seeds of the simulator for each draw; 1 by default, which is enough for a simulator without noise.
    pub noises: usize,
}

impl Default for ReportPlan {
    fn default() -> Self {
        Self { actions: 2, noises: 1 }
    }
}

impl ReportPlan {
    /// Sets the draws at each context.
    #[must_use]
    pub fn actions(mut self, actions: usize) -> Self {
        self.actions = actions;
        self
    }

    /// Sets the seeds for each draw.
    #[must_use]
    pub fn noises(mut self, noises: usize) -> Self {
        self.noises = noises;
        self
    }
}

impl Estimator {
    /// Reports on this estimator at the columns of `points`: the action that the policy would take, for one
    /// context each.
    ///
    /// `f` gets the index of the context, an action near its point, and a seed.
    ///
    /// # Errors
    /// [`Error::OutOfRange`](crate::Error::OutOfRange) for fewer than two contexts or nothing drawn, and those
    /// of [`Self::gradient`].
    ///
    /// # Examples
    /// On ArmHit-v0 a pair of opposite displacements is worth more than a central difference along every axis,
    /// and most of its noise is its own.
    /// ```
    /// use linalg::DMatrix;
    /// use rl_pg::{ArmHit, Estimator, ReportPlan, Simulator};
    /// let contexts = ArmHit::halton_contexts(300);
    /// let mut arm = ArmHit::new();
    /// let mut reward = |context: usize, action: &[f64], seed: u64| {
    ///     Ok(arm.rollout(contexts.column(context).as_slice(), action, seed)?.reward)
    /// };
    /// let (still, plan) = (DMatrix::zeros(15, 300), ReportPlan::default());
    /// let pair = Estimator::antithetic(0.15).report(&still, plan, &mut reward, 7)?;
    /// let central = Estimator::central(0.05).compared_at(None).report(&still, plan, &mut reward, 7)?;
    /// assert!(pair.snr_per_rollout > 2.0 * central.snr_per_rollout);
    /// assert!(pair.shares.action > 0.5);
    /// # Ok::<(), rl_pg::Error>(())
    /// ```
    pub fn report(
        &self,
        points: &DMatrix<f64>,
        plan: ReportPlan,
        mut f: impl FnMut(usize, &[f64], u64) -> Result<f64>,
        seed: u64,
    ) -> Result<GradientReport> {
        let streams = Streams::new(seed);
        let each = plan.actions * plan.noises;
        let mut estimates = DMatrix::zeros(points.nrows(), points.ncols() * each);
        for (index, mut column) in estimates.column_iter_mut().enumerate() {
            let (context, action, noise) =
                (index / each, index % each / plan.noises, index % plan.noises);
            // One draw of displacements, and for every further look at it other seeds.
            let own = |point: &[f64], seed: u64| {
                f(context, point, Streams::new(seed).key(0, noise as u64, 0))
            };
            let draw = streams.key(0, context as u64, action as u64);
            let found = self.gradient(own, points.column(context).as_slice(), draw)?;
            column.copy_from(&found.gradient);
        }
        GradientReport::from_estimates(&estimates, plan, self.evaluations(points.nrows()))
    }
}

impl GradientReport {
    /// The report on any estimator, from its estimates in the columns of `estimates`: all looks at the first
    /// draw at the first context, then at its second draw, and so on, then the next context. Contexts are
    /// independent; `rollouts` is what one estimate cost.
    ///
    /// # Errors
    /// [`Error::OutOfRange`](crate::Error::OutOfRange) for fewer than two contexts or a plan that draws nothing,
    /// [`Error::Length`](crate::Error::Length) where columns are left over,
    /// [`Error::NotFinite`](crate::Error::NotFinite) with the place counted down the columns.
    pub fn from_estimates(
        estimates: &DMatrix<f64>,
        plan: ReportPlan,
        rollouts: usize,
    ) -> Result<Self> {
        let ReportPlan { actions, noises } = plan;
        let at_least = |argument, value, least, expected| {
            if value >= least {
                return Ok(());
            }
            Err(Error::OutOfRange { argument, value: real(value), expected })
        };
        at_least("plan.actions", actions, 1, "at least 1")?;
        at_least("plan.noises", noises, 1, "at least 1")?;
        at_least("rollouts", rollouts, 1, "at least 1")?;
        let contexts = estimates.ncols() / (actions * noises);
        at_least("contexts", contexts, 2, "at least 2")?;
        check::length("estimates", estimates.ncols(), contexts * actions * noises)?;
        check::finite("estimates", estimates.as_slice())?;

        let by_action = group_means(estimates, noises);
        let by_context = group_means(&by_action, actions);
        let gradient = by_context.column_mean();
        // Mean squares within draws, between draws, between contexts.
        let (within, between) =
            (spread(estimates, &by_action, noises), spread(&by_action, &by_context, actions));
        let all = DMatrix::from_columns(std::slice::from_ref(&gradient));
        let among = spread(&by_context, &all, contexts);
        let noise = within;
        let action = between - noise / real(noises);
        let context = among - between / real(actions);
        let variance = context + action + noise;

        let squared_signal = gradient.norm_squared() - among / real(contexts);
        let along: Vec<f64> = by_context.column_iter().map(|own| own.dot(&gradient)).collect();
        let center = gradient.norm_squared();
        let scatter: f64 = along.iter().map(|own| (own - center).powi(2)).sum();
        let squared_signal_std_error =
            2.0 * (scatter / (real(contexts) * real(contexts - 1))).sqrt();
        let ratio =
            if squared_signal > 0.0 && variance > 0.0 { squared_signal / variance } else { 0.0 };
        let half = contexts / 2;
        let (first, second) = (
            by_context.columns(0, half).column_mean(),
            by_context.columns(half, contexts - half).column_mean(),
        );
        Ok(Self {
            squared_signal,
            squared_signal_std_error,
            variance,
            snr_per_rollout: ratio / real(rollouts),
            shares: Shares::of(context, action, noise),
            agreement: cosine(&first, &second),
            recommended_batch: (ratio > 0.0).then(|| 1.0 / ratio),
            evaluations: estimates.ncols().saturating_mul(rollouts),
            gradient,
        })
    }
}

impl Shares {
    fn of(context: f64, action: f64, noise: f64) -> Self {
        let parts = [context, action, noise].map(|part| part.max(0.0));
        let total: f64 = parts.iter().sum();
        let [context, action, noise] =
            parts.map(|part| if total > 0.0 { part / total } else { 0.0 });
        Self { context, action, noise }
    }
}

/// The means of successive groups of `size` columns.
fn group_means(columns: &DMatrix<f64>, size: usize) -> DMatrix<f64> {
    let mut means = DMatrix::zeros(columns.nrows(), columns.ncols() / size);
    for (group, mut mean) in means.column_iter_mut().enumerate() {
        mean.copy_from(&columns.columns(group * size, size).column_mean());
    }
    means
}

/// The trace of the variance of a column within its group of `size`, averaged over the groups; 0 for groups of
/// one.
fn spread(columns: &DMatrix<f64>, means: &DMatrix<f64>, size: usize) -> f64 {
    if size < 2 {
        return 0.0;
    }
    let off = |(index, column): (usize, DVector<f64>)| {
        (column - means.column(index / size)).norm_squared()
    };
    let total: f64 =
        columns.column_iter().map(|column| column.into_owned()).enumerate().map(off).sum();
    total / (real(means.ncols()) * real(size - 1))
}

/// The cosine of the angle between two vectors; 0 where one vanishes.
fn cosine(a: &DVector<f64>, b: &DVector<f64>) -> f64 {
    let lengths = a.norm() * b.norm();
    if lengths > 0.0 { a.dot(b) / lengths } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_distr::{Distribution, StandardNormal};

    #[test]
    fn the_parts_are_found_that_were_put_in() {
        // Independent normal parts of variance 1 (context), 4 (action) and 9 (noise), around (3, 4).
        let (contexts, plan) = (4000, ReportPlan::default().actions(3).noises(2));
        let mut rng = Streams::new(7).rng(0, 0, 0);
        let mut draw = |size: f64| -> DVector<f64> {
            DVector::from_fn(2, |_, _| StandardNormal.sample(&mut rng)) * size
        };
        let mut columns = Vec::new();
        for _ in 0..contexts {
            let context = draw(1.0 / 2f64.sqrt());
            for _ in 0..3 {
                let action = draw(2f64.sqrt());
                for _ in 0..2 {
                    let noise = draw(3.0 / 2f64.sqrt());
                    columns
                        .push(DVector::from_column_slice(&[3.0, 4.0]) + &context + &action + noise);
                }
            }
        }
        let estimates = DMatrix::from_columns(&columns);
        let report = GradientReport::from_estimates(&estimates, plan, 5).unwrap();
        // 4,000 contexts: 5 % is more than five standard errors of each.
        let near = |found: f64, expected: f64| {
            assert!((found / expected - 1.0).abs() < 0.05, "{found} {expected}");
        };
        near(report.variance, 14.0);
        near(report.squared_signal, 25.0);
        near(report.snr_per_rollout, 25.0 / 14.0 / 5.0);
        near(report.recommended_batch.unwrap(), 14.0 / 25.0);
        near(report.shares.noise, 9.0 / 14.0);
        near(report.shares.action, 4.0 / 14.0);
        assert!((report.shares.context - 1.0 / 14.0).abs() < 0.02);
        assert!(report.agreement > 0.999);
        assert_eq!(report.evaluations, 4000 * 6 * 5);
        let z = (report.squared_signal - 25.0) / report.squared_signal_std_error;
        assert!(z.abs() < 5.0 && report.squared_signal_std_error < 1.0, "{z}");
    }

    #[test]
    fn noise_is_told_from_displacements_and_common_numbers_take_it_away() {
        let points = DMatrix::zeros(3, 500);
        let f = |_: usize, x: &[f64], seed: u64| {
            let noise: f64 = StandardNormal.sample(&mut Streams::new(seed).rng(0, 0, 0));
            Ok(x[0] + 0.1 * noise)
        };
        let plan = ReportPlan::default().noises(2);
        let spsa = Estimator::spsa(0.1);
        let common = spsa.report(&points, plan, f, 7).unwrap();
        assert!(common.shares.noise < 1e-20 && common.shares.action > 0.9, "{:?}", common.shares);
        let independent = spsa.random_numbers(crate::RandomNumbers::Independent);
        let shares = independent.report(&points, plan, f, 7).unwrap().shares;
        // (d − 1)·|∇f|² = 2 from the displacements, dτ²/2h² = 3/2 from the noise.
        assert!((shares.noise - 1.5 / 3.5).abs() < 0.1, "{shares:?}");
    }

    #[test]
    fn without_signal_it_recommends_no_batch() {
        let flat = |_: usize, _: &[f64], _: u64| Ok(1.0);
        let points = DMatrix::zeros(2, 3);
        let plan = ReportPlan::default();
        let report = Estimator::spsa(0.1).report(&points, plan, flat, 7).unwrap();
        assert_eq!((report.recommended_batch, report.evaluations), (None, 12));
        assert_eq!((report.snr_per_rollout, report.variance, report.agreement), (0.0, 0.0, 0.0));
        assert_eq!(report.shares, Shares { context: 0.0, action: 0.0, noise: 0.0 });
    }

    #[test]
    fn bad_input_is_named() {
        let text = |columns: usize, plan: ReportPlan| {
            let estimates = DMatrix::from_element(2, columns, 1.0);
            GradientReport::from_estimates(&estimates, plan, 1).unwrap_err().to_string()
        };
        let plan = ReportPlan::default();
        assert_eq!(text(2, plan), "contexts is 1, and must be at least 2");
        assert_eq!(text(5, plan), "estimates has 5 entries, expected 4");
        assert_eq!(text(4, plan.actions(0)), "plan.actions is 0, and must be at least 1");
        assert_eq!(text(4, plan.noises(0)), "plan.noises is 0, and must be at least 1");
        let mut estimates = DMatrix::from_element(2, 4, 1.0);
        estimates[(1, 1)] = f64::NAN;
        assert_eq!(
            GradientReport::from_estimates(&estimates, plan, 1).unwrap_err().to_string(),
            "estimates[3] is NaN, and every entry must be finite"
        );
        let f = |_: usize, _: &[f64], _: u64| Ok(1.0);
        let none = Estimator::spsa(0.1).report(&DMatrix::zeros(2, 3), plan.noises(0), f, 7);
        assert_eq!(none.unwrap_err().to_string(), "plan.noises is 0, and must be at least 1");
    }
}
