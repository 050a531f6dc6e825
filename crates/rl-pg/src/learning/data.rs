//! What an update works on: the kept experience laid out side by side, with what each action is credited
//! with.

use std::fmt;

use linalg::{DMatrix, Real};

use crate::learning::advantage::{generalized_advantages, rewards_to_go, standardize};
use crate::{
    Baseline, Discounting, Error, Experience, LearnOptions, Learner, Policy, Result, Standardize,
};

/// Older data counts at most so much more than it did.
const LARGEST_WEIGHT: f64 = 2.0;

/// The experience an update works on, laid out side by side.
pub(crate) struct Data<T: Real> {
    pub(crate) x: DMatrix<T>,
    pub(crate) advantages: Vec<f64>,
    /// What the value network should say.
    pub(crate) targets: Vec<f64>,
    /// Log-probabilities at the start of the update.
    pub(crate) start: Vec<f64>,
    /// How much each sample counts.
    pub(crate) weights: Vec<f64>,
}

impl<T: Real, P: Policy> Learner<T, P> {
    /// Lays out the kept experience: advantages, targets, weights. With it the share of variance that
    /// the value network foresaw.
    pub(crate) fn prepare(&mut self) -> Result<(Data<T>, Option<f64>)> {
        let observations: Vec<f64> =
            self.kept.iter().flat_map(|batch| &batch.observations).copied().collect();
        let x = self.actor.inputs(&observations)?;
        let samples = x.ncols();
        let (mut start, mut weights) = (Vec::with_capacity(samples), vec![1.0; samples]);
        let newest = self.kept.len() - 1;
        for (index, batch) in self.kept.iter().enumerate() {
            if index == newest {
                start.extend_from_slice(&batch.log_probabilities);
                continue;
            }
            let policies = self.actor.policies_with(&batch.observations, &mut self.workspace)?;
            for ((policy, action), then) in
                policies.iter().zip(&batch.actions).zip(&batch.log_probabilities)
            {
                let now = policy.log_probability(action)?;
                weights[start.len()] = (now - then).exp().min(LARGEST_WEIGHT);
                start.push(now);
            }
        }
        let values = match &mut self.value {
            Some(value) => value.of(&x)?,
            None => vec![0.0; samples],
        };
        let (mut advantages, mut targets) = (Vec::with_capacity(samples), Vec::new());
        let mut offset = 0;
        for batch in &self.kept {
            let values = &values[offset..offset + batch.len()];
            offset += batch.len();
            let ahead: Vec<f64> = batch
                .episodes
                .iter()
                .filter_map(|episode| episode.next.as_ref())
                .flatten()
                .copied()
                .collect();
            let mut after = match &mut self.value {
                Some(value) if !ahead.is_empty() => value.of(&self.actor.inputs(&ahead)?)?,
                _ => Vec::new(),
            }
            .into_iter();
            let own = advantages.len();
            for (first, episode) in batch.stretches() {
                let range = first..episode.end;
                let (rewards, values) = (&batch.rewards[range.clone()], &values[range]);
                let after = episode.next.as_ref().and_then(|_| after.next()).unwrap_or(0.0);
                let LearnOptions { discount, lambda, .. } = self.options;
                if self.value.is_some() {
                    let gained = generalized_advantages(rewards, values, after, discount, lambda);
                    targets.extend(gained.iter().zip(values).map(|(a, v)| a + v));
                    advantages.extend(gained);
                } else {
                    advantages.extend(rewards_to_go(rewards, discount, after));
                }
            }
            if self.value.is_none() {
                subtract(self.options.baseline, batch, &mut advantages[own..])?;
            }
            if self.options.discounting == Discounting::Kept {
                for (first, episode) in batch.stretches() {
                    for step in first..episode.end {
                        let time = episode.clock + step - first;
                        advantages[own + step] *=
                            Discounting::Kept.factor(self.options.discount, time);
                    }
                }
            }
        }
        let explained = self.value.is_some().then(|| explained(&targets, &values));
        if self.options.standardize == Standardize::Yes {
            standardize(&mut advantages);
        }
        Ok((Data { x, advantages, targets, start, weights }, explained))
    }
}

/// Takes a baseline from the returns of a batch. For episodes of one step it is that of
/// [`score_function`](crate::score_function); for longer ones the mean is over all steps, and
/// leave-one-out leaves the step's own episode out.
fn subtract<A: fmt::Debug>(
    baseline: Baseline,
    batch: &Experience<A>,
    returns: &mut [f64],
) -> Result<()> {
    let total: f64 = returns.iter().sum();
    let n = returns.len() as f64;
    let at_least_two = |baseline| match batch.episodes() {
        got @ 0..2 => Err(Error::TooFewSamples { baseline, got }),
        _ => Ok(()),
    };
    match baseline {
        Baseline::None => {}
        Baseline::Constant(value) => returns.iter_mut().for_each(|g| *g -= value),
        Baseline::BatchMean => {
            at_least_two("batch-mean")?;
            returns.iter_mut().for_each(|g| *g -= total / n);
        }
        Baseline::LeaveOneOut => {
            at_least_two("leave-one-out")?;
            for (first, episode) in batch.stretches() {
                let own = &mut returns[first..episode.end];
                let others = (total - own.iter().sum::<f64>()) / (n - own.len() as f64);
                own.iter_mut().for_each(|g| *g -= others);
            }
        }
        Baseline::Optimal | Baseline::OptimalPerParameter => {
            return Err(Error::ScoresNotKept { baseline: "optimal" });
        }
    }
    Ok(())
}

/// 1 − the mean square of target − value over the variance of the targets; 0 where they are equal.
fn explained(targets: &[f64], values: &[f64]) -> f64 {
    let n = targets.len() as f64;
    let mean = targets.iter().sum::<f64>() / n;
    let variance = targets.iter().map(|target| (target - mean).powi(2)).sum::<f64>();
    let left: f64 = targets.iter().zip(values).map(|(t, v)| (t - v).powi(2)).sum();
    if variance > 0.0 { 1.0 - left / variance } else { 0.0 }
}
