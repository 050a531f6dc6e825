//! Who may depend on whom. An arrow points down only; tests and benchmarks are no exception.

use super::Problem;
use super::metadata::Package;

/// A crate, and the crates of this workspace that it may name; lowest layer first.
///
/// A new crate or arrow is a change of the architecture: ARCHITECTURE.md changes with it.
const LAYERS: &[(&str, Below)] = &[
    ("linalg", Below::Only(&[])),
    ("nn-core", Below::Only(&["linalg"])),
    ("nn-invert", Below::Only(&["linalg", "nn-core"])),
    ("rl-pg", Below::Only(&["linalg", "nn-core"])),
    ("dsp", Below::Only(&["linalg"])),
    ("quad", Below::Only(&["linalg"])),
    // Stands on linalg alone; its tests run over ranks what the two others have.
    ("ranks", Below::Only(&["linalg", "nn-core", "rl-pg"])),
    ("benches", Below::Everything),
    ("xtask", Below::Everything),
];

enum Below {
    Only(&'static [&'static str]),
    Everything,
}

/// The libraries whose types and bugs `linalg` alone has to know.
const KERNELS: [&str; 3] = ["nalgebra", "faer", "pulp"];

/// Every arrow between two crates is in the table, and every crate has a row.
#[must_use]
pub fn arrows(members: &[Package]) -> Vec<Problem> {
    let mut problems = Vec::new();
    for member in members {
        let place = super::manifests::manifest(&member.name);
        let Some((_, below)) = LAYERS.iter().find(|(name, _)| *name == member.name) else {
            let advice =
                "is no crate of the layer table; give it a row in xtask/src/tidy/layers.rs";
            problems.push(Problem::new(place, format!("{} {advice}", member.name)));
            continue;
        };
        let Below::Only(allowed) = below else { continue };
        for dependency in member.dependencies.iter().filter(|dependency| dependency.local) {
            if !allowed.contains(&dependency.name.as_str()) {
                let allowed =
                    if allowed.is_empty() { "nothing".to_owned() } else { allowed.join(" and ") };
                problems.push(Problem::new(
                    place.clone(),
                    format!(
                        "{} may depend on {allowed}, not on {}; what needs both belongs in xtask",
                        member.name, dependency.name
                    ),
                ));
            }
        }
    }
    problems
}

/// nalgebra, faer and pulp are named by `linalg` alone.
#[must_use]
pub fn kernels(members: &[Package]) -> Vec<Problem> {
    members
        .iter()
        .filter(|member| member.name != "linalg")
        .flat_map(|member| member.dependencies.iter().map(move |dependency| (member, dependency)))
        .filter(|(_, dependency)| KERNELS.contains(&dependency.name.as_str()))
        .map(|(member, dependency)| {
            let name = &dependency.name;
            let place = super::manifests::manifest(&member.name);
            Problem::new(place, format!("names {name}; use what linalg offers, or extend linalg"))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::metadata::{Dependency, Kind};
    use super::*;

    fn crate_with(name: &str, dependency: &str, kind: Kind) -> Package {
        let local = !KERNELS.contains(&dependency);
        let dependency =
            Dependency { name: dependency.into(), requirement: "^1".into(), kind, local };
        Package { name: name.into(), dependencies: vec![dependency], ..Package::default() }
    }

    #[test]
    fn an_arrow_up_or_sideways_is_refused_for_tests_too() {
        for (from, to) in [("linalg", "quad"), ("dsp", "nn-core"), ("nn-invert", "rl-pg")] {
            for kind in [Kind::Normal, Kind::Development, Kind::Build] {
                assert_eq!(arrows(&[crate_with(from, to, kind)]).len(), 1, "{from} -> {to}");
            }
        }
        assert_eq!(
            arrows(&[crate_with("nn-core", "dsp", Kind::Development)])[0].to_string(),
            "crates/nn-core/Cargo.toml: nn-core may depend on linalg, not on dsp; what needs both \
             belongs in xtask"
        );
    }

    #[test]
    fn the_arrows_between_libraries_are_these() {
        let libraries = ["linalg", "nn-core", "nn-invert", "rl-pg", "dsp", "quad"];
        let mut allowed = Vec::new();
        for from in libraries {
            for to in libraries {
                if arrows(&[crate_with(from, to, Kind::Normal)]).is_empty() {
                    allowed.push(format!("{from} -> {to}"));
                }
            }
            for above in ["xtask", "benches"] {
                assert_eq!(arrows(&[crate_with(above, from, Kind::Normal)]), []);
                assert_eq!(arrows(&[crate_with(from, above, Kind::Normal)]).len(), 1);
            }
        }
        assert_eq!(
            allowed,
            [
                "nn-core -> linalg",
                "nn-invert -> linalg",
                "nn-invert -> nn-core",
                "rl-pg -> linalg",
                "rl-pg -> nn-core",
                "dsp -> linalg",
                "quad -> linalg",
            ]
        );
    }

    #[test]
    fn a_crate_without_a_row_is_refused() {
        let problems = arrows(&[Package { name: "viz".into(), ..Package::default() }]);
        assert_eq!(
            problems[0].to_string(),
            "crates/viz/Cargo.toml: viz is no crate of the layer table; give it a row in \
             xtask/src/tidy/layers.rs"
        );
    }

    #[test]
    fn only_linalg_names_the_kernels() {
        for kernel in KERNELS {
            assert_eq!(kernels(&[crate_with("linalg", kernel, Kind::Normal)]), []);
            for other in ["dsp", "xtask", "benches"] {
                let problems = kernels(&[crate_with(other, kernel, Kind::Development)]);
                assert_eq!(problems.len(), 1, "{other} names {kernel}");
            }
        }
    }
}
