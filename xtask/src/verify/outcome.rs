//! What became of a check, and the rule that decides it.

use super::check::{Check, Evidence};

/// A check that was run: what it measured and what follows from it.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// The check.
    pub check: Check,
    /// What follows.
    pub verdict: Verdict,
    /// What it measured, where it came that far.
    pub evidence: Option<Evidence>,
    /// How long it took, in seconds.
    pub seconds: f64,
}

/// What follows from a measurement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The claim is within its limit, and the control is not.
    Pass,
    /// One of the two is not so.
    Fail(String),
    /// Nothing was measured that could be judged.
    Error(String),
}

impl Verdict {
    /// `pass`, `fail` or `error`.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail(_) => "fail",
            Self::Error(_) => "error",
        }
    }

    /// What is wrong, for a check that did not pass.
    #[must_use]
    pub fn problem(&self) -> Option<&str> {
        match self {
            Self::Pass => None,
            Self::Fail(problem) | Self::Error(problem) => Some(problem),
        }
    }
}

impl Evidence {
    /// measured / limit: how much of the limit is used up. 0 of nothing is 0, anything else of
    /// nothing infinite.
    #[must_use]
    pub fn ratio(&self) -> f64 {
        if self.measured == 0.0 { 0.0 } else { self.measured / self.limit }
    }

    /// Whether the measurement is within the limit; a NaN never is.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.measured <= self.limit
    }

    /// Whether the control did what it must: exceed the limit.
    #[must_use]
    pub fn control_failed(&self) -> bool {
        self.control.measured > self.limit
    }

    /// Judges the measurement and its control.
    ///
    /// A limit of 0 is a claim of equality. A negative measurement is an error, since a signed
    /// deviation below minus the limit would pass.
    #[must_use]
    pub fn judge(&self) -> Verdict {
        let Self { measured, limit, .. } = *self;
        let control = self.control.measured;
        let invalid = if !(limit >= 0.0 && limit.is_finite()) {
            Some(format!("the limit is {limit:e}, and must be finite and not negative"))
        } else if measured < 0.0 {
            Some(format!("measured {measured:e}, and a measurement is a magnitude, at least 0"))
        } else if control.is_nan() {
            Some("the control measured NaN, so there is no control".to_owned())
        } else if self.reason.trim().is_empty() {
            Some("the limit has no reason".to_owned())
        } else if self.control.what.trim().is_empty() {
            Some("the control does not say what it does wrong".to_owned())
        } else {
            None
        };
        if let Some(problem) = invalid {
            return Verdict::Error(problem);
        }
        let mut problems = Vec::new();
        if measured.is_nan() {
            problems.push("measured NaN, which is within no limit".to_owned());
        } else if !self.holds() {
            problems.push(format!("measured {measured:e}, above the limit {limit:e}"));
        }
        if !self.control_failed() {
            problems.push(format!(
                "control did not fail: {control:e} is within the limit {limit:e}, so the check \
                 proves nothing"
            ));
        }
        if problems.is_empty() { Verdict::Pass } else { Verdict::Fail(problems.join("; ")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verify::check::Control;

    const WELL: (f64, f64, f64) = (1e-16, 1e-12, 0.5);

    fn evidence((measured, limit, control): (f64, f64, f64)) -> Evidence {
        Evidence {
            measured,
            limit,
            reason: "a bound",
            control: Control { what: "the wrong way", measured: control },
            plots: Vec::new(),
            notes: Vec::new(),
        }
    }

    #[test]
    fn a_claim_passes_within_its_limit_when_the_control_exceeds_it() {
        for case in [WELL, (1e-12, 1e-12, 1.1e-12), (0.0, 0.0, 1e-300), (0.0, 1.0, f64::INFINITY)] {
            assert_eq!(evidence(case).judge(), Verdict::Pass, "{case:?}");
        }
    }

    #[test]
    fn a_claim_above_its_limit_or_a_control_within_it_fails() {
        for (case, problem) in [
            ((1.5e-12, 1e-12, 0.5), "measured 1.5e-12, above the limit 1e-12"),
            ((f64::INFINITY, 1e-12, 0.5), "measured inf, above the limit 1e-12"),
            ((5e-324, 0.0, 0.5), "measured 5e-324, above the limit 0e0"),
            ((f64::NAN, 1e-12, 0.5), "measured NaN, which is within no limit"),
            (
                (0.0, 1.0, 1.0),
                "control did not fail: 1e0 is within the limit 1e0, so the check proves nothing",
            ),
            (
                (2.0, 1.0, -3.0),
                "measured 2e0, above the limit 1e0; control did not fail: -3e0 is within the limit \
                 1e0, so the check proves nothing",
            ),
        ] {
            assert_eq!(evidence(case).judge(), Verdict::Fail(problem.to_owned()), "{case:?}");
        }
    }

    #[test]
    fn what_cannot_be_judged_is_an_error() {
        for (case, problem) in [
            ((0.0, f64::NAN, 1.0), "the limit is NaN, and must be finite and not negative"),
            ((0.0, f64::INFINITY, 1.0), "the limit is inf, and must be finite and not negative"),
            ((0.0, -1.0, 1.0), "the limit is -1e0, and must be finite and not negative"),
            ((-2.0, 1.0, 3.0), "measured -2e0, and a measurement is a magnitude, at least 0"),
            ((0.0, 1.0, f64::NAN), "the control measured NaN, so there is no control"),
        ] {
            assert_eq!(evidence(case).judge(), Verdict::Error(problem.to_owned()), "{case:?}");
        }
        let no_reason = Evidence { reason: " ", ..evidence(WELL) };
        assert_eq!(no_reason.judge(), Verdict::Error("the limit has no reason".to_owned()));
        let mut no_control = evidence(WELL);
        no_control.control.what = "";
        assert_eq!(
            no_control.judge(),
            Verdict::Error("the control does not say what it does wrong".to_owned())
        );
    }

    #[test]
    fn a_nan_holds_nothing() {
        assert!(!evidence((f64::NAN, 1.0, 2.0)).holds());
        assert!(!evidence((0.0, 1.0, f64::NAN)).control_failed());
    }

    #[test]
    fn the_ratio_of_an_exact_claim_is_zero_or_infinite() {
        assert_eq!(evidence((0.0, 0.0, 1.0)).ratio().to_bits(), 0.0_f64.to_bits());
        assert!(evidence((1e-9, 0.0, 1.0)).ratio().is_infinite());
        assert!((evidence((1.0, 4.0, 5.0)).ratio() - 0.25).abs() < f64::EPSILON);
    }
}
