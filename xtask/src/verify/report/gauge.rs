//! A check's three numbers on one scale: what was measured, the limit, and what the wrong way gives.

use super::number;
use crate::verify::check::Evidence;

const WIDTH: f64 = 460.0;
const LEFT: f64 = 14.0;
const RIGHT: f64 = WIDTH - 14.0;
/// Where the scale lies; the limit is named above, the ends below.
const MIDDLE: f64 = 36.0;
const HEIGHT: f64 = 66.0;
/// Half the room that the limit's name takes.
const NAME: f64 = 66.0;

/// The drawing, logarithmic from what was measured on the left to the wrong way on the right; `None`
/// for a check that did not pass.
#[must_use]
pub fn gauge(evidence: &Evidence) -> Option<String> {
    if !(evidence.holds() && evidence.control_failed()) {
        return None;
    }
    let limit = LEFT + fraction(evidence) * (RIGHT - LEFT);
    let (measured, control) = (number(evidence.measured), number(evidence.control.measured));
    let name = limit.clamp(LEFT + NAME, RIGHT - NAME);
    Some(format!(
        "<svg class=\"gauge\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" \
         aria-label=\"measured {measured}, limit {0}, the wrong way {control}\">\n\
         <path class=\"held\" d=\"M{LEFT} {MIDDLE}H{limit:.1}\"/>\n\
         <path class=\"grid\" d=\"M{limit:.1} {MIDDLE}H{RIGHT}\"/>\n\
         <path class=\"limit\" d=\"M{limit:.1} {1}V{2}\"/>\n\
         <path class=\"dots right\" d=\"M{LEFT} {MIDDLE}h0\"/>\n\
         <path class=\"dots wrong\" d=\"M{RIGHT} {MIDDLE}h0\"/>\n\
         <text x=\"{name:.1}\" y=\"16\" text-anchor=\"middle\" class=\"label\">limit {0}</text>\n\
         <text x=\"4\" y=\"{3}\">{measured}</text>\n\
         <text x=\"{4}\" y=\"{3}\" text-anchor=\"end\">wrong way {control}</text>\n</svg>\n",
        number(evidence.limit),
        MIDDLE - 12.0,
        MIDDLE + 12.0,
        HEIGHT - 6.0,
        WIDTH - 4.0,
    ))
}

/// Where the limit lies between the two, never on either. A zero is a decade below the least number
/// there is, an infinity a decade above.
fn fraction(evidence: &Evidence) -> f64 {
    let values = [evidence.measured, evidence.limit, evidence.control.measured];
    let decades = values.iter().filter(|x| **x > 0.0 && x.is_finite()).map(|x| x.log10());
    let (low, high) = decades
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), x| (low.min(x), high.max(x)));
    let (low, high) = if low > high { (0.0, 0.0) } else { (low, high) };
    let place = |value: f64| match value {
        0.0 => low - 1.0,
        value if value.is_finite() => value.log10(),
        _ => high + 1.0,
    };
    let [measured, limit, control] = values.map(place);
    ((limit - measured) / (control - measured)).clamp(0.04, 0.96)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verify::check::Control;

    fn evidence(measured: f64, limit: f64, control: f64) -> Evidence {
        let control = Control { what: "wrong", measured: control };
        Evidence { measured, limit, reason: "", control, plots: Vec::new(), notes: Vec::new() }
    }

    #[test]
    fn the_limit_lies_between_the_two_in_decades() {
        assert!((fraction(&evidence(1e-16, 1e-12, 1.0)) - 0.25).abs() < 1e-12);
        assert!((fraction(&evidence(0.0, 1e-2, 1e-1)) - 0.5).abs() < 1e-12);
        assert!((fraction(&evidence(0.1, 1.0, f64::INFINITY)) - 0.5).abs() < 1e-12);
        for (measured, limit, control) in
            [(0.0, 0.0, 3.0), (1.0, 1.0, 1e9), (0.0, 0.0, f64::INFINITY)]
        {
            let at = fraction(&evidence(measured, limit, control));
            assert!((0.04..=0.96).contains(&at), "{at}");
        }
    }

    #[test]
    fn only_a_check_that_passed_has_one() {
        assert!(gauge(&evidence(1e-3, 1e-2, 0.5)).is_some_and(|svg| svg.contains("limit 0.0100")));
        assert!(gauge(&evidence(2e-2, 1e-2, 0.5)).is_none());
        assert!(gauge(&evidence(f64::NAN, 1e-2, 0.5)).is_none());
        assert!(gauge(&evidence(1e-3, 1e-2, 1e-3)).is_none());
    }
}
