use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use xtask::bench::{self, Extent, Part, Request, Start};
use xtask::verify::check::BoxError;

/// A stand-in for a Python with peers. `linalg.py` has three lines, the other scripts have none; what was asked for is
/// written down beside it.
const PYTHON: &str = r#"#!/bin/sh
case "$1" in *linalg.py) ;; *) exit 0 ;; esac
case "$*" in *--list*)
    echo '{"id": "linalg/good/64", "slow": false, "goals": true}'
    echo '{"id": "linalg/good/8", "slow": false, "goals": false}'
    echo '{"id": "linalg/bad", "slow": true, "goals": true}'
    exit 0 ;;
esac
echo "$*" | sed 's/.*--rounds/--rounds/' >> "$(dirname "$0")/asked"
for word; do case "$word" in
linalg/good/*) echo '{"id": "'$word'", "threads": 1, "rows": [
    {"id": "'$word'", "peer": "numpy", "ours_s": 1e-3, "peer_s": 2e-3, "ratio": 0.5, "ratio_min": 0.4, "ratio_max": 0.6,
     "threads": 1, "same_result": true, "goal": 0.4, "met": false},
    {"id": "'$word'", "peer": "nalgebra", "ours_s": 1e-3, "peer_s": 4e-3, "ratio": 0.25, "ratio_min": 0.2,
     "ratio_max": 0.3, "threads": 1, "same_result": true, "goal": 1.0, "met": true},
    {"id": "'$word'", "peer": "JAX", "threads": 1, "goal": null, "missing": "No module named jax"}]}' | tr -d '\n'; echo ;;
linalg/bad) echo '{"id": "linalg/bad", "threads": 1, "rows": [
    {"id": "linalg/bad", "peer": "numpy", "threads": 1, "goal": null, "same_result": false, "differ": "1 and 2"}]}' | tr -d '\n'; echo ;;
esac; done
"#;

/// A folder of its own with that Python in it, and a request that runs it.
fn request(name: &str) -> Result<(Request, PathBuf), BoxError> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("bench").join(name);
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir_all(&folder)?;
    let python = folder.join("python");
    fs::write(&python, PYTHON)?;
    fs::set_permissions(&python, fs::Permissions::from_mode(0o755))?;
    let request = Request {
        parts: vec![Part::Peers],
        threads: vec![1],
        workers: Some(folder.clone()),
        python: Some(python),
        folder: folder.clone(),
        ..Request::default()
    };
    Ok((request, folder))
}

fn run(request: &Request) -> Result<(u8, String), BoxError> {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let code = bench::run(request, &mut out, &mut err)?;
    Ok((code, String::from_utf8(out)?))
}

#[test]
fn a_line_is_measured_once_and_shown_with_its_goals() -> Result<(), BoxError> {
    let (mut request, folder) = request("once")?;
    request.filters = vec!["good".to_owned()];
    let (code, table) = run(&request)?;
    assert_eq!(code, 0, "{table}");
    let lines: Vec<Vec<&str>> =
        table.lines().map(|line| line.split_whitespace().collect()).collect();
    assert!(
        lines.contains(
            &"linalg/good/8 numpy 1 1.00 ms 2.00 ms 0.500 0.400 to 0.600 0.400 MISSED"
                .split(' ')
                .collect()
        ),
        "{table}"
    );
    assert!(
        lines.contains(
            &"nalgebra 1 1.00 ms 4.00 ms 0.250 0.200 to 0.300 1.00 met".split(' ').collect()
        ),
        "{table}"
    );
    assert!(table.contains("goals: 2 met, 2 missed"), "{table}");
    assert!(table.contains("missing in 2 rows: No module named jax"), "{table}");
    assert_eq!(run(&request)?, (code, table), "the second time all of it is kept");
    let asked = fs::read_to_string(folder.join("asked"))?;
    assert_eq!(asked, "--rounds 7 linalg/good/64 linalg/good/8\n");
    let ratios: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(folder.join("ratios.json"))?)?;
    assert_eq!(ratios.as_array().map(Vec::len), Some(6));
    assert_eq!((&ratios[0]["id"], &ratios[0]["ratio"]), (&"linalg/good/8".into(), &0.5.into()));
    Ok(())
}

#[test]
fn a_fresh_start_measures_again_what_is_named() -> Result<(), BoxError> {
    let (mut request, folder) = request("fresh")?;
    request.filters = vec!["good".to_owned()];
    run(&request)?;
    // A whole id means that line alone.
    request.filters = vec!["linalg/good/8".to_owned()];
    request.start = Start::Fresh;
    run(&request)?;
    let asked = fs::read_to_string(folder.join("asked"))?;
    assert_eq!(asked.lines().last(), Some("--rounds 7 linalg/good/8"));
    Ok(())
}

#[test]
fn another_answer_than_the_peers_is_an_error_and_is_measured_again() -> Result<(), BoxError> {
    let (mut request, folder) = request("other")?;
    request.filters = vec!["bad".to_owned()];
    for _ in 0..2 {
        let (code, table) = run(&request)?;
        assert_eq!(code, 1, "{table}");
        assert!(table.contains("OTHER ANSWER 1 and 2"), "{table}");
    }
    assert_eq!(fs::read_to_string(folder.join("asked"))?.lines().count(), 2);
    Ok(())
}

#[test]
fn a_quick_run_takes_lines_with_goals_that_are_not_slow() -> Result<(), BoxError> {
    let (mut request, folder) = request("quick")?;
    request.extent = Extent::Quick;
    run(&request)?;
    request.extent = Extent::Full;
    request.filters = vec!["linalg/good/64".to_owned()];
    run(&request)?;
    let asked = fs::read_to_string(folder.join("asked"))?;
    assert_eq!(asked, "--rounds 3 linalg/good/64\n--rounds 7 linalg/good/64\n");
    Ok(())
}

#[test]
fn a_filter_that_names_nothing_is_a_wrong_question() -> Result<(), BoxError> {
    let (mut request, _) = request("nothing")?;
    request.filters = vec!["banana".to_owned()];
    assert_eq!(run(&request).unwrap_err().to_string(), "no line's id contains banana");
    Ok(())
}

#[test]
fn arguments_become_a_request() -> Result<(), BoxError> {
    let parse = |arguments: &[&str]| Request::parse(lexopt::Parser::from_args(arguments));
    let arguments = [
        "--peers",
        "quad",
        "--quick",
        "--fresh",
        "--threads",
        "2",
        "--minutes=1.5",
        "--results",
        "r",
    ];
    let request = parse(&arguments)?.ok_or("no help was asked for")?;
    assert_eq!((request.parts, request.filters), (vec![Part::Peers], vec!["quad".to_owned()]));
    assert_eq!((request.extent, request.start), (Extent::Quick, Start::Fresh));
    assert_eq!((request.threads, request.time), (vec![2], Some(Duration::from_secs(90))));
    assert_eq!(request.folder, PathBuf::from("r"));
    let quick = parse(&["--peers", "--quick"])?.ok_or("no help was asked for")?;
    assert_eq!(quick.time, Some(Duration::from_secs(540)), "a quick run ends by itself");
    assert_eq!(parse(&["-h"])?, None);
    for (arguments, problem) in [
        (["--threads", "0"], "cannot parse argument \"0\": number would be zero for non-zero type"),
        (
            ["--minutes", "-1"],
            "--minutes -1: cannot convert float seconds to Duration: value is negative",
        ),
    ] {
        assert_eq!(parse(&arguments).unwrap_err().to_string(), problem);
    }
    Ok(())
}
