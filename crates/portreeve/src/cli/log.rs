//! What is logged, and where: to stderr, as `PORTREEVE_LOG` says.
//!
//! A level alone is about this program; the libraries below it say warnings and errors only, unless
//! they are asked by name: `debug,hyper_util=debug`.

use tracing_subscriber::EnvFilter;

use crate::config::Environment;

const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// What is wanted, as the filter reads it.
fn directives(wanted: &str) -> Result<String, String> {
    let mut directives = Vec::new();
    for word in wanted.split(',').map(str::trim) {
        let level = LEVELS
            .into_iter()
            .find(|level| level.eq_ignore_ascii_case(word));
        directives.push(match level {
            Some(level @ ("off" | "error" | "warn")) => level.to_owned(),
            Some(level) => format!("warn,portreeve={level}"),
            None if word.contains(['=', ':', '[']) || word.starts_with("portreeve") => {
                word.to_owned()
            }
            // The filter would take it for the name of a module, and be silent.
            None => return Err(format!("{word:?} is none of {}", LEVELS.join(", "))),
        });
    }
    Ok(directives.join(","))
}

fn filter(wanted: &str) -> Result<EnvFilter, String> {
    EnvFilter::try_new(directives(wanted)?).map_err(|error| error.to_string())
}

/// Begins to log.
pub(super) fn start(environment: &Environment) {
    use std::io::IsTerminal as _;
    const USUAL: &str = "info";
    let wanted = environment.get("PORTREEVE_LOG");
    let wanted = wanted.as_deref().unwrap_or(USUAL);
    let filter = filter(wanted).or_else(|error| {
        eprintln!("warning: PORTREEVE_LOG={wanted:?} is not understood ({error}); using {USUAL}");
        filter(USUAL)
    });
    let ansi = std::io::stderr().is_terminal() && !environment.no_color();
    // A second logger in one process, in a test for instance, is not needed.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter.unwrap_or_default())
        .with_ansi(ansi)
        // It would say on stderr that stderr cannot be written, and panic: a full disk must not end
        // what keeps the ledger.
        .log_internal_errors(false)
        .with_writer(std::io::stderr)
        .try_init();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_that_is_none_is_told() {
        for good in [
            "info",
            "WARN",
            "portreeve=debug,hyper=warn",
            "portreeve::gate",
        ] {
            assert!(directives(good).is_ok(), "{good}");
        }
        for bad in ["loud", "info,loud", ""] {
            assert!(directives(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_level_is_about_this_program_unless_another_is_named() {
        for (wanted, ours, theirs) in [
            ("debug", true, false),
            ("Trace", true, false),
            ("info", false, false),
            ("debug,hyper_util=debug", true, true),
            ("portreeve=debug", true, false),
            ("hyper_util=debug", false, true),
        ] {
            let filter = filter(wanted).expect(wanted);
            let subscriber = tracing_subscriber::fmt().with_env_filter(filter).finish();
            tracing::subscriber::with_default(subscriber, || {
                let of_ours = tracing::enabled!(target: "portreeve::gate", tracing::Level::DEBUG);
                let of_theirs = tracing::enabled!(target: "hyper_util", tracing::Level::DEBUG);
                assert_eq!((of_ours, of_theirs), (ours, theirs), "{wanted}");
            });
        }
    }
}
