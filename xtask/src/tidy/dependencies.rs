//! What the dependencies ask of us: a compiler, and a license.

use std::collections::BTreeSet;

use super::Problem;
use super::manifests::{manifest, parts};
use super::metadata::{Metadata, Package};

/// `rust-version` is the highest that the libraries' dependencies have: as low as they allow.
#[must_use]
pub fn rust_version(metadata: &Metadata) -> Vec<Problem> {
    let ours: BTreeSet<&str> = metadata.members.iter().map(|member| member.id.as_str()).collect();
    let libraries = metadata.members.iter().filter(|member| member.publishable);
    let needed = needed(metadata, libraries.map(|library| library.id.as_str()).collect());
    let newest = metadata
        .packages
        .iter()
        .filter(|package| !ours.contains(package.id.as_str()))
        .filter(|package| needed.contains(package.id.as_str()))
        .filter_map(|package| Some((parts(package.rust_version.as_deref()?)?, package)))
        // The first of equals, so that the message does not depend on their order.
        .min_by(|(a, _), (b, _)| b.cmp(a));
    let Some(((major, minor, patch), package)) = newest else { return Vec::new() };
    let mut problems = Vec::new();
    for member in &metadata.members {
        let own = member.rust_version.as_deref().and_then(parts);
        if own != Some((major, minor, patch)) {
            let patch = if patch == 0 { String::new() } else { format!(".{patch}") };
            let advice = format!(
                "rust-version is {}, but the highest among the dependencies is {major}.{minor}{patch} \
                 ({} {}); say that in the workspace's manifest and inherit it",
                member.rust_version.as_deref().unwrap_or("missing"),
                package.name,
                package.version,
            );
            problems.push(Problem::new(manifest(&member.name), advice));
        }
    }
    problems
}

/// The ids of these packages and of everything that they need.
fn needed<'a>(metadata: &'a Metadata, mut open: Vec<&'a str>) -> BTreeSet<&'a str> {
    let mut found = BTreeSet::new();
    while let Some(id) = open.pop() {
        if found.insert(id) {
            open.extend(metadata.needs.get(id).into_iter().flatten().map(String::as_str));
        }
    }
    found
}

/// Every package, those of tests and benchmarks too, can be had under a license that deny.toml
/// allows. cargo-deny asks the same, where it is installed.
#[must_use]
pub fn licenses(packages: &[Package], deny_toml: &str) -> Vec<Problem> {
    let allowed = allowed(deny_toml);
    if allowed.is_empty() {
        return vec![Problem::new("deny.toml", "[licenses] has no list `allow`; add one")];
    }
    let mut problems = Vec::new();
    for package in packages {
        let license = package.license.as_deref();
        if !license.and_then(|license| permits(license, &allowed)).unwrap_or(false) {
            let advice = format!(
                "{} {} has the license {}, which deny.toml does not allow; replace the package",
                package.name,
                package.version,
                license.unwrap_or("(none)")
            );
            problems.push(Problem::new("Cargo.lock", advice));
        }
    }
    problems
}

/// The list `allow` of `[licenses]`.
fn allowed(deny_toml: &str) -> Vec<&str> {
    let list = deny_toml
        .split_once("[licenses]")
        .and_then(|(_, section)| section.split_once("allow = ["))
        .and_then(|(_, list)| list.split_once(']'));
    list.map_or_else(Vec::new, |(list, _)| list.split('"').skip(1).step_by(2).collect())
}

/// Whether an SPDX expression can be met; `None` for one that cannot be read. The old `/` is OR.
fn permits(expression: &str, allowed: &[&str]) -> Option<bool> {
    let text = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let words: Vec<&str> = text.split_whitespace().collect();
    let mut rest = &words[..];
    let met = any(&mut rest, allowed)?;
    rest.is_empty().then_some(met)
}

/// `all [OR all]..`
fn any(words: &mut &[&str], allowed: &[&str]) -> Option<bool> {
    let mut met = all(words, allowed)?;
    while let ["OR", rest @ ..] = words {
        *words = rest;
        met |= all(words, allowed)?;
    }
    Some(met)
}

/// `one [AND one]..`
fn all(words: &mut &[&str], allowed: &[&str]) -> Option<bool> {
    let mut met = one(words, allowed)?;
    while let ["AND", rest @ ..] = words {
        *words = rest;
        met &= one(words, allowed)?;
    }
    Some(met)
}

/// `( any )`, or a license, or one `WITH` an exception, which is a license of its own.
fn one(words: &mut &[&str], allowed: &[&str]) -> Option<bool> {
    match words {
        ["(", rest @ ..] => {
            *words = rest;
            let met = any(words, allowed)?;
            let [")", rest @ ..] = words else { return None };
            *words = rest;
            Some(met)
        }
        [")" | "OR" | "AND" | "WITH", ..] | [] => None,
        [license, "WITH", exception, rest @ ..] => {
            *words = rest;
            Some(allowed.contains(&format!("{license} WITH {exception}").as_str()))
        }
        [license, rest @ ..] => {
            *words = rest;
            Some(allowed.contains(license))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DENY: &str = "[licenses]\n# why\nallow = [\n    \"MIT\",\n    \"Unicode-3.0\",\n]\n";

    fn package(name: &str, rust_version: Option<&str>) -> Package {
        Package {
            id: name.into(),
            name: name.into(),
            version: "1.0.0".into(),
            rust_version: rust_version.map(str::to_owned),
            publishable: name != "xtask",
            ..Package::default()
        }
    }

    fn workspace(ours: &str, deep: &str) -> Metadata {
        let members = vec![package("quad", Some(ours)), package("xtask", Some(ours))];
        let others =
            [package("shallow", None), package("deep", Some(deep)), package("tool", Some("1.99"))];
        let needs = [("quad", "shallow"), ("shallow", "deep"), ("xtask", "tool")];
        Metadata {
            packages: [members.clone(), others.to_vec()].concat(),
            members,
            needs: needs.map(|(from, to)| (from.into(), vec![to.into()])).into(),
        }
    }

    #[test]
    fn the_compiler_is_as_old_as_the_libraries_dependencies_allow() {
        assert_eq!(rust_version(&workspace("1.89", "1.89.0")), []);
        for wrong in ["1.88", "1.90", "1.89.1"] {
            let problems = rust_version(&workspace(wrong, "1.89.0"));
            assert_eq!(
                problems[0].to_string(),
                format!(
                    "crates/quad/Cargo.toml: rust-version is {wrong}, but the highest among the \
                     dependencies is 1.89 (deep 1.0.0); say that in the workspace's manifest and \
                     inherit it"
                )
            );
            assert_eq!(problems.len(), 2, "xtask must have it too");
        }
    }

    #[test]
    fn expressions_of_licenses_are_understood() {
        for (expression, met) in [
            ("MIT", Some(true)),
            ("GPL-3.0-or-later", Some(false)),
            ("Apache-2.0 OR MIT", Some(true)),
            ("Unlicense/MIT", Some(true)),
            ("MIT AND GPL-2.0", Some(false)),
            ("GPL-2.0 AND Zlib OR MIT", Some(true)),
            ("GPL-2.0 AND (Zlib OR MIT)", Some(false)),
            ("(MIT OR Apache-2.0) AND Unicode-3.0", Some(true)),
            ("MIT WITH some-exception", Some(false)),
            ("", None),
            ("MIT OR", None),
            ("(MIT", None),
            ("MIT Zlib", None),
        ] {
            assert_eq!(permits(expression, &allowed(DENY)), met, "{expression}");
        }
    }

    #[test]
    fn a_license_that_is_not_allowed_is_refused() {
        let licensed = |license: Option<&str>| Package {
            license: license.map(str::to_owned),
            ..package("deep", None)
        };
        assert_eq!(licenses(&[licensed(Some("MIT"))], DENY), []);
        for license in [None, Some("GPL-3.0-or-later"), Some("MIT OR")] {
            assert_eq!(licenses(&[licensed(license)], DENY).len(), 1, "{license:?}");
        }
        assert_eq!(
            licenses(&[licensed(Some("GPL-3.0"))], DENY)[0].to_string(),
            "Cargo.lock: deep 1.0.0 has the license GPL-3.0, which deny.toml does not allow; replace \
             the package"
        );
        assert_eq!(licenses(&[], "[bans]")[0].place, "deny.toml");
    }
}
