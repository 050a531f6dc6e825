//! What `cargo metadata` says, as plain values.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::verify::check::BoxError;

/// The packages, and who needs whom.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Metadata {
    /// The packages of the workspace, by name.
    pub members: Vec<Package>,
    /// These and every package that they need on this machine's platform, with all features.
    pub packages: Vec<Package>,
    /// By package id: the ids of what it needs to be built, its tests and benchmarks apart.
    pub needs: BTreeMap<String, Vec<String>>,
}

/// A package.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Package {
    /// Cargo's id, unique among versions and sources.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its license, an SPDX expression.
    pub license: Option<String>,
    /// The oldest compiler that builds it.
    pub rust_version: Option<String>,
    /// Whether its manifest allows publishing.
    pub publishable: bool,
    /// What its manifest names.
    pub dependencies: Vec<Dependency>,
}

/// A dependency as a manifest names it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Dependency {
    /// The package.
    pub name: String,
    /// Its version requirement, `*` for none.
    pub requirement: String,
    /// What it is for.
    pub kind: Kind,
    /// Whether it has a path, so is a package of this workspace.
    pub local: bool,
}

/// What a dependency is for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Kind {
    /// The package itself.
    #[default]
    Normal,
    /// Tests, examples and benchmarks.
    Development,
    /// The build script.
    Build,
}

/// The packages of the workspace alone: works without a network and without a download.
///
/// # Errors
/// `cargo metadata` cannot be run or understood.
pub fn of_members(root: &Path) -> Result<Metadata, BoxError> {
    cargo(root, &["metadata", "--format-version=1", "--no-deps", "--offline"])
        .and_then(|text| parse(&text))
}

/// The workspace and all that it needs on this platform; uses the network only for packages that
/// are not downloaded yet.
///
/// # Errors
/// `cargo metadata` cannot be run or understood.
pub fn of_everything(root: &Path) -> Result<Metadata, BoxError> {
    let version = cargo(root, &["-vV"])?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    let host = host.ok_or("`cargo -vV` does not name the host")?;
    let platform = format!("--filter-platform={host}");
    cargo(root, &["metadata", "--format-version=1", "--locked", "--all-features", &platform])
        .and_then(|text| parse(&text))
}

fn cargo(root: &Path, arguments: &[&str]) -> Result<String, BoxError> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo).args(arguments).current_dir(root).output()?;
    if !output.status.success() {
        let text = String::from_utf8_lossy(&output.stderr);
        return Err(format!("`cargo {}`: {}", arguments.join(" "), text.trim()).into());
    }
    Ok(String::from_utf8(output.stdout)?)
}

fn parse(text: &str) -> Result<Metadata, BoxError> {
    let value: Value = serde_json::from_str(text)?;
    let mut packages: Vec<Package> = list(&value["packages"]).map(package).collect();
    packages.sort_by(|a, b| (&a.name, &a.version).cmp(&(&b.name, &b.version)));
    let ids: BTreeSet<&str> = list(&value["workspace_members"]).filter_map(Value::as_str).collect();
    let members: Vec<Package> =
        packages.iter().filter(|package| ids.contains(package.id.as_str())).cloned().collect();
    if members.is_empty() {
        return Err("`cargo metadata` names no package of the workspace".into());
    }
    let needs = list(&value["resolve"]["nodes"])
        .map(|node| {
            let needed = list(&node["deps"])
                .filter(|needed| list(&needed["dep_kinds"]).any(|kind| kind["kind"] != "dev"));
            (string(&node["id"]), needed.map(|needed| string(&needed["pkg"])).collect())
        })
        .collect();
    Ok(Metadata { members, packages, needs })
}

fn package(value: &Value) -> Package {
    Package {
        id: string(&value["id"]),
        name: string(&value["name"]),
        version: string(&value["version"]),
        license: value["license"].as_str().map(str::to_owned),
        rust_version: value["rust_version"].as_str().map(str::to_owned),
        // `publish = false` shows as an empty list of registries.
        publishable: value["publish"].as_array().is_none_or(|registries| !registries.is_empty()),
        dependencies: list(&value["dependencies"]).map(dependency).collect(),
    }
}

fn dependency(value: &Value) -> Dependency {
    Dependency {
        name: string(&value["name"]),
        requirement: string(&value["req"]),
        kind: match value["kind"].as_str() {
            Some("dev") => Kind::Development,
            Some("build") => Kind::Build,
            _ => Kind::Normal,
        },
        local: value["path"].is_string(),
    }
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn string(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_is_read_as_cargo_writes_it() -> Result<(), BoxError> {
        let read = parse(
            r#"{"packages": [
                {"id": "b", "name": "b", "version": "1.0.0", "license": "MIT", "rust_version": "1.70",
                 "publish": [], "dependencies": [
                    {"name": "a", "req": "^1.2", "kind": "dev", "path": "/somewhere/a"}]},
                {"id": "a", "name": "a", "version": "1.2.3", "license": null, "rust_version": null,
                 "publish": null, "dependencies": []}],
              "workspace_members": ["b"],
              "resolve": {"nodes": [{"id": "b", "deps": [
                 {"pkg": "a", "dep_kinds": [{"kind": "dev"}]},
                 {"pkg": "c", "dep_kinds": [{"kind": "dev"}, {"kind": null}]}]}]}}"#,
        )?;
        let names: Vec<_> = read.packages.iter().map(|package| package.name.as_str()).collect();
        assert_eq!(names, ["a", "b"]);
        let [b] = &read.members[..] else { return Err("one member".into()) };
        assert!(!b.publishable && read.packages[0].publishable);
        assert_eq!(b.rust_version.as_deref(), Some("1.70"));
        assert_eq!(
            b.dependencies,
            [Dependency {
                name: "a".into(),
                requirement: "^1.2".into(),
                kind: Kind::Development,
                local: true
            }]
        );
        assert_eq!(read.needs["b"], ["c"]);
        assert!(parse("{}").is_err());
        Ok(())
    }
}
