use std::path::PathBuf;

use xtask::verify::check::{BoxError, Check};
use xtask::verify::report::text::Color;
use xtask::verify::{self, DEFAULT_SEED, Mode, Request};

use crate::samples::{self, EVERY_KIND, check, evidence};

/// What `cargo xtask verify ARGUMENTS` does with these checks: exit code, output, error output.
fn verify(checks: &[Check], arguments: &[&str]) -> Result<(u8, String, String), BoxError> {
    let Some(request) = Request::parse(lexopt::Parser::from_args(arguments))? else {
        return Err("asks for help".into());
    };
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let code = verify::run(&request, checks, &mut out, &mut err, Color::Never)?;
    Ok((code, String::from_utf8(out)?, String::from_utf8(err)?))
}

fn temporary(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name)
}

fn selected(filters: &[&str]) -> Vec<&'static str> {
    let checks = ["dsp/music", "dsp/music-root", "quad/exact"]
        .map(|id| check(id, |_| Ok(evidence(0.0, 1.0, 2.0))));
    let filters = filters.iter().map(ToString::to_string).collect();
    let request = Request { filters, ..Request::default() };
    request.select(&checks).iter().map(|check| check.id).collect()
}

#[test]
fn a_filter_is_part_of_an_id_and_several_mean_or() {
    assert_eq!(selected(&[]), ["dsp/music", "dsp/music-root", "quad/exact"]);
    assert_eq!(selected(&["music"]), ["dsp/music", "dsp/music-root"]);
    assert_eq!(selected(&["exact", "root"]), ["dsp/music-root", "quad/exact"]);
    assert_eq!(selected(&["Music"]), [""; 0]);
}

#[test]
fn a_whole_id_means_that_check_alone() {
    assert_eq!(selected(&["dsp/music"]), ["dsp/music"]);
    assert_eq!(selected(&["dsp/music", "quad"]), ["dsp/music", "quad/exact"]);
}

#[test]
fn arguments_become_a_request() -> Result<(), BoxError> {
    let parse = |arguments: &[&str]| Request::parse(lexopt::Parser::from_args(arguments));
    let request =
        parse(&["quad", "--seed", "7", "dsp", "--json=-", "--jobs", "3", "--report", "r"])?;
    let request = request.ok_or("no help was asked for")?;
    assert_eq!(request.filters, ["quad", "dsp"]);
    assert_eq!((request.seed, request.jobs.get(), request.mode), (7, 3, Mode::Run));
    assert!(request.json_to_stdout());
    assert_eq!(request.report, PathBuf::from("r"));
    let plain = parse(&[])?.ok_or("no help was asked for")?;
    assert_eq!((plain.seed, plain.json_to_stdout()), (DEFAULT_SEED, false));
    assert!(plain.report.ends_with("verify"));
    assert_eq!(parse(&["--help"])?, None);
    for (arguments, problem) in [
        (&["--sed", "7"][..], "invalid option '--sed'"),
        (&["--seed"], "missing argument for option '--seed'"),
        (&["--seed", "-1"], "--seed -1: invalid digit found in string"),
        (&["--jobs", "0"], "--jobs 0: number would be zero for non-zero type"),
        (&["--list=yes"], "unexpected argument for option '--list': \"yes\""),
    ] {
        assert_eq!(parse(arguments).unwrap_err().to_string(), problem);
    }
    Ok(())
}

#[test]
fn a_run_says_what_it_found_and_ends_with_a_summary() -> Result<(), BoxError> {
    let report = temporary("found");
    let directory = report.to_string_lossy();
    let arguments = ["--seed", "9", "--jobs", "1", "--report", &directory];
    let (code, out, err) = verify(&[samples::PASS, samples::FAIL, samples::PANIC], &arguments)?;
    assert_eq!((code, err.as_str()), (1, ""));
    assert!(!out.contains(['\x1b', '\r']), "{out}");
    let lines: Vec<_> = out.lines().collect();
    assert_eq!(lines[0], "3 checks, seed 9, 1 thread");
    let (start, end) = lines[1].split_at("PASS  [".len());
    assert_eq!(start, "PASS  [");
    assert!(end.ends_with("s] quad/pass  measured 1.0e-16 <= 1.0e-13 | control 0.500"), "{end}");
    assert_eq!(lines[5], "      check      measured     limit      ratio  control");
    assert_eq!(lines[6], "PASS  quad/pass   1.0e-16 <=  1.0e-13   1.0e-3    0.500");
    assert_eq!(lines[7], "FAIL  quad/fail   2.0e-13 >   1.0e-13     2.00    0.500");
    assert!(lines[8].starts_with("ERROR dsp/panic  panicked at "));
    let details = "
FAIL  quad/fail
  problem   measured 2e-13, above the limit 1e-13
  claim     Two <unequal> numbers are & stay apart.
  measured  2.0e-13 > 1.0e-13
  reason    n·eps, where n < 500
  control   the <trapezoid> rule: 0.500
  note      Noted \"here\".
  rerun     cargo xtask verify quad/fail --seed 9
";
    assert!(out.contains(details), "{out}");
    assert_eq!(lines.last(), Some(&"3 checks: 1 passed, 1 failed, 1 error; seed 9"));
    assert!(report.join("index.html").exists());
    Ok(())
}

#[test]
fn standard_output_is_json_alone_when_it_is_asked_for() -> Result<(), BoxError> {
    let report = temporary("json");
    let directory = report.to_string_lossy();
    let (code, out, err) = verify(&EVERY_KIND, &["--json", "-", "--report", &directory])?;
    assert_eq!(code, 1);
    let value: serde_json::Value = serde_json::from_str(&out)?;
    assert_eq!(value["checks"].as_array().map(Vec::len), Some(11));
    assert!(err.contains("PASS ") && err.ends_with("; seed 2026\n"), "{err}");

    let report = temporary("json-file");
    let directory = report.to_string_lossy();
    let file = report.join("verify.json");
    let (code, out, _) =
        verify(&[samples::PASS], &["--json", &file.to_string_lossy(), "--report", &directory])?;
    assert_eq!(code, 0);
    assert!(out.ends_with("1 check: 1 passed; seed 2026\n"), "{out}");
    let value: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(file)?)?;
    assert_eq!(value["passed"], 1);
    Ok(())
}

#[test]
fn a_list_runs_nothing() -> Result<(), BoxError> {
    let never = check("quad/never", |_| unreachable!("a list must not run it"));
    let long = Check { question: None, ..check("linalg/longer", never.run) };
    let (code, out, _) = verify(&[never, long], &["--list"])?;
    assert_eq!(code, 0);
    assert_eq!(
        out,
        "quad/never     Q8   Two <unequal> numbers are & stay apart.\n\
         linalg/longer       Two <unequal> numbers are & stay apart.\n"
    );
    Ok(())
}

#[test]
fn what_cannot_be_asked_is_an_error_before_anything_runs() {
    let never = check("quad/never", |_| unreachable!("nothing must run"));
    let problem = |arguments: &[&str]| verify(&[never], arguments).unwrap_err().to_string();
    assert_eq!(
        problem(&["dsp", "rl"]),
        "no check's id contains dsp or rl; `cargo xtask verify --list` has them all"
    );
    assert_eq!(
        problem(&["--list", "dsp"]),
        "no check's id contains dsp; `cargo xtask verify --list` has them all"
    );
    assert_eq!(verify(&[], &[]).unwrap_err().to_string(), "there is no check to run");
    let report = temporary("refused").to_string_lossy().into_owned();
    let nowhere = problem(&["--report", &report, "--json", "no/such/folder/file.json"]);
    assert!(nowhere.starts_with("no/such/folder/file.json cannot be written: "), "{nowhere}");
    // A file where a folder is needed.
    let nowhere = problem(&["--report", concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml/x")]);
    assert!(nowhere.contains("cannot be written: "), "{nowhere}");
}

#[test]
fn color_is_for_terminals() -> Result<(), BoxError> {
    let request = Request { report: temporary("color"), ..Request::default() };
    let (mut out, mut err) = (Vec::new(), Vec::new());
    verify::run(&request, &[samples::PASS], &mut out, &mut err, Color::Always)?;
    assert!(String::from_utf8(out)?.contains("\x1b[32mPASS \x1b[0m"));
    Ok(())
}

#[test]
fn a_reader_that_goes_away_does_not_stop_the_run() -> Result<(), BoxError> {
    struct Gone;
    impl std::io::Write for Gone {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            Err(std::io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let report = temporary("gone");
    let request = Request { report: report.clone(), ..Request::default() };
    let code =
        verify::run(&request, &[samples::PASS, samples::FAIL], &mut Gone, &mut Gone, Color::Never)?;
    assert_eq!(code, 1);
    assert!(std::fs::read_to_string(report.join("index.html"))?.contains("1 of 2 checks passed"));
    Ok(())
}
