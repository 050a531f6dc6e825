//! One program for every target: `TARGET` names it.

#![no_main]

mod targets;

use std::sync::OnceLock;

use targets::{TARGETS, Target};

static TARGET: OnceLock<&Target> = OnceLock::new();

/// The target that is named; its seeds go into the folders that the fuzzer reads.
fn chosen() -> &'static Target {
    TARGET.get_or_init(|| {
        let name = std::env::var("TARGET").unwrap_or_default();
        let Some(target) = TARGETS.iter().find(|target| target.name == name) else {
            let names: Vec<_> = TARGETS.iter().map(|target| target.name).collect();
            eprintln!("TARGET is one of {}", names.join(", "));
            std::process::exit(2);
        };
        for folder in std::env::args().skip(1).filter(|arg| std::path::Path::new(arg).is_dir()) {
            for (index, seed) in (target.seeds)().into_iter().enumerate() {
                let _ = std::fs::write(format!("{folder}/seed-{index}"), seed);
            }
        }
        target
    })
}

libfuzzer_sys::fuzz_target!(
    init: { chosen(); },
    |bytes: &[u8]| (chosen().run)(bytes)
);
