//! Versions and publishing: what keeps `cargo package` from strangers' crates.

use super::Problem;
use super::metadata::{Kind, Package};

/// Names that the registry holds strangers' crates under, all below this version.
const TAKEN: [&str; 3] = ["linalg", "dsp", "quad"];
const FREE_FROM: (u64, u64, u64) = (0, 20, 0);

/// Ours to use, not to publish.
const PRIVATE: [&str; 2] = ["xtask", "benches"];

/// The crate's manifest, from the workspace's root.
#[must_use]
pub fn manifest(name: &str) -> String {
    let folder = if PRIVATE.contains(&name) { "" } else { "crates/" };
    format!("{folder}{name}/Cargo.toml")
}

/// Major, minor and patch of a version or of a compiler's version; a missing part is 0.
#[must_use]
pub fn parts(version: &str) -> Option<(u64, u64, u64)> {
    let release = version.split(['-', '+']).next()?;
    let mut parts = release.split('.').map(|part| part.parse().ok());
    let parsed =
        (parts.next()??, parts.next().unwrap_or(Some(0))?, parts.next().unwrap_or(Some(0))?);
    parts.next().is_none().then_some(parsed)
}

/// One version for all, and not one that `cargo package` could find under a stranger's name.
#[must_use]
pub fn version(members: &[Package]) -> Vec<Problem> {
    let mut problems = Vec::new();
    for member in members {
        let version = &member.version;
        if members[0].version != *version {
            let (first, common) = (&members[0].name, &members[0].version);
            let advice =
                format!("version {version}, but {first} has {common}; inherit one version");
            problems.push(Problem::new(manifest(&member.name), advice));
        }
        let free = parts(version).is_some_and(|version| version >= FREE_FROM);
        if TAKEN.contains(&member.name.as_str()) && !free {
            let advice = format!(
                "version {version}; the registry has a stranger's {} below 0.20, which packaging \
                 would take for ours: stay at 0.20 or above while the name stands",
                member.name
            );
            problems.push(Problem::new(manifest(&member.name), advice));
        }
    }
    problems
}

/// A dependency within the workspace has a version beside its path; one for tests alone may lack it.
#[must_use]
pub fn local_versions(members: &[Package]) -> Vec<Problem> {
    let mut problems = Vec::new();
    for member in members {
        for dependency in &member.dependencies {
            let bare = dependency.requirement == "*" && dependency.kind != Kind::Development;
            if dependency.local && bare {
                let advice = format!(
                    "{} has a path and no version, and cannot be packaged; inherit it from the \
                     workspace",
                    dependency.name
                );
                problems.push(Problem::new(manifest(&member.name), advice));
            }
        }
    }
    problems
}

/// `publish = false` on xtask and benches, and nowhere else.
#[must_use]
pub fn publishable(members: &[Package]) -> Vec<Problem> {
    let wrong = members
        .iter()
        .filter(|member| member.publishable == PRIVATE.contains(&member.name.as_str()));
    wrong
        .map(|member| {
            let advice = if member.publishable {
                "is not for publishing; say `publish = false`"
            } else {
                "is a library; without `publish = false`, which keeps `cargo package --workspace` \
                 from finding it beside its siblings"
            };
            Problem::new(manifest(&member.name), advice)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::metadata::Dependency;
    use super::*;

    fn member(name: &str, version: &str) -> Package {
        Package { name: name.into(), version: version.into(), ..Package::default() }
    }

    #[test]
    fn versions_are_read_with_missing_parts_as_zero() {
        assert_eq!(parts("0.20.3"), Some((0, 20, 3)));
        assert_eq!(parts("1.89"), Some((1, 89, 0)));
        assert_eq!(parts("1.0.0-alpha.1"), Some((1, 0, 0)));
        for wrong in ["", "x", "1.", "1.2.3.4"] {
            assert_eq!(parts(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_version_that_a_stranger_has_is_refused() {
        for version_ in ["0.1.0", "0.19.9", "garbage"] {
            let problems = version(&[member("quad", version_)]);
            assert_eq!(problems.len(), 1, "{version_}");
            assert!(problems[0].advice.contains("stay at 0.20 or above"), "{}", problems[0]);
        }
        for version_ in ["0.20.0", "0.21.4", "1.0.0"] {
            assert_eq!(version(&[member("quad", version_)]), [], "{version_}");
        }
        assert_eq!(version(&[member("nn-core", "0.1.0")]), []);
    }

    #[test]
    fn two_versions_in_one_workspace_are_refused() {
        let problems = version(&[member("linalg", "0.20.0"), member("rl-pg", "0.20.1")]);
        assert_eq!(
            problems.iter().map(ToString::to_string).collect::<Vec<_>>(),
            ["crates/rl-pg/Cargo.toml: version 0.20.1, but linalg has 0.20.0; inherit one version"]
        );
    }

    #[test]
    fn a_path_without_a_version_is_refused() {
        let with = |requirement: &str, kind, local| {
            let name = "linalg".into();
            let dependency = Dependency { name, requirement: requirement.into(), kind, local };
            local_versions(&[Package {
                name: "quad".into(),
                dependencies: vec![dependency],
                ..Package::default()
            }])
        };
        assert_eq!(with("*", Kind::Normal, true).len(), 1);
        assert_eq!(with("*", Kind::Build, true).len(), 1);
        assert_eq!(with("*", Kind::Development, true), []);
        assert_eq!(with("^0.20.0", Kind::Normal, true), []);
    }

    #[test]
    fn only_xtask_and_benches_stay_unpublished() {
        let with = |name: &str, publishable| {
            super::publishable(&[Package { publishable, ..member(name, "0.20.0") }]).len()
        };
        assert_eq!((with("xtask", false), with("benches", false), with("dsp", true)), (0, 0, 0));
        assert_eq!((with("xtask", true), with("benches", true), with("dsp", false)), (1, 1, 1));
    }
}
